"""Losses against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import losses


def test_wasserstein_generator_loss():
    assert float(losses.wasserstein_generator_loss(tf.constant([1.0, 2.0, -6.0]))) == 1.0


def test_wasserstein_discriminator_loss():
    real, fake = tf.constant([1.0, 3.0]), tf.constant([0.0, 1.0])
    assert float(losses.wasserstein_discriminator_loss(real, fake)) == 0.5 - 2.0


@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_gradient_penalty_of_a_linear_critic(length):
    weights = np.random.default_rng(0).normal(size=(4, 4, 2)).astype(np.float32)
    weights *= length / np.linalg.norm(weights)
    images = tf.random.stateless_normal([2, 3, 4, 4, 2], [0, 0])

    def critic(x):
        return tf.reduce_sum(x * weights, axis=[1, 2, 3]) + 5.0

    penalty = losses.wasserstein_gradient_penalty(critic, images[0], images[1], tf.constant([0.0, 0.3, 1.0]))
    assert float(penalty) == pytest.approx((length - 1.0) ** 2, abs=1e-5)


def test_gradient_penalty_is_taken_between_real_and_fake():
    # D(x) = sum x^2 / 2 has the gradient x itself, so that the penalty shows where it was taken.
    real, fake = 4.0 * tf.ones([3, 1, 1, 1]), -2.0 * tf.ones([3, 1, 1, 1])
    mix = tf.constant([0.0, 0.5, 1.0])  # shares of real: x_hat = -2, 1, 4
    penalty = losses.wasserstein_gradient_penalty(
        lambda x: tf.reduce_sum(tf.square(x), axis=[1, 2, 3]) / 2.0, real, fake, mix
    )
    assert float(penalty) == pytest.approx(np.mean([(2 - 1) ** 2, 0.0, (4 - 1) ** 2]), rel=1e-5)


def test_gradient_penalty_has_finite_gradients_where_the_critic_is_flat():
    weights = tf.Variable(tf.zeros([2, 2, 1]))
    images = tf.random.stateless_normal([2, 3, 2, 2, 1], [0, 0])
    with tf.GradientTape() as tape:
        penalty = losses.wasserstein_gradient_penalty(
            lambda x: tf.reduce_sum(x * weights, axis=[1, 2, 3]), images[0], images[1], tf.fill([3], 0.5)
        )
    assert float(penalty) == pytest.approx(1.0, abs=1e-5)
    assert np.all(np.isfinite(tape.gradient(penalty, weights)))


def test_acgan_loss_is_mean_cross_entropy():
    logits = tf.math.log(tf.constant([[0.5, 0.25, 0.25], [0.1, 0.1, 0.8]]))
    expected = -(np.log(0.25) + np.log(0.8)) / 2
    assert float(losses.acgan_loss(logits, tf.constant([1, 2]))) == pytest.approx(expected, rel=1e-5)


def test_icarl_loss_teaches_new_classes_by_label_and_earlier_ones_by_the_earlier_network():
    logits = tf.math.log(tf.constant([[3.0, 3.0, 1 / 3]] * 2))  # sigmoids 3/4, 3/4, 1/4
    earlier = tf.math.log(tf.constant([[4.0], [1.0]]))  # targets 4/5, 1/2 for class 0, whatever the labels
    of_earlier = [-t * np.log(3 / 4) - (1 - t) * np.log(1 / 4) for t in (4 / 5, 1 / 2)]
    of_new = [-np.log(3 / 4) - np.log(3 / 4), -np.log(1 / 4) - np.log(3 / 4)]  # targets 1, 0 and 0, 0
    expected = np.mean(np.add(of_earlier, of_new))
    assert float(losses.icarl_loss(logits, tf.constant([1, 0]), earlier)) == pytest.approx(expected, rel=1e-5)


def test_icarl_loss_of_the_first_task_is_sigmoid_cross_entropy():
    logits = tf.math.log(tf.constant([[3.0, 3.0], [1.0, 1 / 3]]))
    expected = np.mean([-np.log(3 / 4) - np.log(1 / 4), -np.log(1 / 2) - np.log(1 / 4)])
    assert float(losses.icarl_loss(logits, tf.constant([0, 1]))) == pytest.approx(expected, rel=1e-5)
