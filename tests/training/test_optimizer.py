"""The fused Adam takes PyTorch's steps, or Keras's."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings
from dgm_tf.training.optimizer import decaying, make_adam

GRADIENTS = [np.array([1.0, -2.0, 0.0, 1e-9]), np.array([0.5, 3.0, 0.0, 1.0]), np.array([-4.0, 0.1, 0.0, 1e4])]


def trajectory(optimizer, variable):
    step = tf.function(lambda gradient: optimizer.apply([gradient], [variable]))
    values = []
    for gradient in GRADIENTS:
        step(tf.constant(gradient, tf.float32))
        values.append(np.asarray(variable).copy())
    return np.array(values)


@pytest.mark.parametrize("beta_1", [0.0, 0.5, 0.9])
def test_it_moves_as_keras_adam(beta_1):
    ours, theirs = (keras.Variable(np.ones(4), dtype="float32") for _ in range(2))
    fused = make_adam(2e-3, [ours], beta_1, 0.999, "keras")
    plain = keras.optimizers.Adam(2e-3, beta_1, 0.999)
    plain.build([theirs])
    np.testing.assert_allclose(trajectory(fused, ours), trajectory(plain, theirs), rtol=1e-6)
    assert int(fused.iterations) == 3
    for a, b in zip(fused.variables, plain.variables, strict=True):
        # The kernel takes 1 - beta_2 in float32, Keras in double precision.
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-5)


SIZES = np.array([1.0, 1e-2, 1e-8, 3e-7, 1e-9, 0.0])  # of gradients, those of mask embeddings in their first epoch too


def ten_gradients():
    return np.random.default_rng(0).normal(size=[10, len(SIZES)]).astype(np.float32) * SIZES.astype(np.float32)


def steps_of_pytorch(gradients, rate, beta_1, beta_2, epsilon=1e-8):
    """Where a weight of 0 is after each gradient, in double precision: Kingma and Ba's Algorithm 1."""
    weight, m, v, weights = 0.0, 0.0, 0.0, []
    for t, g in enumerate(np.asarray(gradients, np.float64), 1):
        m, v = beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
        weight = weight - rate * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + epsilon)
        weights.append(weight)
    return np.array(weights)


@pytest.mark.parametrize(("beta_1", "beta_2"), [(0.5, 0.999), (0.0, 0.9), (0.9, 0.999)])
def test_ten_steps_are_pytorchs_also_of_small_gradients(beta_1, beta_2):
    variable = keras.Variable(np.zeros(len(SIZES)), dtype="float32")
    optimizer = make_adam(2e-3, [variable], beta_1, beta_2)
    for gradient, expected in zip(
        ten_gradients(), steps_of_pytorch(ten_gradients(), 2e-3, beta_1, beta_2), strict=True
    ):
        optimizer.apply([tf.constant(gradient)], [variable])
        np.testing.assert_allclose(np.asarray(variable), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rule", "share"), [("pytorch", 0.5), ("keras", 0.00315)])
def test_a_gradient_of_1e_8_moves_its_weight_by_half_of_the_rate(rule, share):
    variable = keras.Variable([0.0], dtype="float32")
    make_adam(1.0, [variable], rule=rule).apply([tf.constant([-1e-8])], [variable])
    np.testing.assert_allclose(np.asarray(variable), [share], rtol=1e-3)


def test_a_rule_that_there_is_not_is_refused():
    for settings in (GANSettings, ClassifierSettings, FineTuning):
        with pytest.raises(
            UserError, match=f"{settings.__name__}.adam: expected one of 'pytorch', 'keras', got 'adam'"
        ):
            settings(adam="adam")


def test_the_first_step_by_hand():
    # Bias correction makes the first step lr * sign(g), whatever the gradient's size.
    variable = keras.Variable([1.0, 1.0], dtype="float32")
    make_adam(0.1, [variable]).apply([tf.constant([5.0, -0.01])], [variable])
    np.testing.assert_allclose(np.asarray(variable), [0.9, 1.1], rtol=1e-4)


def test_decay_by_hand():
    # Ten updates, the last 40 % of which fall: 4/4, 3/4, 2/4, 1/4, and zero from there on.
    rate = decaying(2.0, 0.4, 10)
    assert [float(rate(i)) for i in (0, 5, 6, 7, 8, 9, 10, 11)] == pytest.approx([2, 2, 2, 1.5, 1, 0.5, 0, 0])
    assert decaying(2.0, 0.0, 10) == 2.0


def test_adam_takes_the_decayed_rate():
    variable = keras.Variable([1.0], dtype="float32")
    optimizer = make_adam(decaying(0.1, 1.0, 2), [variable])
    for expected in (0.9, 0.85, 0.85):
        optimizer.apply([tf.constant([1.0])], [variable])
        np.testing.assert_allclose(np.asarray(variable), [expected], rtol=1e-5)
