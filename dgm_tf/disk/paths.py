"""Paths given by the user in flags, gin files or Python: ~ is the home directory."""

import os
import pathlib

from dgm_tf.errors import UserError
from dgm_tf.text import shown


def user_path(path, argument="path"):
    """Converts a user's path to a `pathlib.Path`, with ~ expanded.

    Args:
        path: str or `os.PathLike`; ~ and ~user at its beginning are home directories.
        argument: names it in messages.

    Raises:
        UserError: it is empty, no path at all, or of a user that there is not.
    """
    text = os.fspath(path) if isinstance(path, (str, os.PathLike)) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise UserError(f"{argument}: expected a path, got {shown(repr(path))}")
    if not text.startswith("~"):
        path = pathlib.Path(text)
        return path.absolute() if str(path).startswith("~") else path  # ./~ is a folder here, also when asked again
    try:
        return pathlib.Path(text).expanduser()
    except RuntimeError as error:  # ~name, where nobody has that name
        if os.path.lexists(text):
            return pathlib.Path(text).absolute()
        raise UserError(
            f"{argument}: expected a path, got {shown(repr(text))}, whose ~ names no user of this machine; "
            f"./{shown(text)} would be a name in this folder"
        ) from error
