"""Riemannian walk."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.methods.rwalk import TRACES, RWalk, WalkRules
from dgm_tf.training.quadratic_penalty import QuadraticPenalty, trace
from tests.methods.regularized_tasks import TASKS, TinyMLP, learner

SETTINGS = RWalk(TinyMLP, interval=2, rate=0.75, damping=0.5)


def walk(gradients, settings=SETTINGS):
    """Traces of gradient descent with rate 0.5 along the gradients given, from a Fisher of 4."""
    zero = np.zeros(1, np.float32)
    traces = {name: [trace(zero)] for name in TRACES} | {"fisher": [trace(zero + 4.0)]}
    x, optimizer = keras.Variable([1.0], name="x"), keras.optimizers.SGD(0.5)
    rules = WalkRules(QuadraticPenalty(0.0, [zero], [zero]), traces, settings)
    step = tf.function(lambda gradient: rules.apply(optimizer, [gradient], [x]))
    optimizer.build([x])
    for gradient in gradients:
        step(tf.constant([gradient]))
    return {name: float(values[0][0]) for name, values in traces.items()}


def test_one_interval_by_hand():
    # Steps -1 and -2: the loss falls by 2 * 1 + 4 * 2 = 10. Squares 4 and 16, mean 10: F = 0.75 * 10 + 0.25 * 4 = 8.5.
    # Distance 8.5 / 2 * 3^2 = 38.25; score 10 / (38.25 + 0.5).
    traces = walk([2.0, 4.0])
    assert traces["fisher"] == 8.5 and traces["scores"] == pytest.approx(10 / 38.75)
    assert traces["decrease"] == traces["squares"] == traces["moved"] == 0.0


def test_within_an_interval_nothing_is_scored():
    traces = walk([2.0])
    assert (traces["fisher"], traces["scores"]) == (4.0, 0.0)
    assert (traces["decrease"], traces["squares"], traces["moved"]) == (2.0, 4.0, -1.0)


def test_scores_add_up_over_intervals():
    # The second interval: 1 and 1 move by -0.5 each; F = 0.75 * 1 + 0.25 * 8.5 = 2.875; 1 / (2.875 / 2 + 0.5).
    assert walk([2.0, 4.0, 1.0, 1.0])["scores"] == pytest.approx(10 / 38.75 + 1 / (2.875 / 2 + 0.5))


def test_a_walk_uphill_scores_nothing():
    zero = np.zeros(1, np.float32)
    traces = {name: [trace(zero)] for name in TRACES}
    rules = WalkRules(QuadraticPenalty(0.0, [zero], [zero]), traces, RWalk(TinyMLP, interval=1))
    rules.note_step([tf.constant([2.0])], [tf.constant([1.0])], tf.constant(1))
    assert float(traces["scores"][0][0]) == 0.0 and float(traces["fisher"][0][0]) > 0.0


def test_fisher_and_scores_are_both_between_zero_and_one_in_the_penalty():
    method = RWalk(TinyMLP)
    method.carried = {
        "anchors": [np.zeros(2), np.zeros(1)],
        "fisher": [np.array([0.0, 2.0]), np.array([8.0])],
        "scores": [np.array([30.0, 10.0]), np.array([20.0])],
    }
    first, second = method.importances
    np.testing.assert_allclose(first, [0.0 + 1.0, 0.25 + 0.0])
    np.testing.assert_allclose(second, [1.0 + 0.5])


def test_before_anything_is_scored_nothing_is_important():
    method = RWalk(TinyMLP)
    method.carried = {name: [np.zeros(2)] for name in RWalk.carried_names}
    np.testing.assert_array_equal(method.importances[0], [0.0, 0.0])


def test_scores_are_averaged_from_the_second_task_on():
    one, other = (learner(RWalk, interval=5, strength=0.0) for _ in range(2))
    one.learn(TASKS[0])
    other.learn(TASKS[0])
    first = [s.copy() for s in one.method.carried["scores"]]
    assert sum(map(np.sum, first)) > 0.0
    other.method.carried["scores"] = [np.zeros_like(s) for s in first]
    for each in (one, other):
        each.learn(TASKS[1])
    # All that is different is the half of the first task's scores.
    for ours, theirs, old in zip(one.method.carried["scores"], other.method.carried["scores"], first, strict=True):
        difference = np.zeros_like(ours)
        difference[tuple(slice(0, n) for n in old.shape)] = old / 2
        np.testing.assert_allclose(ours, theirs + difference, rtol=1e-5, atol=1e-5)


def test_the_fisher_goes_on_from_task_to_task():
    one = learner(RWalk, interval=100)
    one.learn(TASKS[0])
    assert not any(f.any() for f in one.method.carried["fisher"])  # no interval has ended
    one.method.carried["fisher"] = [f + 1.0 for f in one.method.carried["fisher"]]
    one.learn(TASKS[1])
    assert one.method.carried["fisher"][0].min() == 1.0


@pytest.mark.parametrize("bad", [{"interval": 0}, {"rate": 0.0}, {"damping": 0.0}], ids=lambda bad: next(iter(bad)))
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"RWalk.{next(iter(bad))}: expected"):
        RWalk(TinyMLP, **bad)


def test_a_task_begins_with_nothing_added_up_but_the_fisher_of_the_tasks_before():
    method, fisher = RWalk(TinyMLP), [np.array([5.0, 6.0], np.float32)]
    method.carried = {"anchors": fisher, "fisher": fisher, "scores": fisher}
    first = method.first_traces([np.ones(2, np.float32)])
    assert first.keys() == set(TRACES) and first.pop("fisher") is fisher
    for arrays in first.values():
        np.testing.assert_array_equal(arrays, [[0.0, 0.0]])


def test_importances_that_are_all_equal_weigh_nothing():
    method = RWalk(TinyMLP)
    method.carried = {"anchors": [np.zeros(2)], "fisher": [np.full(2, 3.0)], "scores": [np.full(2, 5.0)]}
    np.testing.assert_array_equal(method.importances, [[0.0, 0.0]])
