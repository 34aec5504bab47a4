"""One run and its folder: the loop over tasks, its record, stopping and resuming."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
