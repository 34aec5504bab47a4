"""Strided convolutions between an image of few channels and many feature maps, both ways round.

The library's kernel for spreading feature maps over so few channels (a transposed convolution to an image, the
gradient of a first convolution's input) reaches 5 GFLOP/s on a CPU: it is vectorised over channels, of which there is
one. A convolution of stride 1 whose channels are the pixels of a 2x2 block makes the same sums in half the time. Every
other direction is faster in the library's own kernels, so each has the gradients that suit it.
"""

import keras
import tensorflow as tf

FEW = 3  # image channels
_TAPS = 6  # a kernel of up to 5 taps, padded to what three positions and two phases hold


def suits(kernel_size, strides, padding, channels):
    """Whether these functions compute a convolution of that shape faster than the library."""
    return channels <= FEW and strides == 2 and padding == "same" and 4 <= kernel_size < _TAPS


@tf.custom_gradient
def transposed_convolution(inputs, kernel):
    """Transposed convolution of stride 2 with "same" padding, as `tf.nn.conv2d_transpose`.

    Args:
      inputs: [N, H, W, C].
      kernel: [k, k, channels, C], k 4 or 5.

    Returns:
      [N, 2 H, 2 W, channels].
    """
    outputs = _blocks_to_pixels(tf.nn.conv2d(inputs, _by_phase(kernel), 1, "SAME"), kernel.shape[2])

    def gradient(upstream):
        return convolution(upstream, kernel), _kernel_gradient(upstream, kernel, inputs)

    return outputs, gradient


@tf.custom_gradient
def convolution(inputs, kernel):
    """Convolution of stride 2 with "same" padding, as `tf.nn.conv2d`.

    Args:
      inputs: [N, H, W, channels], H and W even.
      kernel: [k, k, channels, C], k 4 or 5.

    Returns:
      [N, H / 2, W / 2, C].
    """
    outputs = tf.nn.conv2d(inputs, kernel, 2, "SAME")

    def gradient(upstream):
        return transposed_convolution(upstream, kernel), _kernel_gradient(inputs, kernel, upstream)

    return outputs, gradient


@tf.custom_gradient
def _kernel_gradient(images, kernel, maps):
    """Gradient of the kernel between images [N, 2 H, 2 W, channels] and maps [N, H, W, C]; linear in both."""
    outputs = tf.raw_ops.Conv2DBackpropFilter(
        input=images, filter_sizes=kernel.shape.as_list(), out_backprop=maps, strides=[1, 2, 2, 1], padding="SAME"
    )

    def gradient(upstream):
        return transposed_convolution(maps, upstream), None, convolution(images, upstream)

    return outputs, gradient


def _blocks_to_pixels(maps, channels):
    """[N, H, W, 4 channels] -> [N, 2 H, 2 W, channels], as `tf.nn.depth_to_space`, whose kernel is slower."""
    _, height, width, _ = maps.shape
    rows = tf.transpose(tf.reshape(maps, [-1, width, 2, 2 * channels]), [0, 2, 1, 3])
    return tf.reshape(rows, [-1, 2 * height, 2 * width, channels])


def _by_phase(kernel):
    """[k, k, channels, C] -> [3, 3, C, 4 channels]: what each pixel of a 2x2 block takes from its 3x3 surroundings.

    Pixel 2m + p is fed by position m + j through tap p + 1 - 2j, j in -1, 0, 1; a tap outside the kernel is 0.
    """
    size, _, channels, _ = kernel.shape
    rest = [1, _TAPS - 1 - size]
    taps = tf.reshape(tf.pad(kernel, [rest, rest, [0, 0], [0, 0]]), [3, 2, 3, 2, channels, -1])
    return tf.reshape(tf.transpose(tf.reverse(taps, [0, 2]), [0, 2, 5, 1, 3, 4]), [3, 3, -1, 4 * channels])


class FewChannelsConv2D(keras.layers.Conv2D):
    """Keras's Conv2D, with the fast gradient where its input has few channels."""

    def convolution_op(self, inputs, kernel):
        """The convolution."""
        if suits(self.kernel_size[0], self.strides[0], self.padding, inputs.shape[-1]):
            return convolution(inputs, tf.convert_to_tensor(kernel))
        return super().convolution_op(inputs, kernel)
