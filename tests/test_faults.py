"""Whatever happens to a run's files is told in one line, and what the line says to do brings the run to its end."""

import shutil

import numpy as np
import pytest

import dgm_tf
from dgm_tf.cli import learn, train
from dgm_tf.measures import record
from tests import tiny_run
from tests.faults.__main__ import FINE, run, table
from tests.faults.commands import give
from tests.faults.faults import READERS, drawn, large_results
from tests.faults.prepared import BEGUN, FINISHED, Prepared

LATEST, TASK_END = "checkpoints/latest.npz", "checkpoints/task_end.npz"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    with large_results():
        yield Prepared(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def begun(prepared):
    prepared.restore(BEGUN)
    return prepared


@pytest.fixture
def finished(prepared):
    prepared.restore(FINISHED)
    return prepared


def _flip(path):
    data = path.read_bytes()
    path.write_bytes(data[:90] + bytes([data[90] ^ 1]) + data[91:])


def _state(run_dir):
    """All that a run comes to, but for the time that it took."""
    results = tiny_run.timeless(tiny_run.read_results(run_dir))
    return results | {"confusion": np.asarray(results["confusion"]).tolist()}, tiny_run.memory(run_dir)


def _assert_ended(prepared):
    """The run has come to the end of the one that nothing happened to."""
    results, memory = _state(prepared.run_dir)
    prepared.restore(FINISHED)
    expected, arrays = _state(prepared.run_dir)
    assert results == expected and results["finished"] and memory.keys() == arrays.keys()
    for name in memory:
        np.testing.assert_array_equal(memory[name], arrays[name], err_msg=name)


def test_forty_faults_are_all_told(prepared):
    found = run(40, 7, prepared)
    assert {fault.pattern for fault, _, _, _ in found} == {pattern for _, pattern, _ in READERS}
    bad = [(fault, command, verdict, outcome) for fault, command, verdict, outcome in found if verdict not in FINE]
    assert not bad, bad
    assert all(" told |" in line for line in table(found)[2:])


def test_faults_are_drawn_alike_from_a_seed_and_change_one_bit_or_cut_the_end():
    faults = drawn(100, 3)
    assert faults == drawn(100, 3) != drawn(100, 4)
    for fault in faults:
        data, damaged = bytes(range(200)), fault.damaged(bytes(range(200)))
        if fault.kind == "end":
            assert data.startswith(damaged) and len(damaged) < len(data)
        else:
            bits = [(a ^ b).bit_count() for a, b in zip(data, damaged, strict=True)]
            assert sum(bits) == 1


def test_a_damaged_checkpoint_falls_back_to_the_last_tasks_end_and_the_run_ends_as_if_nothing_had_happened(begun):
    _flip(begun.run_dir / LATEST)
    outcome = give(train, *begun.train_arguments)
    assert outcome.ended == 0 and outcome.complaints.count("\n") == 1
    assert outcome.complaints.startswith(f"warning: {begun.run_dir / LATEST} is damaged: ")
    assert outcome.complaints.endswith("; resuming from task_end.npz, where 1 tasks are learned\n")
    _assert_ended(begun)


def test_without_any_whole_checkpoint_the_run_begins_anew_once_they_are_deleted(begun):
    for name in (LATEST, TASK_END):
        _flip(begun.run_dir / name)
    outcome = give(train, *begun.train_arguments)
    assert (
        outcome.ended == 2
        and f"or delete {begun.run_dir / 'checkpoints'}, and the run starts again" in outcome.complaints
    )
    shutil.rmtree(begun.run_dir / "checkpoints")
    assert give(train, *begun.train_arguments).ended == 0
    _assert_ended(begun)


def test_what_is_deleted_as_it_was_damaged_is_written_anew(begun):
    names = "results.json", "results.npz", "run.json", "config.gin", "metrics.jsonl"
    for name in names:
        (begun.run_dir / name).unlink()
    outcome = give(train, *begun.train_arguments)
    assert outcome.ended == 0 and {path.name for path in begun.run_dir.iterdir()} >= set(names)
    assert outcome.complaints.count("\n") == 1 and "metrics.jsonl is lost: the curves start again" in outcome.complaints
    _assert_ended(begun)


def test_a_finished_runs_results_and_configuration_are_written_anew(finished):
    for name in ("results.json", "config.gin"):
        (finished.run_dir / name).unlink()
        give(train, *finished.train_arguments)
        assert (finished.run_dir / name).is_file()
    _assert_ended(finished)


def test_results_of_a_run_that_has_learned_on_are_written_anew(finished):
    more = f"--run_dir={finished.run_dir}", f"--image_dir={finished.later}"
    assert give(learn, *more).ended == 0
    expected, _ = _state(finished.run_dir)
    path = finished.run_dir / "results.json"
    path.write_text(path.read_text()[:-9])
    outcome = give(learn, *more)
    assert outcome.ended == 2 and "delete it and give the run's last command again" in outcome.complaints
    path.unlink()
    assert give(learn, *more).ended == 0
    assert _state(finished.run_dir)[0] == expected and dgm_tf.load(finished.run_dir).class_names == ["a", "b", "c"]


def test_learning_goes_on_from_the_last_tasks_end_where_the_latest_checkpoint_is_damaged(finished):
    _flip(finished.run_dir / LATEST)
    outcome = give(learn, f"--run_dir={finished.run_dir}", f"--image_dir={finished.later}")
    assert outcome.ended == 0 and outcome.complaints.count("\n") == 1 and "latest.npz is damaged" in outcome.complaints
    assert record.read(finished.run_dir).class_names == ["a", "b", "c"]
