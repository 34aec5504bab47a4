"""Variables that the host reads and writes, and that no training step uses."""

import concurrent.futures
import contextlib

import tensorflow as tf

_ARGUMENTS = ("initial_value", "trainable", "name", "dtype", "shape")


@contextlib.contextmanager
def host_variables():
    """Makes variables belong to this process alone inside this context, whatever strategy is in scope.

    `MultiWorkerMirroredStrategy` broadcasts the first value of each variable, and its collectives know no uint8, the
    type of the masks' stored bits. A strategy holds for the thread that entered its scope: another one makes them.
    """
    if not tf.distribute.has_strategy():
        yield
        return
    with concurrent.futures.ThreadPoolExecutor(1) as thread:

        def make(next_creator, **arguments):
            given = {name: arguments[name] for name in _ARGUMENTS}
            return thread.submit(tf.Variable, **given).result()

        with tf.variable_creator_scope(make):
            yield
