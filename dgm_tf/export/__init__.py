"""Export of a learner as SavedModels, which need TensorFlow and nothing of this package."""

from dgm_tf.export.write import export

__all__ = ["export"]
