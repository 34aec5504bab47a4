"""Errors that the command line reports without a stack trace, and their messages."""

import errno
import os
import re
import sys


class UserError(ValueError):
    """A mistake of the user: names the argument, what was expected and what was found."""


class DetailedError(UserError):
    """User error whose message has several lines, such as a diff."""


class Diverged(UserError):
    """Raised if losses or weights are not finite: says where, and which settings to try."""


class Damaged(UserError):
    """Raised for a damaged file: names it, what was found and what to do."""


_AGAIN = "then give the same command again"
_ADVICE = {
    errno.ENOSPC: f"make room, {_AGAIN}",
    errno.EDQUOT: f"make room in your quota, {_AGAIN}",
    errno.EFBIG: f"allow larger files (ulimit -f), {_AGAIN}",
    errno.EMFILE: f"allow more open files (ulimit -n), {_AGAIN}",
    errno.ENFILE: f"close other programs, {_AGAIN}",
    errno.EACCES: "change its permissions, or name another place",
    errno.EPERM: "change its permissions, or name another place",
    errno.EROFS: "name a place that can be written to",
}
_OTHERS = (errno.EIO, errno.ENOENT, errno.ENAMETOOLONG, errno.ESTALE)
_ERRNO = {os.strerror(number): number for number in (*_ADVICE, *_OTHERS)}


def own_message(error):
    """Returns the error's message without the calls that gin appends to it."""
    return str(error).split("\n  In call to configurable '")[0]


def told(error):
    """Message of an error for the user instead of a stack trace; None for a bug of this program."""
    if isinstance(error, UserError):
        return own_message(error)
    if isinstance(error, OSError):
        return _file_error(own_message(error))
    found = file_error(error)
    return found and _file_error(str(found))


def reason(error):
    """Reason of an `OSError` and what to do, for a message that names the path itself."""
    return _sentence(None, error.strerror, error.errno) if error.errno else str(error)


def file_error(error):
    """Returns the `OSError` behind an error, such as TensorFlow's about files, or None."""
    if isinstance(error, OSError):
        return error if error.errno else None
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is None or not isinstance(error, tensorflow.errors.OpError):
        return None
    reasons = "|".join(map(re.escape, _ERRNO))
    match = re.match(rf"(?:\{{\{{[^}}]*\}}\}} ?)?(?:[^/;\n]*: )?([^;\n]*); ({reasons})", own_message(error))
    return match and OSError(_ERRNO[match[2]], match[2], match[1])


def _file_error(message):
    """Of an `OSError`'s text, which is all that gin leaves of it: path, reason and what to do."""
    match = re.fullmatch(r"\[Errno (\d+)\] (.*?)(?:: (['\"].*))?", message, re.DOTALL)
    if match is None:
        return message
    number, why, path = match.groups()
    return _sentence(path and path[1:-1].replace("' -> '", " -> "), why, int(number))


def _sentence(path, why, number):
    advice = _ADVICE.get(number)
    return (f"{path}: " if path else "") + why + (f"; {advice}" if advice else "")
