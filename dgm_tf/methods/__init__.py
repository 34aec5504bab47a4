"""Methods of continual learning, one a file, behind the hooks of `method.Method`."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
