"""Fast transposed convolution from many feature maps to an image of few channels."""

import tensorflow as tf

FEW = 3  # image channels
_TAPS = 6  # a kernel of up to 5 taps, padded to what three positions and two phases hold


def suits(kernel_size, strides, padding, channels):
    """Whether `transposed_convolution` is faster than the library for that shape."""
    return channels <= FEW and strides == 2 and padding == "same" and 4 <= kernel_size < _TAPS


def transposed_convolution(inputs, kernel):
    """Transposed convolution of stride 2 with "same" padding, as `tf.nn.conv2d_transpose`.

    The library's kernel is vectorised over channels, of which there is one: it reaches 5 GFLOP/s on a CPU. A
    convolution of stride 1 whose channels are the pixels of a 2x2 block makes the same sums in half the time. (With
    `tf.custom_gradient` the backward pass could take the library's kernels, which are the faster ones there; but what
    that registers keeps every graph that it was ever used in alive.)

    Args:
      inputs: [N, H, W, C].
      kernel: [k, k, channels, C], k 4 or 5.

    Returns:
      [N, 2 H, 2 W, channels].
    """
    return _blocks_to_pixels(tf.nn.conv2d(inputs, _by_phase(kernel), 1, "SAME"), kernel.shape[2])


def _blocks_to_pixels(maps, channels):
    """Like `tf.nn.depth_to_space`, but faster: [N, H, W, 4 channels] -> [N, 2 H, 2 W, channels]."""
    _, height, width, _ = maps.shape
    rows = tf.transpose(tf.reshape(maps, [-1, width, 2, 2 * channels]), [0, 2, 1, 3])
    return tf.reshape(rows, [-1, 2 * height, 2 * width, channels])


def _by_phase(kernel):
    """Kernel of each pixel of a 2x2 block over its 3x3 surroundings: [k, k, channels, C] -> [3, 3, C, 4 channels].

    Pixel 2m + p is fed by position m + j through tap p + 1 - 2j, j in -1, 0, 1; a tap outside the kernel is 0.
    """
    size, _, channels, _ = kernel.shape
    rest = [1, _TAPS - 1 - size]
    taps = tf.reshape(tf.pad(kernel, [rest, rest, [0, 0], [0, 0]]), [3, 2, 3, 2, channels, -1])
    return tf.reshape(tf.transpose(tf.reverse(taps, [0, 2]), [0, 2, 5, 1, 3, 4]), [3, 3, -1, 4 * channels])
