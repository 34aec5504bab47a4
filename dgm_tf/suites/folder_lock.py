"""One suite at a time in a folder, the runs that a killed one left behind included."""

import contextlib
import fcntl
import time

from dgm_tf.errors import UserError


@contextlib.contextmanager
def locked(folder, patience=60.0):
    """Holds a folder, which is made where needed; gives the lock's file descriptor.

    A process that inherits the descriptor holds the folder too, until it ends: a suite that was killed and is started
    again so waits for its runs that are still saving.

    Raises:
      UserError: if the folder cannot be made, or others still hold it after `patience` seconds.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        text = f"expected a folder or a place for one, got {folder} ({error.strerror})"
        raise UserError(f"--run_root: {text}") from error
    with file:
        _wait_for(file, folder, time.monotonic() + patience)
        yield file.fileno()


def _wait_for(file, folder, until):
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise UserError(f"{folder}: another bin/benchmark, or a run that it left, is at work there") from None
            time.sleep(0.5)
