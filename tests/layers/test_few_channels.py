"""The fast convolution to an image is the library's, with its first and second gradients."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import few_channels


def tensors(size, channels):
    rng = np.random.default_rng(size)
    return [tf.constant(rng.normal(size=shape), tf.float32) for shape in ((2, 4, 6, 5), (size, size, channels, 5))]


def library_transposed(maps, kernel):
    n, h, w, _ = maps.shape
    return tf.nn.conv2d_transpose(maps, kernel, (n, 2 * h, 2 * w, kernel.shape[2]), 2, "SAME")


def penalty(function, inputs, kernel):
    """A gradient penalty, whose own gradients need second derivatives in every direction."""
    with tf.GradientTape() as outer:
        outer.watch([inputs, kernel])
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            outputs = tf.reduce_sum(tf.sin(function(inputs, kernel)))
        value = tf.reduce_sum(tf.square(inner.gradient(outputs, inputs)))
    return [value, *outer.gradient(value, [inputs, kernel])]


@pytest.mark.parametrize("size", [4, 5])
@pytest.mark.parametrize("channels", [1, 3])
def test_values_and_gradients_of_both_orders(size, channels):
    maps, kernel = tensors(size, channels)
    fast = few_channels.transposed_convolution
    np.testing.assert_allclose(fast(maps, kernel), library_transposed(maps, kernel), rtol=1e-5, atol=1e-5)
    for ours, theirs in zip(penalty(fast, maps, kernel), penalty(library_transposed, maps, kernel), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4 * float(tf.reduce_max(tf.abs(theirs))))


@pytest.mark.parametrize(
    ("shape", "fits"),
    [((5, 2, "same", 1), True), ((4, 2, "same", 3), True), ((5, 2, "same", 4), False), ((5, 1, "same", 1), False),
     ((5, 2, "valid", 1), False), ((3, 2, "same", 1), False), ((6, 2, "same", 1), False)],
)  # fmt: skip
def test_other_geometries_are_left_to_the_library(shape, fits):
    assert few_channels.suits(*shape) is fits
