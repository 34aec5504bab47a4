"""Class-conditional batch normalization against values by hand, and what belongs to one class alone."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import ClassBatchNormalization
from dgm_tf.layers.normalization import EPSILON
from tests.training.replicas import on_two_replicas

CODES = np.eye(3, dtype=np.float32)[[0, 2, 2]]
# Two channels over images of one pixel: means 2 and 0, biased variances 14 / 3 and 8.
IMAGES = np.array([[1.0, 4.0], [0.0, -2.0], [5.0, -2.0]], np.float32)[:, None, None, :]
MEAN, VARIANCE = np.array([2.0, 0.0]), np.array([14 / 3, 8.0])


@pytest.fixture
def layer():
    """Three classes, two channels, each parameter its own value."""
    layer = ClassBatchNormalization(3, momentum=0.75)
    layer.build((None, 1, 1, 2))
    layer.gamma.assign([[1.0, 2.0], [9.0, 9.0], [0.5, -1.0]])
    layer.beta.assign([[0.0, 1.0], [9.0, 9.0], [3.0, 0.0]])
    layer.moving_mean.assign([[1.0, 1.0], [9.0, 9.0], [-1.0, 2.0]])
    layer.moving_variance.assign([[4.0, 1.0], [9.0, 9.0], [1.0, 16.0]])
    return layer


def test_training_normalises_by_the_batch_and_scales_by_class(layer):
    unit = (IMAGES[:, 0, 0] - MEAN) / np.sqrt(VARIANCE + EPSILON)
    gamma, beta = np.array([[1.0, 2.0], [0.5, -1.0], [0.5, -1.0]]), np.array([[0.0, 1.0], [3.0, 0.0], [3.0, 0.0]])
    np.testing.assert_allclose(layer(IMAGES, CODES, training=True)[:, 0, 0], unit * gamma + beta, rtol=1e-4, atol=1e-5)


def test_inference_normalises_by_the_statistics_of_the_class(layer):
    expected = [
        [1.0 * (1 - 1) / 2 + 0, 2.0 * (4 - 1) / 1 + 1],
        [0.5 * (0 + 1) / 1 + 3, -1.0 * (-2 - 2) / 4 + 0],
        [0.5 * (5 + 1) / 1 + 3, -1.0 * (-2 - 2) / 4 + 0],
    ]
    np.testing.assert_allclose(layer(IMAGES, CODES)[:, 0, 0], expected, rtol=1e-4, atol=1e-4)


def test_averages_of_the_classes_in_the_batch_follow_it_and_no_others(layer):
    before = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    layer(IMAGES, CODES, training=True)
    for average, old, batch in zip(
        (layer.moving_mean, layer.moving_variance), before, (MEAN, VARIANCE * 3 / 2), strict=True
    ):
        np.testing.assert_allclose(average.numpy()[[0, 2]], 0.75 * old[[0, 2]] + 0.25 * batch, rtol=1e-4)
        np.testing.assert_array_equal(average.numpy()[1], old[1])


def test_a_batch_that_is_not_finite_spoils_no_average_of_an_absent_class(layer):
    before = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    layer(IMAGES * np.inf, CODES, training=True)
    for average, old in zip((layer.moving_mean, layer.moving_variance), before, strict=True):
        assert not np.isfinite(average.numpy()[[0, 2]]).any()
        np.testing.assert_array_equal(average.numpy()[1], old[1])


def test_a_class_in_either_replicas_half_follows_the_whole_batch(layer, monkeypatch):
    before = layer.moving_mean.numpy()
    copies = [ClassBatchNormalization(3, momentum=0.75) for _ in range(2)]
    for copy in copies:
        copy.build((None, 1, 1, 2))
        copy.set_weights(layer.get_weights())
    images, codes = np.concatenate([IMAGES, IMAGES[::-1]]), np.eye(3, dtype=np.float32)[[0, 0, 0, 2, 2, 0]]
    halves = [slice(0, 3), slice(3, 6)]
    on_two_replicas(monkeypatch, lambda i: copies[i](images[halves[i]], codes[halves[i]], training=True))
    for copy in copies:
        moved = copy.moving_mean.numpy()
        np.testing.assert_allclose(moved[[0, 2]], 0.75 * before[[0, 2]] + 0.25 * MEAN, rtol=1e-4, atol=1e-6)
        np.testing.assert_array_equal(moved[1], before[1])


def test_inference_moves_nothing(layer):
    before = layer.get_weights()
    layer(IMAGES, CODES)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_a_class_that_is_absent_gets_no_gradient(layer):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.square(layer(IMAGES, CODES, training=True)))
    for gradient in tape.gradient(loss, [layer.gamma.value, layer.beta.value]):
        assert np.all(np.asarray(gradient)[1] == 0) and np.all(np.any(np.asarray(gradient)[[0, 2]] != 0, axis=1))


def test_config_round_trips(layer):
    copy = ClassBatchNormalization.from_config(layer.get_config())
    assert copy.num_classes == 3 and copy.momentum == 0.75
