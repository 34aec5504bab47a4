"""Which runs a suite means, and how each stands on disk."""

import pytest

from dgm_tf.compare import runs
from dgm_tf.compare.numbers import compare
from dgm_tf.compare.suite import Suite
from dgm_tf.disk import files, sealed_text
from dgm_tf.errors import UserError
from dgm_tf.measures import record
from tests.compare import fake


@pytest.mark.parametrize(
    ("text", "seeds"), [("0", [0]), ("0,1,2", [0, 1, 2]), ("0-2", [0, 1, 2]), ("4-4, 7,1-2", [4, 7, 1, 2])]
)
def test_seeds(text, seeds):
    assert runs.parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "got ''"), ("one", "got 'one'"), ("1,", "got ''"), ("-1", "got '-1'"), ("3-1", "got '3-1'"),
        ("1.5", "got '1.5'"), ("1,2,1", "each seed once, got 1 twice"), ("0-3,2", "each seed once, got 2 twice"),
    ],
)  # fmt: skip
def test_seeds_that_are_none_are_named(text, message):
    with pytest.raises(UserError, match=f"--seeds: expected .*{message}"):
        runs.parse_seeds(text)


@pytest.fixture
def suite():
    rows = [fake.row("ft", params=["A.c = 2"]), fake.row("dgmw")]
    return Suite(rows, params=["A.b = 1"])


def test_a_run_for_each_row_and_seed_first_all_rows_of_a_seed(suite, tmp_path):
    planned = runs.plan(suite, [3, 5], tmp_path, modules=["mine"], flags=["--nodownload"])
    assert [run.name for run in planned] == ["ft seed 3", "dgmw seed 3", "ft seed 5", "dgmw seed 5"]
    command = planned[0].command
    assert command[1:4] == ["-P", "-m", "dgm_tf.cli.train"]
    given = ["A.b = 1", "A.c = 2", "run_experiment.seed = 3"]
    assert [word for word in command if "gin_param" in word] == [f"--gin_param={param}" for param in given]
    assert f"--run_dir={tmp_path / 'ft' / 'seed3'}" in command and f"--cache_dir={tmp_path / '.cache'}" in command
    assert "--import=mine" in command and "--nodownload" in command
    assert planned[0].log == tmp_path / "ft" / "seed3.log"
    assert {run.state for run in planned} == {runs.NEW}


def test_a_missing_gin_file_names_the_row(tmp_path):
    with pytest.raises(UserError, match="row ewc: gin file 'gin/nothing.gin' does not exist"):
        runs.plan(Suite([fake.row("ewc", gin_file="gin/nothing.gin")]), [0], tmp_path)


def test_states_on_disk(suite, tmp_path):
    run = runs.plan(suite, [0], tmp_path)[0]
    files.write_atomically(run.run_dir / "config.gin", run.text + "# a comment changes nothing\n")
    run.look()
    assert run.state == runs.BEGUN
    files.write_json(run.run_dir / "results.json", {"finished": False})
    run.look()
    assert run.state == runs.BEGUN
    files.write_json(run.run_dir / "results.json", {"finished": True})
    run.look()
    assert run.state == runs.FINISHED


def test_a_folder_of_another_configuration_is_not_taken_for_finished(suite, tmp_path):
    run = runs.plan(suite, [0], tmp_path)[0]
    files.write_atomically(run.run_dir / "config.gin", run.text.replace("A.c = 2", "A.c = 3"))
    files.write_json(run.run_dir / "results.json", {"finished": True})
    run.look()
    assert run.state == runs.CHANGED
    assert "\n-A.c = 3\n+A.c = 2" in run.reason


@pytest.mark.parametrize("name", ["config.gin", "results.json"])
def test_a_damaged_run_is_told_and_neither_run_nor_counted(suite, tmp_path, name):
    run = runs.plan(suite, [0], tmp_path)[0]
    files.write_atomically(run.run_dir / "config.gin", sealed_text.sealed(run.text))
    record.Record.from_json(fake.results([1.0]), "results.json").write(run.run_dir)
    run.look()
    assert run.state == runs.FINISHED
    data = (run.run_dir / name).read_bytes()
    (run.run_dir / name).write_bytes(data[:-20] + b"x" + data[-19:])
    run.look()
    assert run.state == runs.DAMAGED and run.record() is None
    told = f"{run.run_dir / name} is damaged: its content does not match"
    assert run.reason.startswith(told) and "\n" not in run.reason
    (row, *_) = compare(suite, [run])["rows"]
    assert row["seeds"] == [] and row["runs"] == []
    assert row["remarks"][0]["text"] == f"ft: the run of seed 0 does not count: {run.reason}"


def test_seeds_that_are_there_are_found(suite, tmp_path):
    for folder in ("ft/seed10", "ft/seed2", "dgmw/seed2", "dgmw/seedling", "other/seed7"):
        (tmp_path / folder).mkdir(parents=True)
    assert runs.found_seeds(suite, tmp_path) == [2, 10]


def test_the_log_is_told_from_where_the_run_was_last_started(tmp_path):
    run = fake.run(tmp_path)
    run.log.parent.mkdir(parents=True)
    run.log.write_text("old\n" + "\n".join(f"line {i}" for i in range(20)) + "\n")
    run.log_start = 4
    assert run.log_tail(3) == "line 17\nline 18\nline 19"
    assert "old" not in run.log_tail(100)
