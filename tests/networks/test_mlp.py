"""The multi-layer perceptron fits wherever a discriminator does."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.training.classifier import class_variables


def test_it_has_the_papers_layers():
    network = MLPDiscriminator(num_classes=10)
    assert [tuple(v.shape) for v in class_variables(network)] == [
        (1024, 256), (256,), (256, 256), (256,), (256, 10), (10,),
    ]  # fmt: skip


@pytest.mark.parametrize("image_shape", [(32, 32, 1), (7, 5, 3)])
def test_it_has_two_heads_on_its_features(image_shape):
    network = MLPDiscriminator(image_shape, num_classes=3, units=(4, 6))
    images = tf.random.stateless_normal([5, *image_shape], [0, 0])
    realness, logits = network(images)
    features = network.features(images)
    assert realness.shape == (5,) and logits.shape == (5, 3) and features.shape == (5, 6)
    assert np.min(features) >= 0.0
    np.testing.assert_allclose(logits, network.logits(features), atol=1e-6)


def test_training_and_inference_are_the_same_function():
    network = MLPDiscriminator((4, 4, 1), num_classes=2, units=(4,))
    images = tf.random.stateless_normal([5, 4, 4, 1], [0, 0])
    np.testing.assert_array_equal(network(images)[1], network(images, training=True, update_statistics=True)[1])


def test_widening_keeps_all_that_was_learned():
    network = MLPDiscriminator((4, 4, 1), num_classes=2, units=(4, 6))
    wider = network.widen(5)
    images = tf.random.stateless_normal([3, 4, 4, 1], [0, 0])
    (realness, logits), (wider_realness, wider_logits) = network(images), wider(images)
    np.testing.assert_array_equal(wider_realness, realness)
    np.testing.assert_allclose(wider_logits[:, :2], logits, atol=1e-6)
    assert wider_logits.shape == (3, 5) and wider.units == [4, 6]


def test_config_round_trips():
    network = MLPDiscriminator((4, 4, 1), num_classes=2, units=(4, 6))
    assert MLPDiscriminator.from_config(network.get_config()).get_config() == network.get_config()


@pytest.mark.parametrize("units", [(), (0,), 256])
def test_bad_units_are_named(units):
    with pytest.raises(UserError, match="MLPDiscriminator.units: expected a list of integers"):
        MLPDiscriminator(units=units)
