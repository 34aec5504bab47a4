"""Compilation of the training steps by XLA: worth it on a GPU, which else waits between small kernels."""

import contextlib

import tensorflow as tf

# XLA took 15 s more to trace and compile a GAN phase's step, and saved 6 to 11 ms a step (H200, docs/performance.md).
# A classifier's update alone was not measured.
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

    XLA draws other random numbers from the same seeds, so a compiled run is another run. Under a `tf.distribute`
    strategy, be it of one replica, the function stays as it is: replicas cannot synchronise inside XLA's graphs.
    """
    pays = steps >= WORTHWHILE_STEPS and bool(tf.config.list_logical_devices("GPU"))
    enabled = pays if _enabled is None else _enabled
    return tf.function(function, jit_compile=True) if enabled and not tf.distribute.has_strategy() else function
