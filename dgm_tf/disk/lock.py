"""Folder locks: one command at a time in a folder."""

import contextlib
import fcntl
import os
import time

from dgm_tf.disk import leftovers, watched_folder
from dgm_tf.errors import UserError

# Of a run folder: all else is written under another name and then put in its place, which replaces a link.
_FILES_IN_PLACE = (".lock", "metrics.jsonl")
_FOLDERS_IN_PLACE = ("train", "eval", "images", "figures", "checkpoints", "memory", "export", "samples")


@contextlib.contextmanager
def locked(folder, argument, holder, patience=60.0):
    """Holds a folder, which is made where needed, and tidies it up; gives the lock's file descriptor.

    A process that inherits the descriptor holds the folder too, until it ends: a suite that was killed and is started
    again so waits for its runs that are still saving. Where the file system has no locks, nothing is held.

    Args:
      folder: `pathlib.Path`.
      argument: what named the folder, for messages, such as "run_dir".
      holder: who else may hold it, for messages.
      patience: seconds to wait for others.

    Raises:
      UserError: if the folder cannot be made, or others still hold it after `patience` seconds.
    """
    _refuse_links(folder, argument)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        text = f"expected a folder or a place for one, got {folder} ({error.strerror})"
        raise UserError(f"{argument}: {text}") from error
    with file:
        refusal, until = f"{argument}: {folder}: {holder} is at work there", time.monotonic() + patience
        leftovers.sweep(folder, held=_wait_for(file, refusal, until))
        with watched_folder.watched(folder):
            yield file.fileno()


@contextlib.contextmanager
def held_itself(folder, argument, holder, patience=60.0):
    """Holds a folder, and leaves no file in it; arguments and errors as of `locked`."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        _wait_for(descriptor, f"{argument}: {folder}: {holder} is at work there", time.monotonic() + patience)
        yield
    finally:
        os.close(descriptor)


def _refuse_links(folder, argument):
    """A run folder may come from a stranger: what is written in place must not lead elsewhere, or wait for ever."""
    for name in _FILES_IN_PLACE:
        path = folder / name
        if path.exists() and not path.is_file():
            raise UserError(f"{argument}: {path}: expected a file of the run's own, got something else; remove it")
    refuse_links((folder / name for name in (*_FILES_IN_PLACE, *_FOLDERS_IN_PLACE)), argument)


def refuse_links(paths, argument):
    """Raises UserError, naming the argument, for a path of a run folder that leads elsewhere."""
    for path in paths:
        if path.is_symlink():
            raise UserError(
                f"{argument}: {path} is a link, and would be written through: expected a file or folder of the run's "
                "own; remove the link"
            )


def _wait_for(file, refusal, until):
    """Waits for the lock of a file; returns False if the file system has no locks."""
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > until:
                raise UserError(refusal) from None
            time.sleep(0.5)
        except OSError:  # no locks there
            return False
