"""Masked convolution and transposed convolution, channels last, without bias."""

import keras
import tensorflow as tf

from dgm_tf.layers import few_channels
from dgm_tf.layers.masked import MaskedLayer


class _MaskedConvolution(MaskedLayer):
    """Base class of both masked convolutions: square kernels, strides and padding."""

    width_name = "filters"

    def __init__(self, filters, kernel_size, strides=1, padding="same", **kwargs):
        super().__init__(filters, **kwargs)
        if padding not in ("same", "valid"):
            raise ValueError(f"padding of {self.name}: expected 'same' or 'valid', got {padding!r}")
        self.kernel_size = kernel_size
        self.strides = strides
        self.padding = padding

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
        """The transposed convolution."""
        return transposed_convolution(inputs, kernel, self.strides, self.padding)

    def compute_output_shape(self, input_shape):
        """(batch, H', W', filters)."""
        size = [_spread(n, self.kernel_size, self.strides, self.padding) for n in input_shape[1:3]]
        return (input_shape[0], *size, self.width)

    def _spread_channels(self, matrix):
        """Transposes [inputs, outputs] to the order of the kernel's last axes."""
        return tf.transpose(matrix)


def transposed_convolution(inputs, kernel, strides, padding):
    """Transposed convolution with square strides, computed in the fastest of three ways.

    inputs: [N, H, W, C]; kernel: [k, k, outputs, C]; padding: "same" or "valid". Returns [N, H', W', outputs].
    """
    (height, width), size, outputs = inputs.shape[1:3], kernel.shape[0], kernel.shape[2]
    if (height, width) == (1, 1) and padding == "valid" and strides <= size:
        # Over a single pixel it is a matrix product.
        flat = tf.reshape(kernel, [-1, tf.shape(kernel)[3]])
        product = tf.matmul(tf.reshape(inputs, [-1, tf.shape(kernel)[3]]), flat, transpose_b=True)
        return tf.reshape(product, [-1, size, size, tf.shape(kernel)[2]])
    if outputs is not None and few_channels.suits(size, strides, padding, outputs):
        return few_channels.transposed_convolution(inputs, tf.convert_to_tensor(kernel))
    sides = [_spread(n, size, strides, padding) for n in (height, width)]
    shape = tf.stack([tf.shape(inputs)[0], *sides, tf.shape(kernel)[2]])
    return tf.nn.conv2d_transpose(inputs, kernel, shape, strides, padding.upper())


def _convolved(size, kernel_size, strides, padding):
    if size is None:
        return None
    return -(-size // strides) if padding == "same" else (size - kernel_size) // strides + 1


def _spread(size, kernel_size, strides, padding):
    if size is None:
        return None
    return size * strides + (max(kernel_size - strides, 0) if padding == "valid" else 0)  # as Keras
