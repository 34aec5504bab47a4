"""Training: loop, phases, optimizers, pools, schedules. Knows nothing of continual learning."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
