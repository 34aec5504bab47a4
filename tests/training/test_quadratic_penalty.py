"""The pull towards earlier weights, and watching each step."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.training.quadratic_penalty import PathRules, PenaltyRules, QuadraticPenalty

ANCHORS = [np.array([1.0, 2.0], np.float32), np.array([[0.0]], np.float32)]
IMPORTANCES = [np.array([0.5, 0.0], np.float32), np.array([[3.0]], np.float32)]


def variables():
    return [keras.Variable([3.0, 7.0], name="a"), keras.Variable([[-1.0]], name="b")]


def test_value_by_hand():
    # 2 * (0.5 * (3 - 1)^2 + 0 * (7 - 2)^2 + 3 * (-1 - 0)^2)
    assert float(QuadraticPenalty(2.0, IMPORTANCES, ANCHORS).value(variables())) == 10.0


def test_gradient_is_that_of_the_value():
    penalty, weights = QuadraticPenalty(2.0, IMPORTANCES, ANCHORS), variables()
    with tf.GradientTape() as tape:
        value = penalty.value(weights)
    for ours, automatic in zip(penalty.gradients(weights), tape.gradient(value, weights), strict=True):
        np.testing.assert_allclose(ours, automatic)
    np.testing.assert_array_equal(penalty.gradients(weights)[0], [4.0, 0.0])


def test_a_step_goes_down_the_sum_of_both_gradients():
    weights, optimizer = variables(), keras.optimizers.SGD(0.1)
    gradients = [tf.constant([1.0, 1.0]), tf.constant([[1.0]])]
    PenaltyRules(QuadraticPenalty(2.0, IMPORTANCES, ANCHORS)).apply(optimizer, gradients, weights)
    np.testing.assert_allclose(weights[0], [3.0 - 0.1 * (1.0 + 4.0), 7.0 - 0.1], rtol=1e-6)
    np.testing.assert_allclose(weights[1], [[-1.0 - 0.1 * (1.0 - 12.0)]], rtol=1e-5)


def test_what_is_watched_is_the_losss_own_gradient_and_the_step_made():
    noted = []

    class Noting(PathRules):
        def note_step(self, gradients, steps, count):
            noted.append(([np.array(g) for g in gradients], [np.array(s) for s in steps], int(count)))

    gradients = [tf.constant([1.0, 1.0]), tf.constant([[1.0]])]
    rules = Noting(QuadraticPenalty(2.0, IMPORTANCES, ANCHORS))
    rules.apply(keras.optimizers.SGD(0.1), gradients, variables())
    ((seen, steps, count),) = noted
    np.testing.assert_array_equal(seen[0], [1.0, 1.0])
    np.testing.assert_allclose(steps[0], [-0.5, -0.1], rtol=1e-5)
    np.testing.assert_allclose(steps[1], [[1.1]], rtol=1e-5)
    assert count == 1
