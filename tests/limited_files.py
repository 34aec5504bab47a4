"""Files that may not grow, as under `ulimit -f` or on a full disk."""

import contextlib
import resource


@contextlib.contextmanager
def files_of_at_most(size):
    """Files may not grow beyond so many bytes, in this process and in TensorFlow."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
