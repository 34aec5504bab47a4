"""What a learner is worth: metrics, replay quality, figures, tables."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
