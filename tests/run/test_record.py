"""results.json: signed, small however many classes there are, and read as one with results.npz beside it."""

import json
import shutil
import types

import numpy as np
import pytest

from dgm_tf.disk import files
from dgm_tf.errors import Damaged, UserError
from dgm_tf.run import record
from dgm_tf.run.checkpoints import CHECKPOINT, read_checkpoint, write_checkpoint

MEGABYTE = 1e6


def _results(classes_per_task, epochs=20):
    """Results as a run of so many classes has them, every entry filled."""
    rng, num_tasks = np.random.default_rng(0), len(classes_per_task)
    seen = np.cumsum(classes_per_task).tolist()
    stream = types.SimpleNamespace(
        class_names=[f"n{i:08d} some kind of animal" for i in range(seen[-1])],
        num_tasks=num_tasks,
        task_classes=lambda t: range(seen[t] - classes_per_task[t], seen[t]),
        excerpt={"sizes": [1, 2], "levels": [1.5]},
        report=None,
    )
    results = record.empty(stream, types.SimpleNamespace(protocol="strict"))

    def shares(count):
        return [None if i % 7 == 3 else n / 50 for i, n in enumerate(rng.integers(0, 51, count).tolist())]

    results["accuracy_matrix"] = [shares(t + 1) + [None] * (num_tasks - t - 1) for t in range(num_tasks)]
    for key in ("average_accuracy", "micro_accuracy", "top5_average_accuracy", "best_accuracy", "forgetting"):
        results[key] = shares(num_tasks)
    results["validation_accuracy"] = [shares(epochs) for _ in seen]
    results["per_class_accuracy"] = [shares(count) for count in seen]
    results["accuracy_on_replay"] = [None, *(shares(count) for count in seen[1:])]
    measures = ("precision", "recall", "kernel_distance", "pixel_distance")
    results["fidelity"] = [None, *({name: rng.random(count).tolist() for name in measures} for count in seen[1:])]
    excerpt = {"sizes": [50, 1200], "levels": rng.integers(0, 25500, 10).tolist()}
    results["test_excerpts"] = [
        None,
        *({**excerpt, "levels": [v / 100 for v in excerpt["levels"]]} for _ in range(seen[-1] - 1)),
    ]
    layer = {name: 123456 for name in ("units", "parameters", "used", "newly_reserved", "reused", "free")}
    results["capacity"] = [
        {"task": t, "size": 1, "layers": {f"masked_{i}": layer for i in range(6)}} for t in range(num_tasks)
    ]
    results["seconds"] = [{name: 1.2345678 for name in "abcdefgh"} for _ in seen]
    confusion = results["confusion"] = np.zeros([seen[-1]] * 2, np.uint16)
    confusion[np.repeat(np.arange(seen[-1]), 50), rng.integers(0, seen[-1], 50 * seen[-1])] += 1
    return results


def _equal(results, others):
    plain = [{**r, "confusion": np.asarray(r["confusion"]).tolist()} for r in (results, others)]
    return plain[0] == plain[1]


@pytest.fixture
def many(tmp_path):
    """(a run folder with results of 120 classes in 3 tasks, the results)."""
    results = _results([40, 40, 40])
    record.write(tmp_path, results)
    return tmp_path, results


@pytest.mark.parametrize("classes", [[2, 3], [40, 40, 40]])
def test_what_is_written_is_read(tmp_path, classes):
    results = _results(classes)
    if sum(classes) <= record.MANY_CLASSES:
        results["confusion"] = results["confusion"].tolist()
    record.write(tmp_path, results)
    assert _equal(record.read(tmp_path), results)
    assert (tmp_path / "results.npz").exists() == (sum(classes) > record.MANY_CLASSES)


def test_up_to_100_classes_all_is_in_plain_json(tmp_path):
    results = _results([50, 50]) | {"confusion": [[1]]}
    record.write(tmp_path, results)
    text = json.loads((tmp_path / "results.json").read_text())
    assert text.items() >= results.items() and text.keys() - results.keys() == {"format", "sha256"}


def test_numpy_reads_what_stands_beside(many):
    run_dir, results = many
    with np.load(run_dir / "results.npz") as arrays:
        np.testing.assert_array_equal(arrays["confusion"], results["confusion"])
        assert arrays["per_class_accuracy"].shape == (3, 120) and np.isnan(arrays["per_class_accuracy"][0, 40:]).all()
        np.testing.assert_array_equal(arrays["fidelity/recall"][2], results["fidelity"][2]["recall"])
    named = json.loads((run_dir / "results.json").read_text())["beside"]
    assert named == {
        "file": "results.npz",
        "sha256": files.sha256(run_dir / "results.npz"),
        "entries": list(record.LARGE_ENTRIES),
    }


def test_what_needs_no_large_entry_does_not_read_it(many):
    run_dir, results = many
    (run_dir / "results.npz").unlink()
    read = record.read(run_dir, large=False)
    assert read["average_accuracy"] == results["average_accuracy"] and "confusion" not in read


@pytest.mark.parametrize("classes_per_task", [[5000] * 2, [2] * 300], ids=["10,000 classes", "300 tasks"])
def test_many_classes_and_tasks_take_little_room_in_the_run_folder_and_in_checkpoints(tmp_path, classes_per_task):
    results = _results(classes_per_task)
    large = record.write(tmp_path, results)
    assert (tmp_path / "results.json").stat().st_size < 5 * MEGABYTE
    assert (tmp_path / "results.npz").stat().st_size < 5 * MEGABYTE
    notes = {"results": record.small(results), "seconds": {}}
    write_checkpoint(tmp_path, record.to_checkpoint(large), {"position": {}}, notes, [CHECKPOINT])
    assert (tmp_path / CHECKPOINT).stat().st_size < 10 * MEGABYTE
    arrays, _, read = read_checkpoint(tmp_path)
    assert arrays == {}
    np.testing.assert_array_equal(read["results"].pop("confusion"), results.pop("confusion"))
    assert read["results"] == results


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
        record.write(tmp_path / "later", _results([40, 80]))
        shutil.copy(tmp_path / "later" / "results.npz", many[0])
        assert "expected the file that results.json names, got another" in self._told(many[0], UserError)

    @pytest.mark.parametrize(
        ("content", "found"),
        [
            ([], "expected results, got list"),
            ({"average_accuracy": {}}, "average_accuracy: expected a list, got {}"),
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
    results = record.read(project_root / "docs" / "results" / "quickstart.json")
    assert results["finished"] and len(results["confusion"]) == len(results["class_names"])


def test_arrays_that_do_not_belong_together_are_damage(tmp_path, many):
    run_dir, _ = many
    data = files.npz_bytes({"per_class_accuracy": np.zeros([2, 2])})
    write_checkpoint(tmp_path, record.to_checkpoint(data), {"position": {}}, {"results": {}, "seconds": {}})
    with pytest.raises(Damaged, match="its arrays do not belong together"):
        read_checkpoint(tmp_path)
