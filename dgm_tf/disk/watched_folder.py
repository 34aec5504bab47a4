"""Watched folders: a run ends if its folder is deleted, instead of making a part of it again."""

import contextlib
import os
import pathlib

from dgm_tf.errors import UserError

_watched: dict[str, int] = {}  # absolute path -> descriptor, which keeps another folder from looking like it


@contextlib.contextmanager
def watched(folder):
    """Inside this context, `check` notices if the existing `folder` is deleted, moved or replaced."""
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
    """Raises UserError if `path` is in a watched folder, or is one, that no longer exists."""
    path = os.path.abspath(path)
    for folder, descriptor in list(_watched.items()):
        if f"{path}/".startswith(f"{folder}/") and not _is_there(folder, descriptor):
            raise UserError(
                f"{folder}: expected the run folder to stay while its run is active, found it deleted or moved; "
                "nothing more is written: run the command again to start over, or in the folder's new place to resume"
            )


def make(folder):
    """Makes a folder and its parents, except watched ones: raises UserError as `check` does."""
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
