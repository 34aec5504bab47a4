"""Agreement of several workers: all of them call the same functions, in the same order.

With one process these return its own answer and cost nothing.
"""

import contextlib
import functools
import json
import zlib

import numpy as np
import tensorflow as tf

from dgm_tf.errors import UserError, told
from dgm_tf.training.cluster import WorkerLost

# Of an operation that needs another worker, when that has ended or started anew.
_SIGNS_OF_LOSS = (
    tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
)  # fmt: skip


def place():
    """(this worker's position, number of workers), the chief at 0."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    if resolver is None or not resolver.task_type:
        return 0, 1
    cluster = resolver.cluster_spec()
    sizes = {job: cluster.num_tasks(job) for job in cluster.jobs}
    chiefs = sizes.get("chief", 0)
    index = resolver.task_id if resolver.task_type == "chief" else chiefs + resolver.task_id
    return index, chiefs + sizes.get("worker", 0)


def is_chief():
    """Whether this process is the one that writes files."""
    return place()[0] == 0


def everyones(number):
    """The numbers that the workers call this with, a list in their order; returns when all have called it.

    number: up to 2**53 in size, if it is to arrive exactly.
    """
    index, count = place()
    if count == 1:
        return [number]
    row = np.zeros(count)
    row[index] = number
    return _summing(tf.distribute.get_strategy())(tf.constant(row)).numpy().tolist()


@functools.cache
def _summing(strategy):
    """A function of float64 [workers], their sum over workers; a graph, as without one TensorFlow makes threads."""
    return tf.function(lambda row: strategy.reduce(tf.distribute.ReduceOp.SUM, row, axis=None))


@contextlib.contextmanager
def loss_told(signals=None):
    """Converts TensorFlow's error about a lost worker into `WorkerLost`.

    signals: `StopSignals`, for what this worker itself was asked.
    """
    try:
        yield
    except _SIGNS_OF_LOSS as error:
        if place()[1] == 1 or told(error):  # of a file
            raise
        raise WorkerLost(signum=signals and signals.received) from error


def wait_for_each_other():
    """Waits until all workers have called it."""
    everyones(0)


def all_of(flag):
    """Whether the flag is true on all workers."""
    return all(everyones(bool(flag)))


def agreed_signal(received):
    """The signal that this worker or any other was sent, None where none was; the same on all. received: or None."""
    return int(max(everyones(received or 0))) or None


@contextlib.contextmanager
def chief_first():
    """Runs the body on the chief first, then on the others, which find the chief's files."""
    if not is_chief():
        wait_for_each_other()
        yield
        return
    try:
        yield
    except Exception:  # the others meet the same, and say so
        wait_for_each_other()
        raise
    wait_for_each_other()


def check_same(what, *facts):
    """Raises UserError on all workers unless all have the same facts.

    Args:
      what: for the message, a plural.
      facts: what JSON can hold, or dicts of arrays.
    """
    sums = everyones(_checksum(facts) if place()[1] > 1 else 0)
    others = [str(i + 1) for i, each in enumerate(sums) if each != sums[0]]
    if others:
        raise UserError(
            f"--strategy=multi_worker: expected the same {what} on all workers, got others on worker "
            f"{', '.join(others)} than on worker 1: start all with the same command and version, in a --run_dir "
            "that they share"
        )


def _checksum(facts):
    checksum = 0
    for fact in facts:
        if isinstance(fact, dict) and all(isinstance(value, np.ndarray) for value in fact.values()):
            for name in sorted(fact):
                checksum = zlib.crc32(np.ascontiguousarray(fact[name]), zlib.crc32(name.encode(), checksum))
        else:
            checksum = zlib.crc32(json.dumps(fact, sort_keys=True).encode(), checksum)
    return checksum
