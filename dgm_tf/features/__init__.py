"""Feature spaces: fixed extractors of vectors from images, in which methods learn instead of among pixels."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
