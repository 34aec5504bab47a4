"""Promises of the report: every number shown, "-" for what is missing, plain text in a log file."""

import io

import pytest

from dgm_tf.measures.record import Record
from dgm_tf.measures.standard import descriptions
from dgm_tf.report import tables
from dgm_tf.text import shown
from tests import hostile

MINIMAL = {"accuracy_matrix": [[0.9, None], [0.5, 1.0]], "class_names": ["[red]zero", "one|two"]}
FULL = {
    **MINIMAL,
    "average_accuracy": [0.9, 0.75],
    "best_accuracy": [0.91, 0.76],
    "top5_average_accuracy": [None, 0.987],
    "per_class_accuracy": [[0.9], [0.5, 1.0]],
    "forgetting": [0.0, 0.4],
    "backward_transfer": [None, -0.41],
    "gan_test": [0.99, None],
    "gan_train": [0.88, 0.77],
    "replay_drift": 0.0,
    "capacity": [{"task": 1, "size": 55836, "layers": {}}, {"task": 2, "size": 80000, "layers": {}}],
    "seconds": [{"generator": 30.0, "classifier": 12.0}, {"generator": 3600.0, "classifier": 60.0}],
    "weights_bytes": 1500000,
    "masks_bytes": 28100,
    "bounds": {"joint training": [0.99, 0.98]},
    "warnings": ["task 2: the mask of conv_1 is empty [every entry 0]"],
    "something_new": {"of": "later"},
}


def task_table(results):
    return tables.task_table(Record.from_json(results, "results.json"))


def final_table(results):
    return tables.final_table(Record.from_json(results, "results.json"))


def _printed(renderable):
    stream = io.StringIO()
    tables.print_report(renderable, stream)
    return stream.getvalue()


def _many_classes():
    names = [f"class {i}" for i in range(30)]
    per_class = [[0.5] * 10, [0.5] * 20, [0.5] * 30]
    return {
        "accuracy_matrix": [[0.5, None, None], [0.4, 0.5, None], [0.11, 0.22, 0.33]],
        "class_names": names,
        "classes_per_task": [10, 10, 10],
        "per_class_accuracy": per_class,
    }


class TestTaskTable:
    def test_shows_classes_by_name_and_the_sums(self):
        text = _printed(task_table(FULL))
        for expected in ("After task 2: one|two", "[red]zero", "50.00", "100.00", "75.00", "98.70", "77.00"):
            assert expected in text
        for expected in ("40.00 %", "80,000 parameters", "1h01m", "classifier 1m00s"):
            assert expected in text

    def test_many_classes_are_shown_by_task(self):
        text = _printed(task_table(_many_classes()))
        assert "task 2: class 10, class 11 + 8" in text and "22.00" in text and "class 29" not in text

    def test_what_is_missing_reads_as_a_dash(self):
        lines = _printed(task_table({**MINIMAL, "forgetting": [None, None]})).splitlines()
        for name in ("forgetting", "time"):
            assert [line.split()[1] for line in lines if line.split()[:1] == [name]] == ["-"]
        assert not any(name in line for line in lines for name in ("GAN-test", "top-5"))

    def test_measures_that_do_not_apply_are_not_there(self):
        assert "forgetting" not in _printed(task_table(MINIMAL)) and "forgetting" in _printed(task_table(FULL))


class TestFinalTable:
    def test_shows_every_number(self):
        text = _printed(final_table(FULL))
        for expected in ("90.00", "75.00", "91.00", "76.00", "98.70", "99.00", "77.00", "98.00", "55.8k"):
            assert expected in text
        for expected in ("40.00 %", "-41.00 %", "1.50 MB", "28.10 kB", "1h01m", "joint", "55,836 -> 80,000"):
            assert expected in text

    def test_the_replay_is_set_beside_real_images(self):
        classes = {"precision": [0.9, 0.8], "recall": [None, 0.5], "pixel_distance": [0.1, 0.2]}
        text = _printed(final_table({**FULL, "fidelity": [None, classes]}))
        assert "precision 85.00 %, recall 50.00 %, pixel distance 0.150" in text
        assert "replay beside real" not in _printed(final_table({**FULL, "fidelity": [classes, None]}))

    def test_warnings_are_loud(self):
        text = _printed(final_table(FULL))
        assert "1 WARNING" in text and "! task 2: the mask of conv_1 is empty [every entry 0]" in text
        assert "WARNING" not in _printed(final_table({**FULL, "warnings": []}))

    @pytest.mark.parametrize("drift", [1e-3, 2e-6, float("nan")])
    def test_a_broken_invariant_is_loud(self, drift):
        assert "LEAK" in _printed(final_table({**FULL, "replay_drift": drift}))

    def test_a_memory_that_promises_nothing_breaks_no_invariant(self):
        text = _printed(final_table({**FULL, "replay_drift": 1.5, "replay_is_frozen": False}))
        assert "LEAK" not in text and "1.5 (largest change" in text

    def test_rounding_of_another_device_is_told_and_is_no_leak(self):
        text = _printed(final_table({**FULL, "replay_device_difference": 3e-5}))
        assert "LEAK" not in text and "3e-05 (images changed when" in text
        assert "LEAK" in _printed(final_table({**FULL, "replay_device_difference": 0.03}))

    @pytest.mark.parametrize("drift", [0, 0.0, 5e-7, None])
    def test_a_kept_invariant_is_not(self, drift):
        assert "LEAK" not in _printed(final_table({**FULL, "replay_drift": drift}))

    def test_works_with_the_required_keys_alone(self):
        text = _printed(final_table(MINIMAL))
        assert "[red]zero" in text and " - " in text

    def test_unfinished_runs_name_the_tasks_learned(self):
        results = {**MINIMAL, "class_names": list("abcdef"), "classes_per_task": [2, 1, 3]}
        text = _printed(final_table(results))
        assert "a, b" in text and "d, e" not in text


class TestPlainLog:
    def test_no_colour_codes_and_at_most_100_columns(self, monkeypatch):
        monkeypatch.setenv("FORCE_COLOR", "1")
        monkeypatch.setenv("COLUMNS", "200")
        for results in (FULL, MINIMAL, _many_classes()):
            text = _printed(task_table(results)) + _printed(final_table(results))
            assert "\x1b" not in text
            assert max(map(len, text.splitlines())) <= 100

    def test_a_ten_task_run_with_two_bounds_is_not_cut(self):
        names = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag"]
        names.append("Ankle boot")
        ten = [0.5] * 10
        results = {
            "accuracy_matrix": [[0.5] * 10] * 10,
            "class_names": names,
            **dict.fromkeys(("average_accuracy", "best_accuracy", "gan_test", "gan_train"), [1.0] * 10),
            "top5_average_accuracy": [1.0] * 10,
            "average_incremental_accuracy": [1.0] * 10,
            "expected_calibration_error": [0.1] * 10,
            "measures": {name: about.to_json() for name, about in descriptions().items()},
            "bounds": {"fine-tuning": ten, "joint training": ten},
            "capacity": [{"task": t, "size": 325836} for t in range(10)],
            "seconds": [{"generator": 36000.0}] * 10,
        }
        text = _printed(final_table(results))
        assert "…" not in text
        assert all(text.count(name) == 1 for name in names) and text.count("325.8k") == 10

    def test_ascii_streams_work(self):
        stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        tables.print_report(task_table(FULL), stream)
        tables.print_report(final_table(FULL), stream)
        stream.flush()


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_name_is_text(name):
    results = FULL | {"class_names": [name, "bee"], "warnings": [f"class {name} is odd"]}
    for renderable in (task_table(results), final_table(results), tables.caution_panel(name)):
        text = _printed(renderable)
        assert hostile.sends_no_commands(text) and shown(name)[:20].strip() in text


def test_a_caution_is_boxed_and_taken_literally():
    text = _printed(tables.caution_panel("EWC keeps [no] images."))
    assert "CAUTION" in text and "EWC keeps [no] images." in text and "WARNING" not in text
