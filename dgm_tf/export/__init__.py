"""Export of a learner as SavedModels, and for LiteRT and ONNX: what needs nothing of this package."""

from dgm_tf.export.write import export, formats_in

__all__ = ["export", "formats_in"]
