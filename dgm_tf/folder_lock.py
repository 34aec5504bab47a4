"""One command at a time in a folder, what a killed one left behind included."""

import contextlib
import fcntl
import time

from dgm_tf.errors import UserError


@contextlib.contextmanager
def locked(folder, argument, holder, patience=60.0):
    """Holds a folder, which is made where needed; gives the lock's file descriptor.

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
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "a")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        text = f"expected a folder or a place for one, got {folder} ({error.strerror})"
        raise UserError(f"{argument}: {text}") from error
    with file:
        _wait_for(file, f"{argument}: {folder}: {holder} is at work there", time.monotonic() + patience)
        yield file.fileno()


def _wait_for(file, refusal, until):
    while True:
        try:
            return fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise UserError(refusal) from None
            time.sleep(0.5)
        except OSError:  # no locks there
            return None
