"""Spectral normalization: a kernel of spectral norm 1, whatever its scale, by a vector that only training moves."""

import numpy as np
import tensorflow as tf

from dgm_tf.layers import SpectralConv2D

IMAGES = tf.random.stateless_normal([2, 8, 8, 3], [0, 1])


def _layer(steps):
    layer = SpectralConv2D(6, 3, 2, padding="same", use_bias=False)
    layer.build((None, 8, 8, 3))
    for _ in range(steps):
        layer(IMAGES, training=True)
    return layer


def test_the_kernel_is_divided_by_its_largest_singular_value():
    layer = _layer(steps=60)
    largest = np.linalg.svd(np.asarray(layer.kernel).reshape(-1, 6), compute_uv=False)[0]
    expected = tf.nn.conv2d(IMAGES, layer.kernel / largest, 2, "SAME")
    np.testing.assert_allclose(layer(IMAGES), expected, rtol=1e-3, atol=1e-5)


def test_the_kernels_scale_says_nothing():
    layer = _layer(steps=3)
    before = layer(IMAGES)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(IMAGES) ** 2)
    gradient = tape.gradient(loss, layer.kernel.value)
    along = float(tf.reduce_sum(gradient * layer.kernel)) / float(tf.norm(gradient) * tf.norm(layer.kernel))
    assert abs(along) < 1e-4, "so the gradient passes through the division"
    layer.kernel.assign(5.0 * layer.kernel)
    np.testing.assert_allclose(layer(IMAGES), before, rtol=1e-4, atol=1e-5)


def test_a_bias_is_added_and_not_divided():
    layer, without = SpectralConv2D(6, 3, 2, padding="same"), _layer(steps=1)
    layer.build((None, 8, 8, 3))
    for name in ("kernel", "singular_vector"):
        getattr(layer, name).assign(getattr(without, name))
    layer.bias.assign(np.arange(6.0))
    np.testing.assert_allclose(layer(IMAGES), without(IMAGES) + np.arange(6.0), rtol=1e-5, atol=1e-5)


def test_the_vector_has_an_entry_for_each_output_and_is_not_trained():
    layer = _layer(steps=0)
    assert layer.singular_vector.shape == (1, 6)
    assert layer.singular_vector.aggregation == "mean", "of replicas, each of which takes its own step"
    assert [v.path for v in layer.trainable_variables] == [layer.kernel.path]


def test_only_training_moves_the_vector():
    layer = _layer(steps=1)
    vector = layer.singular_vector.numpy().copy()
    layer(IMAGES)
    np.testing.assert_array_equal(layer.singular_vector, vector)
    layer(IMAGES, training=True)
    assert not np.array_equal(layer.singular_vector, vector)
