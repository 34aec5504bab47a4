"""Path integrals."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.methods.synaptic_intelligence import PathIntegralRules, SynapticIntelligence
from dgm_tf.training.quadratic_penalty import QuadraticPenalty, trace
from tests.methods.regularized_tasks import TASKS, Snapshots, learner


def descend(strength, anchor, steps):
    """w of gradient descent with rate 0.25 from x = 4 on x^2 / 2 + strength (x - anchor)^2; where it ends."""
    x, path = keras.Variable([4.0], name="x"), trace(np.zeros(1, np.float32))
    optimizer = keras.optimizers.SGD(0.25)
    penalty = QuadraticPenalty(strength, [np.ones(1, np.float32)], [np.full(1, anchor, np.float32)])
    rules = PathIntegralRules(penalty, [path])
    for _ in range(steps):
        rules.apply(optimizer, [tf.convert_to_tensor(x)], [x])
    return float(path[0]), float(x[0])


def test_path_integral_on_a_quadratic_loss_by_hand():
    # x: 4, 3, 2.25. -g dx: 4 * 1 + 3 * 0.75. The loss fell by 8 - 2.53 = 5.47; steps this long see more.
    assert descend(0.0, 0.0, 2) == (4.0 + 2.25, 2.25)


def test_only_the_tasks_own_gradient_is_integrated():
    # Gradient of both: 4 + 2 * 0.5 * (4 - 2) = 6, so the step is -1.5; the task's own part of it is 4.
    assert descend(0.5, 2.0, 1) == (6.0, 2.5)


def test_importance_is_the_path_over_the_squared_way():
    one, snapshots = learner(SynapticIntelligence, damping=0.5), Snapshots(step=12)
    one.learn(TASKS[0], (snapshots,))
    arrays = snapshots.states["step"][1]
    for i, importance in enumerate(one.method.importances):
        path, start = (arrays[f"method/traces/{name}/{i:04d}"] for name in ("path", "start"))
        end = one.method.carried["anchors"][i]
        np.testing.assert_allclose(importance, np.maximum(path, 0) / ((end - start) ** 2 + 0.5), rtol=1e-6)


def test_a_path_uphill_counts_as_none():
    method, zeros = SynapticIntelligence(damping=0.5), [np.zeros(2, np.float32)]
    method.carried = {"importances": [zeros[0] + 1.0], "anchors": zeros}
    method.traces = {"path": [trace([-1.0, 2.0])], "start": [trace([0.0, 1.0])]}
    kept = method.consolidate(None, [np.array([1.0, 3.0], np.float32)])
    np.testing.assert_allclose(kept["importances"][0], [1.0 + 0.0, 1.0 + 2.0 / 4.5], rtol=1e-6)
    np.testing.assert_array_equal(kept["anchors"][0], [1.0, 3.0])


def test_importances_of_tasks_add_up():
    one = learner(SynapticIntelligence)
    one.learn(TASKS[0])
    before = [i.copy() for i in one.method.importances]
    one.learn(TASKS[1])
    for old, new in zip(before, one.method.importances, strict=True):
        assert np.all(new[tuple(slice(0, n) for n in old.shape)] >= old) and np.sum(new) > np.sum(old)


@pytest.mark.parametrize("damping", [0.0, -1.0, None])
def test_bad_damping_is_named(damping):
    with pytest.raises(UserError, match="SynapticIntelligence.damping: expected"):
        SynapticIntelligence(damping=damping)


def test_a_task_begins_with_paths_of_length_zero_where_the_weights_stand():
    weights = [np.array([3.0, -1.0], np.float32)]
    first = SynapticIntelligence().first_traces(weights)
    np.testing.assert_array_equal(first["path"], [[0.0, 0.0]])
    np.testing.assert_array_equal(first["start"], weights)
