"""What measures see, and what the standard ones make of it, of learners whose answers are known."""

import types

import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.measures import accuracy, images
from dgm_tf.measures.forgetting import BackwardTransfer, Forgetting
from dgm_tf.measures.incremental import AverageIncrementalAccuracy
from dgm_tf.measures.record import Record, TaskRecord
from dgm_tf.measures.view import MeasuredRun, View


class Stream:
    """A stream whose classes have test images as they are counted."""

    complete = True

    def __init__(self, tasks, counts):
        self._tasks, self._counts, self.num_tasks = tasks, counts, len(tasks)

    def test_split(self, task):
        labels = np.concatenate([np.full(self._counts[label], label, np.int32) for label in self._tasks[task]])
        return types.SimpleNamespace(images=np.zeros([len(labels), 2, 2, 1], np.uint8), labels=labels)


def view_of(logits, tasks, counts, earlier=(), name="logits"):
    """A `View` after the last task; logits: of the test images; earlier: rows of the accuracy matrix before."""
    learner = types.SimpleNamespace(
        logits=lambda images: np.asarray(logits, np.float32), task_classes=tasks, num_tasks=len(tasks), seed=3,
        class_names=[str(label) for labels in tasks for label in labels], method=types.SimpleNamespace(replays=False),
    )  # fmt: skip
    rows = [TaskRecord({"accuracy_matrix": row, "average_accuracy": np.mean(row)}) for row in earlier]
    record = Record(learner.class_names, [list(task) for task in tasks], task_records=rows)
    return View(learner, None, {}, MeasuredRun(Stream(tasks, counts), None, record))


def test_accuracies_are_means_over_classes():
    # 4 images of class 0, all right; 1 of class 1, wrong; 1 of class 2, right.
    view = view_of(np.eye(3)[[0, 0, 0, 0, 2, 2]], [(0,), (1, 2)], [4, 1, 1], earlier=[[1.0]])
    assert accuracy.PerClassAccuracy().after_task(view) == [1.0, 0.0, 1.0]
    assert accuracy.AccuracyMatrix().after_task(view) == [1.0, 0.5]
    assert accuracy.AverageAccuracy().after_task(view) == pytest.approx(2 / 3)
    assert accuracy.MicroAccuracy().after_task(view) == pytest.approx(5 / 6)
    assert accuracy.Confusion().after_task(view).tolist() == [[4, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert accuracy.Top5Accuracy().after_task(view) is None


def test_what_needs_test_images_that_are_not_there_is_none():
    view = view_of(np.eye(3)[[1, 0, 2]], [(0,), (1,), (2,)], [0, 2, 1], earlier=[[None], [None, 0.5]][:0])
    assert accuracy.PerClassAccuracy().after_task(view) == [None, 0.5, 1.0]
    assert accuracy.AccuracyMatrix().after_task(view) == [None, 0.5, 1.0]
    assert accuracy.AverageAccuracy().after_task(view) is None and accuracy.MicroAccuracy().after_task(view) is None


def test_top_5_is_there_from_six_classes_on():
    logits = np.tile(-np.arange(6.0), (6, 1))  # class 5 comes last for every image
    view = view_of(logits, [tuple(range(6))], [1] * 6)
    assert accuracy.Top5Accuracy().after_task(view) == pytest.approx(5 / 6)
    assert accuracy.Top5Accuracy().after_task(view_of(np.eye(6)[:5], [tuple(range(6))], [1] * 5 + [0])) is None
    assert accuracy.Top5Accuracy().after_task(view_of(np.eye(5), [tuple(range(5))], [1] * 5)) is None


def test_the_matrix_continues_what_was_measured_before():
    view = view_of(np.eye(2)[[1, 0, 1, 1]], [(0,), (1,)], [2, 2], earlier=[[1.0]])
    np.testing.assert_array_equal(view.accuracy_matrix, [[1.0, np.nan], [0.5, 1.0]])
    assert Forgetting().after_task(view) == pytest.approx(0.5)
    assert BackwardTransfer().after_task(view) == pytest.approx(-0.5)
    first = view_of(np.eye(1)[[0]], [(0,)], [1])
    assert Forgetting().after_task(first) == 0.0 and BackwardTransfer().after_task(first) is None


def test_the_average_incremental_accuracy_is_the_mean_of_the_curve():
    view = view_of(np.eye(2)[[1, 0, 1, 1]], [(0,), (1,)], [2, 2], earlier=[[1.0]])
    assert AverageIncrementalAccuracy().after_task(view) == pytest.approx((1.0 + 0.75) / 2)


def test_logits_are_computed_once_for_all_measures():
    calls = []
    view = view_of(np.eye(2), [(0, 1)], [1, 1])
    view.learner.logits = lambda images: calls.append(len(images)) or np.eye(2, dtype=np.float32)
    for measure in (accuracy.AverageAccuracy(), accuracy.Confusion(), AverageIncrementalAccuracy()):
        measure.after_task(view)
    assert calls == [2]


def test_a_task_goes_by_its_classes_in_tensorboard():
    view = view_of(np.eye(3), [(0,), (1, 2)], [1, 1, 1], earlier=[[1.0]])
    view.learner.class_names = ["cat", "dog", "owl"]
    tags = accuracy.AccuracyMatrix().scalars([0.5, None], view)
    assert tags == {"accuracy_per_task/task 1 (cat)": 0.5}
    assert accuracy.AverageAccuracy().scalars(0.25, view) == {"accuracy/average_accuracy": 0.25}


def test_the_test_images_are_those_of_all_tasks_seen_in_their_order():
    stream = ClassIncrementalStream(PackagedMNIST(), classes_per_task=[1, 2, 1])
    pictures, labels = images.seen_test_images(stream, 1)
    assert list(np.unique(labels)) == [0, 1, 2] and np.flatnonzero(labels == 0).max() < np.flatnonzero(labels).min()
    assert len(pictures) == sum(len(stream.test_split(t)) for t in (0, 1))


def test_accuracy_on_replay_is_told_by_class():
    class Replaying:
        def replay(self, labels, seed):
            assert seed == 3 and labels.tolist() == [1, 1, 1, 1, 4, 4, 4, 4]
            return np.array([1, 0, 1, 1, 4, 4, 1, 1])

        def replay_logits(self, replayed):
            return np.eye(5)[replayed]

    learner = types.SimpleNamespace(seed=3, method=Replaying())
    assert accuracy.replay_accuracies(learner, [1, 4], 4) == {1: 0.75, 4: 0.5}
