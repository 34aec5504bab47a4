"""Classifying by the nearest class mean."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.networks.nearest_means import NearestMeans
from tests.methods import tiny


class Points(keras.Model):
    """A network whose features are the two pixels of its images."""

    num_classes = 2

    def __init__(self):
        super().__init__()
        self.realness, self.logits = keras.layers.Dense(1), keras.layers.Dense(2)
        self.realness.build((None, 2))
        self.logits.build((None, 2))
        self.built = True

    def features(self, images, training=False):
        return tf.reshape(images, [-1, 2])


@pytest.fixture
def points():
    network = NearestMeans(Points())
    network.means.assign([[1.0, 0.0], [0.0, 1.0]])
    return network


def test_logits_are_minus_squared_distances_of_normalised_features(points):
    _, logits = points(np.array([[3.0, 1.0], [0.0, 2.0], [-1.0, -1.0]], np.float32).reshape(3, 1, 2, 1))
    # (3, 1) / sqrt(10): 2 - 6 / sqrt(10) from (1, 0) and 2 - 2 / sqrt(10) from (0, 1); (0, 2) becomes (0, 1).
    expected = [[6 / 10**0.5 - 2, 2 / 10**0.5 - 2], [-2.0, 0.0], [-2 - 2**0.5, -2 - 2**0.5]]
    np.testing.assert_allclose(logits, expected, atol=1e-6)


def test_realness_is_the_networks(points):
    images = np.array([[3.0, 1.0]], np.float32).reshape(1, 1, 2, 1)
    np.testing.assert_allclose(points(images)[0], points.network.realness(np.array([[3.0, 1.0]]))[:, 0])


def test_weights_are_the_networks_and_the_means():
    network = tiny.Discriminator(num_classes=3)
    reader = NearestMeans(network)
    assert {id(w) for w in reader.weights} == {id(w) for w in [*network.weights, reader.means]}
    assert reader.means.shape == (3, 4 * 4 * 6) and not any(w is reader.means for w in reader.trainable_weights)
