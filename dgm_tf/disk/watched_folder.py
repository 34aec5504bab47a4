"""Folders that must stay while a run works in them: one that was deleted is not made anew by half."""

import contextlib
import os
import pathlib

from dgm_tf.errors import UserError

_watched: dict[str, int] = {}  # absolute path -> descriptor, which keeps another folder from looking like it


@contextlib.contextmanager
def watched(folder):
    """Inside this context `check` tells when `folder`, which exists, has been deleted, moved or replaced."""
    path = os.path.abspath(folder)
    if path in _watched:
        yield
        return
    _watched[path] = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield
    finally:
        os.close(_watched.pop(path))


def check(path):
    """Raises UserError if `path` is a watched folder that is not there any more, or lies in one."""
    path = os.path.abspath(path)
    for folder, descriptor in list(_watched.items()):
        if f"{path}/".startswith(f"{folder}/") and not _is_there(folder, descriptor):
            raise UserError(
                f"{folder}: expected the run folder to stay while the run is at work there, found it deleted or moved; "
                "nothing more is written: give the command again to begin anew, or where the folder is now"
            )


def make(folder):
    """Makes a folder and those above it, but no watched one: raises UserError as `check` does."""
    check(folder)
    missing = [pathlib.Path(os.path.abspath(folder))]
    while str(missing[-1]) not in _watched and not missing[-1].is_dir():
        missing.append(missing[-1].parent)
    for path in reversed(missing[:-1]):
        try:
            path.mkdir(exist_ok=True)
        except FileNotFoundError:  # deleted this very moment
            check(folder)
            raise


def _is_there(folder, descriptor):
    try:
        return os.path.samestat(os.stat(folder), os.fstat(descriptor))
    except OSError:
        return False
