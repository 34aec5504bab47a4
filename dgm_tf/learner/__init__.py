"""A learner that takes one task after the other: the Python API, and what runs are built on."""

from dgm_tf.learner.learner import Learner, load

__all__ = ["Learner", "load"]
