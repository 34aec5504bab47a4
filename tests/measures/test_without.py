"""Record without a class: what is left is consistent, and nothing in it is of the class."""

import json

import numpy as np
import pytest

from dgm_tf.measures import formulas
from dgm_tf.measures.record import Record, TaskRecord, read
from dgm_tf.measures.standard import descriptions
from dgm_tf.measures.without import CAUTION, names_class, without

NAMES = ["ape", "bee", "fox", "owl"]
TASKS = [[0], [1, 2], [3]]
EACH = [[1.0], [0.5, 0.25, 0.75], [0.5, 0.5, 0.125, 1.0]]


def _row(t):
    tasks = [float(np.mean([EACH[t][c] for c in task])) for task in TASKS[: t + 1]]
    return {
        "accuracy_matrix": [*tasks, *[None] * (2 - t)],
        "per_class_accuracy": EACH[t],
        "average_accuracy": float(np.mean(EACH[t])),
        "average_incremental_accuracy": 0.5,
        "forgetting": 0.5,
        "backward_transfer": 0.5,
        "micro_accuracy": 0.5,
        "expected_calibration_error": 0.1,
        "memory_bytes": {"class statistics": 10 * (t + 1)},
        "my_own": {"fox": 3},
    }


def _record(**facts):
    rows = [TaskRecord(_row(t), {"train": float(t)}) for t in range(3)]
    last = {"confusion": np.arange(16).reshape(4, 4).tolist(), "bounds": {"joint": [1.0]}, "what_is_kept": {"a": 1}}
    given = {
        "excerpt": {"sizes": [3]},
        "data": {"train": 9},
        "measures": descriptions(),
        "last": last,
        "test_excerpts": [{"sizes": [c]} for c in range(4)],
        "warnings": ["task 2 (bee, fox): poor", "foxes are fine"],
        "finished": True,
        "metrics_head": "0",
        "others": {"of another": ["fox"]},
    }
    return Record(list(NAMES), [list(task) for task in TASKS], task_records=rows, **(given | facts))


def test_entries_of_the_class_are_gone_and_means_are_of_the_others():
    found = without(_record(), [2], {"memory_bytes": {"class statistics": 20}})
    assert found.class_names == ["ape", "bee", "owl"] and found.tasks == [[0], [1], [2]] and found.finished
    assert found.column("per_class_accuracy") == [[1.0], [0.5, 0.25], [0.5, 0.5, 1.0]]
    assert found.column("accuracy_matrix") == [[1.0, None, None], [0.5, 0.25, None], [0.5, 0.5, 1.0]]
    assert found.column("average_accuracy") == [1.0, 0.375, pytest.approx(2 / 3)]
    assert found.column("average_incremental_accuracy")[0] == 0.5
    assert found.column("average_incremental_accuracy")[2] == pytest.approx(np.mean([1.0, 0.375, 2 / 3]))
    matrix = found.accuracy_matrix()
    assert found.column("forgetting")[2] == pytest.approx(formulas.forgetting(matrix))
    assert found.column("backward_transfer")[2] == pytest.approx(formulas.backward_transfer(matrix))
    assert found.column("micro_accuracy") == [0.5, None, None]
    assert found.column("my_own") == [{"fox": 3}, None, None], "measured before the class was known"
    assert found.column("memory_bytes")[1:] == [{"class statistics": 20}, {"class statistics": 20}]
    assert found.last["confusion"] == [[0, 1, 3], [4, 5, 7], [12, 13, 15]] and "bounds" not in found.last
    assert [excerpt["sizes"][0] for excerpt in found.test_excerpts] == [0, 1, 3]
    assert found.warnings == ["foxes are fine"] and found.cautions == [CAUTION]
    assert (found.excerpt, found.data, found.metrics_head, found.others) == (None, None, None, {})
    json.dumps(found.to_json(), allow_nan=False)


def test_a_task_that_is_left_without_a_class_is_gone():
    found = without(without(_record(), [0], {}), [2], {})
    assert found.class_names == ["bee", "fox"] and found.tasks == [[0, 1]] and found.learned == 1
    assert found.column("per_class_accuracy") == [[0.25, 0.75]] and found.cautions == [CAUTION]
    assert found.column("forgetting") == [0.0] and found.column("backward_transfer") == [None]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ([3], []),
        ([0], [{"first_task": 1, "class_names": ["owl"], "classes_per_task": [1], "train_sizes": [7], "data": 5}]),
    ],
)
def test_what_was_learned_on_moves_or_goes(gone, expected):
    later = [{"first_task": 2, "class_names": ["owl"], "classes_per_task": [1], "train_sizes": [7], "data": 5}]
    assert without(_record(later=later), gone, {}).later == expected


def test_of_two_that_were_learned_on_one_stays():
    later = [{"first_task": 1, "class_names": ["bee", "fox", "owl"], "classes_per_task": [2, 1],
              "train_sizes": [8, 7], "data": 5}]  # fmt: skip
    (entry,) = without(_record(later=later), [1], {}).later
    assert entry["class_names"] == ["fox", "owl"] and entry["classes_per_task"] == [1, 1]
    assert entry["train_sizes"] == [None, 7] and entry["data"] is None


def test_tests_that_are_missing_leave_gaps():
    record = _record()
    for row in record.task_records:
        row.measured["per_class_accuracy"] = None
    found = without(record, [2], {})
    assert found.column("average_accuracy") == [pytest.approx(1.0), None, None]
    assert found.column("accuracy_matrix")[2] == [0.5, None, 1.0] and found.column("forgetting")[1:] == [None, None]


def test_many_classes_become_few(tmp_path):
    names = [f"c{i}" for i in range(101)]
    shares = [[0.5] * 101]
    entries = {"class_names": names, "classes_per_task": [101], "per_class_accuracy": shares, "finished": True,
               "confusion": np.eye(101, dtype=int).tolist()}  # fmt: skip
    Record.from_json(entries, "results.json").write(tmp_path)
    found = without(read(tmp_path), [7], {})
    assert found.packed() is None and np.shape(found.last["confusion"]) == (100, 100)
    found.write(tmp_path)
    assert read(tmp_path).class_names == names[:7] + names[8:]


def test_names_are_found_as_words():
    assert names_class("task (fox, owl)", "fox") and not names_class("foxes", "fox")
    assert names_class("a\\x1bb here", "a\x1bb") and names_class("--classes=fox", "fox")
