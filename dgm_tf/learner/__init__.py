"""Learner: the Python API that learns one task after the other, and the base of runs."""

from dgm_tf.learner.learner import Learner, load

__all__ = ["Learner", "load"]
