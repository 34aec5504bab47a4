"""Elastic weight consolidation."""

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.ewc import EWC
from dgm_tf.training.fisher import diagonal_fisher
from dgm_tf.training.pool import to_float
from tests.methods.regularized_tasks import TASKS, TinyMLP, learner


def learn(**settings):
    """(method after two tasks; Fisher and weights after each, padded as the second task's)."""
    one, fishers, weights = learner(EWC, fisher_images=1000, **settings), [], []
    for task in TASKS[:2]:
        one.learn(task)
        labels = task.train.labels if one.method.expectation == "labels" else None
        network = one.method.networks.classifier
        fishers.append(diagonal_fisher(network, np.asarray(to_float(task.train.images)), labels))
        weights.append([network.hidden[0].get_weights()[0], network.logits.get_weights()[1]])
    return one.method, [[f[0], f[-1]] for f in fishers], weights


def kept(method, name):
    """The first layer's kernel and the class head's bias."""
    return method.carried[name][0], method.carried[name][-1]


@pytest.mark.parametrize("expectation", ["model", "labels"])
def test_the_sum_of_penalties_has_the_gradient_of_one_penalty_a_task(expectation):
    method, fishers, weights = learn(expectation=expectation)
    point = np.random.default_rng(0).normal()
    for i, (importance, anchor) in enumerate(zip(kept(method, "importances"), kept(method, "anchors"), strict=True)):
        expected = np.zeros_like(importance)
        for fisher, stood in ((fishers[0][i], weights[0][i]), (fishers[1][i], weights[1][i])):
            part = expected[tuple(slice(0, n) for n in stood.shape)]  # of lambda / 2 F (theta - theta_k)^2
            part += method.strength * fisher * (point - stood)
        np.testing.assert_allclose(2 * method.strength * importance * (point - anchor), expected, rtol=1e-3, atol=1e-5)


def test_where_no_task_needs_a_parameter_its_anchor_is_a_number():
    method, _, _ = learn()
    assert all(np.isfinite(anchor).all() for anchor in method.carried["anchors"])


def test_online_the_last_weights_are_the_anchor_and_earlier_fishers_fade():
    method, fishers, weights = learn(decay=0.25)
    for ours, (first, second), stood in zip(
        kept(method, "importances"), zip(*fishers, strict=True), weights[1], strict=True
    ):
        expected = 0.5 * second
        expected[tuple(slice(0, n) for n in first.shape)] += 0.25 * 0.5 * first
        np.testing.assert_allclose(ours, expected, rtol=1e-4, atol=1e-9)
        assert any(np.array_equal(stood, anchor) for anchor in method.carried["anchors"])


@pytest.mark.parametrize(
    "bad", [{"expectation": "data"}, {"fisher_images": 0}, {"decay": 1.5}], ids=lambda bad: next(iter(bad))
)
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"EWC.{next(iter(bad))}: expected"):
        EWC(TinyMLP, **bad)
