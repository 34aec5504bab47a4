"""One run and its folder: the loop over tasks, what is recorded of it, how it is stopped and resumed."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
