"""Resumable random numbers: all are functions of (seed, purpose, step)."""

import contextlib
import random
import threading
import zlib

import numpy as np
import tensorflow as tf

# Named, as by default each kind of device takes one of its own. (XLA's numbers are others all the same.)
ALGORITHM = "philox"
_python_random = threading.RLock()  # the generator is the whole process's


def _key(names):
    return [name if isinstance(name, int) else zlib.crc32(name.encode()) for name in names]


def numpy_generator(seed, *names):
    """A numpy generator for the given purpose; names are strings or non-negative ints."""
    return np.random.default_rng([seed, *_key(names)])


def stateless_seed(seed, *names):
    """int32 [2] seed for tf.random.stateless_* for the given purpose."""
    return tf.constant(numpy_generator(seed, *names).integers(0, 2**31 - 1, 2), tf.int32)


@contextlib.contextmanager
def seeded_initializers(seed, *names):
    """Keras initializers without a seed of their own become functions of (seed, names) inside.

    Keras draws such seeds from Python's `random`, whose state is put back afterwards; other threads wait meanwhile.
    """
    with _python_random:
        state = random.getstate()
        random.seed(int(numpy_generator(seed, *names).integers(2**62)))
        try:
            yield
        finally:
            random.setstate(state)


def split_seed(seed, count):
    """`count` independent stateless seeds from one."""
    return tf.unstack(tf.random.split(seed, count, alg=ALGORITHM))


def fold_in(seed, number):
    """Another stateless seed, of a seed and an integer."""
    return tf.random.fold_in(seed, number, alg=ALGORITHM)


def normal(shape, seed):
    """float32 draws of that shape from N(0, 1); seed: int32 [2]."""
    return tf.random.stateless_normal(shape, seed, alg=ALGORITHM)


def uniform(shape, seed, minval=0, maxval=None, dtype=tf.float32):
    """Draws of that shape from [minval, maxval), or [0, 1); seed: int32 [2]; integers need a maxval."""
    return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg=ALGORITHM)


def replica_slice(global_values):
    """This replica's rows of values drawn for the global batch.

    Drawing for all and cutting gives every replica noise of its own, and any number of replicas the same
    global batch.
    """
    replica = tf.distribute.get_replica_context()
    if replica.num_replicas_in_sync == 1:
        return global_values
    size = tf.shape(global_values)[0] // replica.num_replicas_in_sync
    start = size * tf.cast(replica.replica_id_in_sync_group, tf.int32)
    return global_values[start : start + size]


def replica_count():
    """Replicas that share a global batch."""
    return tf.distribute.get_strategy().num_replicas_in_sync
