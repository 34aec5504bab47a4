"""The networks of all methods: generators, discriminators with two heads, classifiers."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
