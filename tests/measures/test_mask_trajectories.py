"""Mask values over the epochs: what is noted, kept over a stop, and drawn."""

import types

import numpy as np
import pytest

from dgm_tf.measures.mask_trajectories import ENTRIES, POINTS, MaskTrajectories, MaskWatch
from dgm_tf.report.mask_figure import mask_trajectories_figure

CONTEXT = types.SimpleNamespace(task_seed=3)
PHASE = types.SimpleNamespace(schedule_at=lambda index: {"mask_scale": float(index)})
LAYERS = {"a": np.linspace(0, 0.99, 40).reshape(4, 10), "b": np.array([0.25, 0.75])}


def learner(step, masks=LAYERS):
    """One whose masks rise with the step."""

    def values(schedule):
        assert schedule == {"mask_scale": step - 1.0}  # of the epoch's last step
        return {name: mask + step / 1e4 for name, mask in masks.items()}

    method = types.SimpleNamespace(mask_values=values)
    return types.SimpleNamespace(method=method, position=types.SimpleNamespace(step=step))


def watched(watch, epochs):
    for epoch in epochs:
        watch.on_epoch_end(learner(10 * epoch + 10), CONTEXT, PHASE, epoch)
    return MaskTrajectories().after_task(types.SimpleNamespace(masks=watch))


def test_some_entries_of_each_layer_are_followed():
    kept = watched(MaskWatch(), range(3))
    assert kept["epochs"] == [1, 2, 3]
    assert {name: np.shape(values) for name, values in kept["layers"].items()} == {"a": (ENTRIES, 3), "b": (2, 3)}
    assert kept["layers"]["b"] == [[0.251, 0.252, 0.253], [0.751, 0.752, 0.753]]
    assert np.allclose(np.diff(kept["layers"]["a"], axis=1), 1e-3, atol=6e-4)  # the same entries in every epoch
    assert len(np.unique(np.asarray(kept["layers"]["a"])[:, 0])) == ENTRIES


def test_of_many_epochs_some_are_kept_the_first_and_last_among_them():
    kept = watched(MaskWatch(), range(100))
    assert len(kept["epochs"]) == POINTS and (kept["epochs"][0], kept["epochs"][-1]) == (1, 100)


def test_a_stopped_task_goes_on_with_the_same_entries():
    unbroken, before, after = MaskWatch(), MaskWatch(), MaskWatch()
    expected = watched(unbroken, range(4))
    watched(before, range(2))
    after.restore(None, before.arrays())
    assert watched(after, range(2, 4)) == expected


def test_a_checkpoint_of_before_has_nothing_and_a_new_task_begins_with_nothing():
    watch = MaskWatch()
    watch.restore(None, {"best/history": np.zeros(2)})
    assert watched(watch, []) is None
    watched(watch, range(2))
    watch.on_task_begin(None, None)
    assert watched(watch, [5])["epochs"] == [6]


def test_a_method_without_masks_is_not_watched():
    watch = MaskWatch()
    watch.on_epoch_end(learner(1, masks={}), CONTEXT, PHASE, 0)
    assert watched(watch, []) is None


@pytest.mark.parametrize(("tasks", "rows"), [(1, 1), (2, 2), (3, 3), (10, 3)])
def test_a_row_for_each_of_at_most_three_tasks(tasks, rows):
    entry = {"epochs": [1, 2], "layers": {"$a": [[0.5, 0.9], [0.5, 0.1]], "b": [[0.5, 0.2]]}}
    figure = mask_trajectories_figure([(task, entry) for task in range(tasks)])
    axes = figure.get_axes()
    assert len(axes) == 2 * rows and [len(each.lines) for each in axes[:2]] == [2, 1]
    np.testing.assert_array_equal(axes[0].lines[0].get_ydata(), [0.5, 0.9])
    assert axes[0].lines[0].get_color() != axes[0].lines[1].get_color()
    assert axes[-2].get_ylabel() == f"mask, task {tasks}"


def test_layers_that_come_with_growth_are_drawn_where_they_are():
    entries = [{"epochs": [1], "layers": {"a": [[0.5]]}}, {"epochs": [1], "layers": {"a": [[0.5]], "b": [[0.5]]}}]
    axes = mask_trajectories_figure(list(enumerate(entries))).get_axes()
    assert [len(each.lines) for each in axes] == [1, 0, 1, 1]
