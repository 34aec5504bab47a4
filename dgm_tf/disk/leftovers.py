"""Removal of temporary files that killed processes have left."""

import contextlib
import os
import shutil
import time

from dgm_tf.disk import files

# Of a run folder: where nobody writes but who holds it, and where others may.
_OWN = ("memory", "checkpoints", "images", "figures", "train", "eval", "hparams")
_SHARED = ("export",)
_OLD = 24 * 3600.0  # seconds
_started = time.time()


def sweep(folder, held):
    """Removes temporary files from a run folder, or a suite's, and from its subfolders.

    held: whether this process alone may write there, but for exports.
    """
    for part in (folder, *(folder / name for name in _OWN)):
        sweep_shared(part, held)
    for name in _SHARED:
        sweep_shared(folder / name)


def sweep_shared(folder, held=False):
    """Removes them from a folder in which others may be writing, such as a cache, but if this process holds it."""
    for path in _temporaries(folder):
        if held or _is_abandoned(path):
            _remove(path)


def _temporaries(folder):
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:  # there is none
        return []
    return [folder / name for name in names if files.process_of(name) is not None]


def _is_abandoned(path):
    """Whether a temporary file's process has ended, or the file is another machine's and old."""
    process = files.process_of(path.name)
    try:
        if not files.is_of_this_machine(path.name):
            return time.time() - _touched(path) > _OLD
        return _touched(path) < _started if process == os.getpid() else not _is_alive(process)
    except OSError:  # another process was as quick
        return False


def _touched(path):
    """Time of the last write to a file, or to anything in a folder."""
    inside = path.iterdir() if path.is_dir() else ()
    return max(place.stat().st_mtime for place in (path, *inside))


def _is_alive(process):
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # another person's
        return True
    return True


def _remove(path):
    with contextlib.suppress(OSError):  # another process was as quick
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
