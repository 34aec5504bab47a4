"""Networks: generators, two-headed discriminators, classifiers."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
