"""Measures of known and unknown images, of scores that are known."""

import numpy as np
import pytest

from dgm_tf.learner.learner import Known
from dgm_tf.measures.calibration import UncalibratedError, reliability
from dgm_tf.measures.known import FalseAlarms, UnknownAUROC, auroc
from tests.measures.test_view import view_of


def test_auroc_counts_pairs():
    assert auroc([3.0, 2.0], [1.0]) == 1.0
    assert auroc([3.0, 1.0, 2.0], [2.0, 0.0]) == pytest.approx((2 + 1 + 1.5) / 6)
    assert auroc([0.0], [0.0]) == 0.5


def view_with(scores, task_classes, tests, unknown, monkeypatch, is_last=False):
    """A view of test images with these scores, and of a next task's."""
    view = view_of(np.zeros((sum(tests), len(tests))), task_classes, tests)
    next_images = np.zeros((len(unknown), 2, 2, 1), np.uint8)
    assert len(view.test_labels) == sum(tests)
    view.__dict__["known_scores"] = np.array(scores, np.float32)
    monkeypatch.setattr(type(view), "is_last", is_last)
    stream = type("Stream", (), {"test_split": lambda self, task: type("S", (list,), {"images": next_images})(unknown)})
    view.stream = stream()
    scores = np.array(unknown, np.float32)
    view.learner.known = lambda images: Known(scores >= 0, scores)
    return view


def test_unknown_images_are_those_of_the_next_task(monkeypatch):
    view = view_with([1.0, 2.0, -1.0], [(0,), (1,)], [2, 1], [0.0, -2.0], monkeypatch)
    assert UnknownAUROC().after_task(view) == pytest.approx((2 + 2 + 1) / 6)
    assert UnknownAUROC().scalars(0.5, view) == {"measures/unknown_auroc": 0.5}
    empty = view_with([1.0], [(0,)], [1], [], monkeypatch)
    assert UnknownAUROC().after_task(empty) is None
    last = view_with([1.0], [(0,)], [1], [0.0], monkeypatch, is_last=True)
    assert UnknownAUROC().after_task(last) is None


def test_false_alarms_are_of_earlier_classes(monkeypatch):
    view = view_with([1.0, -1.0, -1.0], [(0,), (1,)], [2, 1], [], monkeypatch)
    assert FalseAlarms().after_task(view) == 0.5
    first = view_with([1.0, -1.0, -2.0, 0.0], [(0, 1)], [2, 2], [], monkeypatch)
    assert FalseAlarms().after_task(first) == 0.5


def test_the_error_before_is_that_without_the_temperature():
    logits = np.array([[2.0, 0.0], [0.5, 0.0]])
    view = view_of(logits, [(0, 1)], [1, 1])
    assert not UncalibratedError().applies(view)
    view.outcome = {"temperature": 3.0}
    assert UncalibratedError().applies(view)
    assert UncalibratedError().after_task(view) == pytest.approx(reliability(3.0 * logits, view.test_labels).error)
    missing = view_of(logits[:1], [(0, 1)], [1, 0])
    missing.outcome = {"temperature": 3.0}
    assert UncalibratedError().after_task(missing) is None
