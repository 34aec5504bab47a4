"""EWC-M: the Fisher information against gradients one by one, the pull by hand, importances over the tasks."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.ewc_m import EWCM, ConsolidationRules, generator_fisher, padded
from tests.methods import tiny

ONE_EPOCH = dataclasses.replace(tiny.LARGE_STEPS, epochs=1)


@pytest.fixture(scope="module")
def generator():
    return tiny.randomize(tiny.SharedGenerator(num_classes=2))


def test_fisher_is_the_mean_square_of_each_images_own_gradient(generator):
    critic, rng = tiny.Discriminator(num_classes=2), np.random.default_rng(1)
    for variable in critic.trainable_variables:
        variable.assign(rng.normal(0.0, 0.1, variable.shape))
    latents = generator.latents(tf.random.stateless_normal([5, 8], [1, 2]), [0, 0, 1, 0, 1])
    expected = [np.zeros(v.shape) for v in generator.trainable_variables]
    for row in range(5):
        with tf.GradientTape() as tape:
            realness, _ = critic(generator(latents[row : row + 1], training=False), training=False)
            loss = -realness[0]
        for total, gradient in zip(expected, tape.gradient(loss, generator.trainable_variables), strict=True):
            total += np.square(gradient) / 5
    fisher = generator_fisher(generator, critic, latents)
    assert any(np.any(f > 0) for f in expected)
    for measured, wanted in zip(fisher, expected, strict=True):
        np.testing.assert_allclose(measured, wanted, rtol=1e-3, atol=1e-3 * np.max(wanted))


def test_the_pull_is_half_lambda_times_importance_times_the_squared_way(generator):
    variables = generator.trainable_variables
    anchors = [np.asarray(v).copy() for v in variables]
    anchors[0] += 2.0
    importances = [np.zeros(v.shape, np.float32) for v in variables]
    importances[0][0, 0, 0, :2] = [3.0, 5.0]
    importances[1][...] = 7.0  # has not moved
    rules = ConsolidationRules(generator, 10.0, importances, anchors)
    assert float(rules.penalty({}, None)) == pytest.approx(0.5 * 10.0 * (3 + 5) * 2.0**2, rel=1e-5)
    assert float(ConsolidationRules(generator, 10.0).penalty({}, None)) == 0.0


def test_importances_come_back_in_whatever_order_they_were_read():
    arrays = {
        f"{name}/{i:04d}": np.full(2, i + len(name)) for name in ("importance", "importance of task") for i in (0, 1)
    }
    method = tiny.ewc_m()
    method.restore_arrays(dict(reversed(arrays.items())))
    restored = method.arrays()
    assert restored.keys() == arrays.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(restored[name], array)


def test_importances_add_up_and_a_new_class_starts_with_none():
    learner = Learner(tiny.ewc_m(gan=ONE_EPOCH))
    method, sums = learner.method, []
    for index in range(2):
        learner.learn(tiny.task(index))
        sums.append(dict(method.arrays()))
    gamma = next(i for i, v in enumerate(method.networks.generator.trainable_variables) if v.name == "gamma")
    first, second = (arrays[f"importance/{gamma:04d}"] for arrays in sums)
    assert first.shape[0] == 1 and second.shape[0] == 2
    np.testing.assert_array_equal(second[0], first[0])  # images of the second class do not use the first's gamma
    assert np.any(first > 0)
    kernels = [arrays["importance/0000"] for arrays in sums]
    assert np.all(kernels[1] >= kernels[0]) and np.any(kernels[1] > kernels[0])
    sizes = [np.asarray(v).size for v in method.networks.generator.trainable_variables]
    assert method.memory_bytes()["importances"] == 4 * sum(sizes)


@pytest.fixture(scope="module")
def first_task():
    """A folder with a method that has learned its first task."""
    learner = Learner(tiny.ewc_m(gan=ONE_EPOCH))
    learner.learn(tiny.task(0))
    return learner.description(), {k: np.array(v) for k, v in learner.arrays().items()}


def test_a_strong_pull_keeps_what_matters_in_its_place(first_task):
    ways = []
    typical = np.max(first_task[1]["method/importance/0000"])
    for weight in (0.0, 100.0 / typical):
        learner = Learner.from_state(*first_task, tiny.ewc_m(gan=ONE_EPOCH, consolidation_weight=float(weight)))
        before = np.asarray(learner.method.networks.generator.convolutions[0].kernel)
        importance = learner.method.arrays()["importance/0000"]
        learner.learn(tiny.task(1))
        way = np.square(np.asarray(learner.method.networks.generator.convolutions[0].kernel) - before)
        ways.append(np.sum(importance * way))
    assert 0.0 < ways[1] < 0.5 * ways[0]


def test_padding_is_with_zeros_behind():
    np.testing.assert_array_equal(padded(np.ones([1, 2]), [2, 3]), [[1, 1, 0], [0, 0, 0]])


@pytest.mark.parametrize("bad", [{"consolidation_weight": -1.0}, {"fisher_samples": 0}], ids=["weight", "samples"])
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"EWCM.{next(iter(bad))}: expected"):
        EWCM(**bad)
