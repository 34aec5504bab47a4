"""Calibration, of probabilities that are known."""

import numpy as np
import pytest

from dgm_tf.measures import calibration
from dgm_tf.measures.calibration import ExpectedCalibrationError, ReliabilityDiagram, reliability
from dgm_tf.measures.measure import as_json
from dgm_tf.measures.record import Record, TaskRecord
from tests.measures.test_view import view_of


def logits_of(confidences):
    """[N, 2]: logits of class 0 with these probabilities."""
    shares = np.array(confidences)
    return np.log(np.stack([shares, 1 - shares], axis=1))


def test_the_error_by_hand():
    # Ten that are 95 % sure, of which 8 are right; ten that are 65 % sure, of which 9 are right.
    logits = logits_of([0.95] * 10 + [0.65] * 10)
    labels = np.array([0] * 8 + [1] * 2 + [0] * 9 + [1])
    found = reliability(logits, labels, bins=10)
    assert found.counts.tolist() == [0] * 6 + [10, 0, 0, 10]
    assert found.accuracy[[6, 9]] == pytest.approx([0.9, 0.8]) and np.isnan(found.accuracy[0])
    assert found.confidence[[6, 9]] == pytest.approx([0.65, 0.95])
    assert found.error == pytest.approx(0.5 * 0.25 + 0.5 * 0.15)


@pytest.mark.parametrize(("right", "error"), [(True, 0.0), (False, 1.0)])
def test_who_is_sure_is_in_the_last_bin(right, error):
    found = reliability([[50.0, 0.0]], [0 if right else 1])
    assert found.counts[-1] == 1 and found.error == pytest.approx(error)


def test_large_logits_are_no_overflow():
    assert reliability([[1e4, -1e4]], [0]).error == 0.0


def test_a_run_has_the_error_and_the_diagram():
    view = view_of(logits_of([0.8, 0.8]), [(0, 1)], [1, 1])
    error, diagram = ExpectedCalibrationError().after_task(view), ReliabilityDiagram().after_task(view)
    assert error == pytest.approx(0.3)
    assert sum(diagram["counts"]) == 2 and diagram["counts"][int(0.8 * calibration.BINS)] == 2
    record = Record(["a", "b"], [[0, 1]], task_records=[TaskRecord({"expected_calibration_error": error})])
    record.last["reliability"] = as_json(diagram)
    (figure,) = ReliabilityDiagram().figures(record, view).values()
    assert "Error 30.0 %" in figure.axes[0].get_title() and len(figure.axes[0].patches) == calibration.BINS


def test_without_test_images_there_is_none():
    view = view_of(logits_of([0.8]), [(0, 1)], [1, 0])
    assert ExpectedCalibrationError().after_task(view) is None and ReliabilityDiagram().after_task(view) is None
    assert ReliabilityDiagram().figures(Record(), view) == {}
    tasks = [TaskRecord({"expected_calibration_error": 0.5})]
    assert ReliabilityDiagram().figures(Record(task_records=tasks), view) == {}
