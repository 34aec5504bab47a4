"""results.json: signed, small however many classes there are, and read as one with results.npz beside it."""

import dataclasses
import json
import shutil

import numpy as np
import pytest

from dgm_tf.disk import files
from dgm_tf.errors import Damaged, UserError
from dgm_tf.measures import record
from dgm_tf.measures.measure import Measure
from dgm_tf.measures.record import Record, TaskRecord
from dgm_tf.measures.standard import descriptions
from dgm_tf.run.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint

MEGABYTE = 1e6


def _record(classes_per_task, epochs=20):
    """A `Record` as a run of so many classes has it, every entry filled."""
    rng, num_tasks = np.random.default_rng(0), len(classes_per_task)
    seen = np.cumsum(classes_per_task).tolist()
    tasks = [list(range(end - size, end)) for size, end in zip(classes_per_task, seen, strict=True)]
    names = [f"n{i:08d} some kind of animal" for i in range(seen[-1])]
    kinds = ("precision", "recall", "kernel_distance", "pixel_distance")
    layer = {name: 123456 for name in ("units", "parameters", "used", "newly_reserved", "reused", "free")}
    excerpt = {"sizes": [50, 1200], "levels": rng.integers(0, 25500, 10).tolist()}

    def shares(count):
        return [None if i % 7 == 3 else n / 50 for i, n in enumerate(rng.integers(0, 51, count).tolist())]

    def task(t):
        scalars = ("average_accuracy", "micro_accuracy", "top5_average_accuracy", "best_accuracy", "forgetting")
        measured = dict(zip(scalars, shares(len(scalars)), strict=True)) | {
            "accuracy_matrix": shares(t + 1) + [None] * (num_tasks - t - 1),
            "validation_accuracy": shares(epochs),
            "per_class_accuracy": shares(seen[t]),
            "accuracy_on_replay": shares(seen[t]) if t else None,
            "fidelity": {name: rng.random(seen[t]).tolist() for name in kinds} if t else None,
            "capacity": {"task": t, "size": 1, "layers": {f"masked_{i}": layer for i in range(6)}},
        }
        return TaskRecord(measured, {name: 1.2345678 for name in "abcdefgh"})

    confusion = np.zeros([seen[-1]] * 2, np.uint16)
    confusion[np.repeat(np.arange(seen[-1]), 50), rng.integers(0, seen[-1], 50 * seen[-1])] += 1
    return Record(
        names, tasks, excerpt={"sizes": [1, 2], "levels": [1.5]}, measures=descriptions(),
        task_records=[task(t) for t in range(num_tasks)],
        last={"confusion": confusion.tolist(), "replay_drift": 0.0},
        test_excerpts=[None, *({**excerpt, "levels": [v / 100 for v in excerpt["levels"]]} for _ in names[1:])],
    )  # fmt: skip


def _plain(found):
    """All entries, arrays as lists."""
    confusion = np.asarray(found.last["confusion"]).tolist()
    return dataclasses.replace(found, last=found.last | {"confusion": confusion}).to_json()


@pytest.fixture
def many(tmp_path):
    """(a run folder with results of 120 classes in 3 tasks, the `Record`)."""
    results = _record([40, 40, 40])
    results.write(tmp_path)
    return tmp_path, results


@pytest.mark.parametrize("classes", [[2, 3], [40, 40, 40]])
def test_what_is_written_is_read(tmp_path, classes):
    results = _record(classes)
    results.write(tmp_path)
    assert _plain(record.read(tmp_path)) == _plain(results)
    assert (tmp_path / "results.npz").exists() == (sum(classes) > record.MANY_CLASSES)


def test_up_to_100_classes_all_is_in_plain_json(tmp_path):
    results = _record([50, 50])
    results.write(tmp_path)
    text, entries = json.loads((tmp_path / "results.json").read_text()), results.to_json()
    assert text.items() >= entries.items() and text.keys() - entries.keys() == {"format", "sha256"}


def test_numpy_reads_what_stands_beside(many):
    run_dir, results = many
    with np.load(run_dir / "results.npz") as arrays:
        np.testing.assert_array_equal(arrays["confusion"], results.last["confusion"])
        assert arrays["per_class_accuracy"].shape == (3, 120) and np.isnan(arrays["per_class_accuracy"][0, 40:]).all()
        np.testing.assert_array_equal(arrays["fidelity/recall"][2], results.column("fidelity")[2]["recall"])
    named = json.loads((run_dir / "results.json").read_text())["beside"]
    assert named == {"file": "results.npz", "sha256": files.sha256(run_dir / "results.npz")}


def test_what_needs_no_large_entry_does_not_read_it(many):
    run_dir, results = many
    (run_dir / "results.npz").unlink()
    read = record.read(run_dir, large=False)
    assert read.column("average_accuracy") == results.column("average_accuracy") and "confusion" not in read.last


@pytest.mark.parametrize("classes_per_task", [[5000] * 2, [2] * 300], ids=["10,000 classes", "300 tasks"])
def test_many_classes_and_tasks_take_little_room_in_the_run_folder_and_in_checkpoints(tmp_path, classes_per_task):
    results = _record(classes_per_task)
    packed = results.write(tmp_path)
    assert (tmp_path / "results.json").stat().st_size < 5 * MEGABYTE
    assert (tmp_path / "results.npz").stat().st_size < 5 * MEGABYTE
    notes = {"results": results.small(), "seconds": {}}
    write_checkpoint(tmp_path, record.to_checkpoint(packed), {"position": {}}, notes, [CHECKPOINT])
    assert (tmp_path / CHECKPOINT).stat().st_size < 10 * MEGABYTE
    saved = read_checkpoint(tmp_path)
    assert saved.arrays == {}
    np.testing.assert_array_equal(saved.record.last.pop("confusion"), results.last.pop("confusion"))
    assert saved.record.to_json() == results.to_json()


class TestDamage:
    """One line says what is damaged, what was found and what to do."""

    def _told(self, run_dir, error=Damaged):
        with pytest.raises(error) as caught:
            record.read(run_dir)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def test_another_number_in_results_json(self, many):
        path = many[0] / "results.json"
        path.write_text(path.read_text().replace('"finished": false', '"finished": true'))
        told = self._told(many[0])
        assert told.startswith(
            f"{path} is damaged: its content does not match its SHA-256; restore it from a copy, or "
        )
        assert told.endswith("delete it and give the run's last command again: its checkpoint has all of it")

    @pytest.mark.parametrize("damage", [lambda data: data[:-1], lambda data: data[:99] + b"\xff" + data[100:]])
    def test_the_arrays_beside_it(self, many, damage):
        path = many[0] / "results.npz"
        path.write_bytes(damage(path.read_bytes()))
        told = self._told(many[0])
        assert told.startswith(f"{path} is damaged: ") and "or delete results.json beside it and give" in told

    def test_lost_arrays(self, many):
        (many[0] / "results.npz").unlink()
        assert "expected it beside results.json, which names it, found none; restore" in self._told(many[0], UserError)

    def test_whole_arrays_of_another_moment(self, many, tmp_path):
        _record([40, 80]).write(tmp_path / "later")
        shutil.copy(tmp_path / "later" / "results.npz", many[0])
        assert "expected the file that results.json names, got another" in self._told(many[0], UserError)

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ([], "expected results, got list"),
            ({"warnings": {}}, "warnings: expected a list, got {}"),
            ({"finished": 1}, "finished: expected a bool, got 1"),
            ({"class_names": [None]}, "class_names: expected texts, got None"),
        ],
    )
    def test_entries_of_another_kind(self, tmp_path, content, found):
        files.write_json(tmp_path / "results.json", content)
        assert f"results.json is damaged: {found}; restore" in self._told(tmp_path)

    def test_results_of_a_newer_version(self, tmp_path):
        files.write_json(tmp_path / "results.json", {"format": 3})
        assert "expected format 2 or none, got 3: a newer version has written it" in self._told(tmp_path, UserError)


def test_results_of_before_they_were_signed_are_read(project_root):
    results = record.read(project_root / "docs" / "results" / "mnist_dgmw_fast.json")
    assert results.finished and len(results.last["confusion"]) == len(results.class_names)


def test_arrays_that_do_not_belong_together_are_damage(tmp_path, many):
    run_dir, _ = many
    data = files.npz_bytes({"per_class_accuracy": np.zeros([2, 2])})
    write_checkpoint(tmp_path, record.to_checkpoint(data), {"position": {}}, {"results": {}, "seconds": {}})
    with pytest.raises(Damaged, match="per_class_accuracy: expected a list, got array"):
        read_checkpoint(tmp_path)


def test_columns_and_last_values_go_by_name():
    tasks = [TaskRecord({"average_accuracy": 0.5, "gan_test": None}), TaskRecord({"average_accuracy": 0.25})]
    found = Record(["a", "b", "c"], [[0], [1, 2]], measures=descriptions(), task_records=tasks, last={"bounds": {}})
    assert found.column("average_accuracy") == [0.5, 0.25] and found.column("gan_test") == [None, None]
    assert found.at_classes(3, "average_accuracy") == 0.25 and found.at_classes(2, "average_accuracy") is None
    assert found.final("average_accuracy") == 0.25 and found.final("bounds") == {} and found.final("other") is None
    assert found.has("average_accuracy") and not found.has("gan_test")
    assert (found.learned, found.classes_seen) == (2, [1, 3])
    assert found.protocol == "strict" and not found.finished


class Average(Measure):
    """A measure of somebody else's."""

    name, title = "mine", "my measure"


def test_a_measure_that_nobody_here_knows_is_read_by_its_description(tmp_path):
    about = Average().description()
    tasks = [TaskRecord({"mine": 3.5})]
    Record(["a"], [[0]], measures=descriptions() | {"mine": about}, task_records=tasks).write(tmp_path)
    found = record.read(tmp_path)
    assert found.measures["mine"] == about and found.final("mine") == 3.5


def test_entries_of_another_version_are_kept(tmp_path):
    entries = {"class_names": ["a"], "tasks": [[0]], "average_accuracy": [0.5], "of_tomorrow": {"x": 1}}
    assert Record.from_json(entries, "results.json").to_json()["of_tomorrow"] == {"x": 1}


@pytest.mark.parametrize("about", [{}, {"title": 3}, "text", {"title": "t", "unit": "miles"}])
def test_a_description_of_another_kind_is_damage(tmp_path, about):
    files.write_json(tmp_path / "results.json", {"format": 2, "measures": {"mine": about}})
    with pytest.raises(Damaged, match="an entry is missing or of another kind"):
        record.read(tmp_path)
