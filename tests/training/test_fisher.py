"""The diagonal Fisher information, against closed forms."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.networks.two_headed import TwoHeadedNetwork
from dgm_tf.training import fisher
from dgm_tf.training.classifier import class_variables
from dgm_tf.training.fisher import diagonal_fisher


class LogisticRegression(TwoHeadedNetwork):
    """Two classes over 2x2 pixels; p(1 | x) = sigmoid of the difference of the logits."""

    def __init__(self, num_classes=2):
        super().__init__(name="logistic_regression")
        self.realness = keras.layers.Dense(1, name="realness")
        self.logits = keras.layers.Dense(num_classes, name="logits")
        self.realness.build((None, 4))
        self.logits.build((None, 4))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        return tf.reshape(images, [-1, 4])


@pytest.fixture
def regression():
    """(network, images [5, 2, 2, 1], inputs [5, 4], p [5, 2])."""
    rng = np.random.default_rng(0)
    network = LogisticRegression()
    network.logits.set_weights([rng.normal(size=(4, 2)), rng.normal(size=2)])
    inputs = rng.normal(size=(5, 4)).astype(np.float32)
    logits = inputs @ network.logits.get_weights()[0] + network.logits.get_weights()[1]
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return network, inputs.reshape(5, 2, 2, 1), inputs, p


@pytest.mark.parametrize("batch_size", [3, 5, 64])
def test_logistic_regression_against_the_closed_form(regression, batch_size):
    network, images, inputs, p = regression
    kernel, bias = diagonal_fisher(network, images, batch_size=batch_size)
    # d log p_y / d w_c = (1[y = c] - p_c) x, whose square has the mean p_c (1 - p_c) x^2.
    variance = p * (1 - p)
    np.testing.assert_allclose(kernel, np.mean(inputs[:, :, None] ** 2 * variance[:, None], axis=0), rtol=1e-4)
    np.testing.assert_allclose(bias, variance.mean(axis=0), rtol=1e-4)


def test_with_labels_it_is_the_empirical_one(regression):
    network, images, inputs, p = regression
    labels = np.array([0, 1, 1, 0, 1])
    kernel, bias = diagonal_fisher(network, images, labels, batch_size=2)
    errors = (np.eye(2)[labels] - p) ** 2
    np.testing.assert_allclose(kernel, np.mean(inputs[:, :, None] ** 2 * errors[:, None], axis=0), rtol=1e-4)
    np.testing.assert_allclose(bias, errors.mean(axis=0), rtol=1e-4)


def test_convolutions_and_batch_norm_give_what_one_example_at_a_time_gives():
    network = DCGANDiscriminator((16, 16, 1), num_classes=3, filters=(2, 4))
    images = np.random.default_rng(0).uniform(-1, 1, (3, 16, 16, 1)).astype(np.float32)
    labels = np.array([2, 0, 1])
    expected = [np.zeros(v.shape) for v in class_variables(network)]
    for image, label in zip(images, labels, strict=True):
        with tf.GradientTape() as tape:
            log_p = tf.nn.log_softmax(network(image[None], training=False)[1])[0, label]
        for total, gradient in zip(expected, tape.gradient(log_p, class_variables(network)), strict=True):
            total += np.square(gradient) / 3
    before = network.get_weights()
    for ours, theirs in zip(diagonal_fisher(network, images, labels, batch_size=2), expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-9)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize(("replicas", "batches"), [(1, 3), (2, 2)])
def test_a_stop_is_heard_between_batches_of_all_replicas(regression, monkeypatch, replicas, batches):
    checked, (network, images, *_) = [], regression
    monkeypatch.setattr(fisher, "replica_count", lambda: replicas)
    monkeypatch.setattr(fisher.stopping, "check", lambda: checked.append(True))
    diagonal_fisher(network, images, np.zeros(5, np.int32), batch_size=2)
    assert len(checked) == batches
