"""Whether XLA compiles the training steps: on a GPU, where their many small kernels wait for each other."""

import contextlib

import tensorflow as tf

from dgm_tf.training.randomness import replica_count

# XLA took 15 to 20 s to compile a GAN phase's step and saved 6 to 11 ms a step (H200, docs/performance.md).
WORTHWHILE_STEPS = 3000
_enabled = None


@contextlib.contextmanager
def jit_compilation(enabled):
    """Inside, `jit` compiles always (True), never (False), or on a GPU where it pays (None, as outside)."""
    global _enabled
    before, _enabled = _enabled, enabled
    try:
        yield
    finally:
        _enabled = before


def jit(function, steps):
    """The function of one replica, to be called in a `tf.function` so many times; compiled by XLA or as it is.

    XLA draws other random numbers from the same seeds, so a compiled run is another run. Replicas cannot synchronise
    inside its graphs: with more than one the function stays as it is.
    """
    pays = steps >= WORTHWHILE_STEPS and bool(tf.config.list_logical_devices("GPU"))
    enabled = pays if _enabled is None else _enabled
    return tf.function(function, jit_compile=True) if enabled and replica_count() == 1 else function
