"""dgm_tf: Dynamic Generative Memory for class-incremental learning, in TensorFlow / Keras 3."""

__version__ = "0.1.0"
