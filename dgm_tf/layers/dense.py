"""Masked dense layer."""

import keras
import tensorflow as tf

from dgm_tf.layers.masked import MaskedLayer


@keras.saving.register_keras_serializable("dgm_tf")
class MaskedDense(MaskedLayer):
    """Dense layer without bias whose kernel [inputs, units] or units carry task masks.

    Args:
      units: int, output units.
      **kwargs: see `MaskedLayer`.

    Shapes: [batch, inputs] -> [batch, units].
    """

    width_name = "units"

    def __init__(self, units, **kwargs):
        super().__init__(units, **kwargs)

    def kernel_shape(self, inputs, outputs):
        """[inputs, outputs]."""
        return (inputs, outputs)

    def linear(self, inputs, kernel):
        """inputs @ kernel."""
        return tf.matmul(inputs, kernel)

    def compute_output_shape(self, input_shape):
        """(batch, units)."""
        return (*input_shape[:-1], self.width)
