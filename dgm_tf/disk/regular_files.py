"""Opens regular files only: a FIFO would block forever, and a device may never end."""

import os
import stat

from dgm_tf.errors import UserError

_KINDS = {
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


class NotRegular(UserError):
    """Raised if a path is not a regular file. Its text says what it is."""


def open_regular(path, wrap=open):
    """Opens a regular file for reading bytes.

    Args:
        path: the file; links are followed.
        wrap: makes a file object of a descriptor and the mode "rb", and closes it.

    Raises:
        NotRegular: it is a FIFO, a socket, a device or a folder.
        OSError: it cannot be opened.
    """
    check_regular(os.stat(path))  # first: opening a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        check_regular(os.fstat(descriptor))  # of what was opened: another may have taken its place
        return wrap(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def check_regular(status):
    """Raises `NotRegular` unless an `os.stat_result` belongs to a regular file."""
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(f"{_KINDS.get(stat.S_IFMT(status.st_mode), 'something else')}, not a file")
