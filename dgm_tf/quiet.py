"""Hides the messages that TensorFlow's C++ prints at its start."""

import contextlib
import os
import sys
import threading

from dgm_tf import output, stopping

# For commands: set before TensorFlow is imported, so modules with a `main` import it inside their functions.
LEVELS = {"TF_CPP_MIN_LOG_LEVEL": "2"}


def expect_loss(strategy):
    """Hides TensorFlow's own messages about a lost worker. Call it before TensorFlow is imported."""
    if strategy == "multi_worker" and os.environ.get("TF_CPP_MIN_LOG_LEVEL") in LEVELS.values():
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


@contextlib.contextmanager
def quiet_start():
    """Hides what TensorFlow's C++ prints while it is imported or finds devices.

    No log level reaches those lines; errors are exceptions, and come through. In a thread nothing is kept off: standard
    error is the whole process's.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    output.lasting(sys.stderr).flush()
    try:
        terminal = os.dup(2)
    except OSError:  # closed
        yield
        return
    try:
        output.send_to_nothing(2)
        stopping.tell_to(terminal)
        yield
    finally:
        stopping.tell_to(2)
        os.dup2(terminal, 2)
        os.close(terminal)
