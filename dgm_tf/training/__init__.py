"""Loops, optimizers, schedules and checkpoints, ignorant of continual learning."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
