"""What is measured of a learner, one idea a file, and the record that holds it."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
