"""Masked convolution and transposed convolution, channels last, without bias."""

import keras
import tensorflow as tf

from dgm_tf.layers import few_channels
from dgm_tf.layers.masked import MaskedLayer


class _MaskedConvolution(MaskedLayer):
    """What both convolutions share: square kernels, strides and padding."""

    width_name = "filters"

    def __init__(self, filters, kernel_size, strides=1, padding="same", **kwargs):
        super().__init__(filters, **kwargs)
        if padding not in ("same", "valid"):
            raise ValueError(f"padding of {self.name}: expected 'same' or 'valid', got {padding!r}")
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

    def _plain(self, layer_class, inputs, outputs, **kwargs):
        layer = layer_class(
            outputs, self.kernel_size, self.strides, padding=self.padding, name=self.name, **kwargs
        )
        layer.build((None, None, None, inputs))
        return layer

    def get_config(self):
        """Keras config."""
        return super().get_config() | {
            "kernel_size": self.kernel_size,
            "strides": self.strides,
            "padding": self.padding,
        }


@keras.saving.register_keras_serializable("dgm_tf")
class MaskedConv2D(_MaskedConvolution):
    """2D convolution whose kernel [k, k, inputs, filters] or filters carry task masks.

    Args:
      filters: int, output channels.
      kernel_size, strides: int, the same in both directions.
      padding: "same" or "valid".
      **kwargs: see `MaskedLayer`.

    Shapes: [batch, H, W, inputs] -> [batch, H', W', filters].
    """

    def kernel_shape(self, inputs, outputs):
        """[k, k, inputs, outputs]."""
        return (self.kernel_size, self.kernel_size, inputs, outputs)

    def linear(self, inputs, kernel):
        """The convolution."""
        return tf.nn.conv2d(inputs, kernel, self.strides, self.padding.upper())

    def plain_layer(self, inputs, outputs, **kwargs):
        """`keras.layers.Conv2D`, built."""
        return self._plain(keras.layers.Conv2D, inputs, outputs, **kwargs)

    def compute_output_shape(self, input_shape):
        """(batch, H', W', filters)."""
        size = [_convolved(n, self.kernel_size, self.strides, self.padding) for n in input_shape[1:3]]
        return (input_shape[0], *size, self.width)


@keras.saving.register_keras_serializable("dgm_tf")
class MaskedConv2DTranspose(_MaskedConvolution):
    """Transposed 2D convolution whose kernel [k, k, filters, inputs] or filters carry task masks.

    Args: as `MaskedConv2D`.

    Shapes: [batch, H, W, inputs] -> [batch, H', W', filters]; "same" multiplies H and W by the strides.
    """

    def kernel_shape(self, inputs, outputs):
        """[k, k, outputs, inputs]."""
        return (self.kernel_size, self.kernel_size, outputs, inputs)

    def linear(self, inputs, kernel):
        """The transposed convolution; over a single pixel it is a matrix product, which is faster."""
        height, width = inputs.shape[1:3]
        outputs = kernel.shape[2]
        if (height, width) == (1, 1) and self.padding == "valid" and self.strides <= self.kernel_size:
            flat = tf.reshape(kernel, [-1, kernel.shape[3]])
            product = tf.matmul(tf.reshape(inputs, [-1, kernel.shape[3]]), flat, transpose_b=True)
            return tf.reshape(product, [-1, self.kernel_size, self.kernel_size, outputs])
        if few_channels.suits(self.kernel_size, self.strides, self.padding, outputs):
            return few_channels.transposed_convolution(inputs, tf.convert_to_tensor(kernel))
        size = [_spread(n, self.kernel_size, self.strides, self.padding) for n in (height, width)]
        shape = tf.stack([tf.shape(inputs)[0], *size, outputs])
        return tf.nn.conv2d_transpose(inputs, kernel, shape, self.strides, self.padding.upper())

    def plain_layer(self, inputs, outputs, **kwargs):
        """`keras.layers.Conv2DTranspose`, built."""
        return self._plain(keras.layers.Conv2DTranspose, inputs, outputs, **kwargs)

    def compute_output_shape(self, input_shape):
        """(batch, H', W', filters)."""
        size = [_spread(n, self.kernel_size, self.strides, self.padding) for n in input_shape[1:3]]
        return (input_shape[0], *size, self.width)

    def _spread_channels(self, matrix):
        """[inputs, outputs] -> [outputs, inputs], as the kernel ends."""
        return tf.transpose(matrix)


def _convolved(size, kernel_size, strides, padding):
    if size is None:
        return None
    return -(-size // strides) if padding == "same" else (size - kernel_size) // strides + 1


def _spread(size, kernel_size, strides, padding):
    if size is None:
        return None
    return size * strides + (max(kernel_size - strides, 0) if padding == "valid" else 0)  # as Keras
