"""The fused Adam takes Keras's steps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

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
    fused = make_adam(2e-3, [ours], beta_1, 0.999)
    plain = keras.optimizers.Adam(2e-3, beta_1, 0.999)
    plain.build([theirs])
    np.testing.assert_allclose(trajectory(fused, ours), trajectory(plain, theirs), rtol=1e-6)
    assert int(fused.iterations) == 3
    for a, b in zip(fused.variables, plain.variables, strict=True):
        # The kernel takes 1 - beta_2 in float32, Keras in double precision.
        np.testing.assert_allclose(np.asarray(a), np.asarray(b), rtol=2e-5)


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
