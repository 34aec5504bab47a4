"""How far a run is, from the files that it writes anyway."""

import datetime
import json

import pytest

from dgm_tf.compare.run_progress import RunProgress, read_progress
from dgm_tf.disk import files
from tests.compare import fake

NOW = datetime.datetime(2026, 11, 25, 12, 0, 0, tzinfo=datetime.UTC)


@pytest.fixture
def run(tmp_path):
    run = fake.run(tmp_path)
    run.run_dir.mkdir(parents=True)
    return run


def sessions(run, *spans):
    """Notes sessions by minutes before NOW; an end of None is not noted."""
    times = [[None if m is None else (NOW - datetime.timedelta(minutes=m)).isoformat() for m in span] for span in spans]
    noted = [{"started": start, "ended": end} for start, end in times]
    files.write_json(run.run_dir / "run.json", {"sessions": noted})


def metrics(run, *rows, cut=""):
    text = "".join(json.dumps({"kind": "train"} | row) + "\n" for row in rows)
    (run.run_dir / "metrics.jsonl").write_text(text + cut)


def test_nothing_is_known_before_the_run(tmp_path):
    assert read_progress(fake.run(tmp_path)) == RunProgress()


def test_in_the_middle_of_a_task(run):
    content = fake.results([1.0, 0.75], finished=False) | {"tasks": [[0], [1], [2], [3], [4]]}
    files.write_json(run.run_dir / "results.json", content)
    metrics(run, {"task": 1, "phase": "gan"}, {"task": 2, "phase": "classifier", "epoch": 3, "epochs": 8}, cut='{"ki')
    sessions(run, (7, None))
    progress = read_progress(run, NOW)
    assert (progress.learned, progress.tasks, progress.accuracy) == (2, 5, 0.75)
    assert (progress.phase, progress.epoch) == ("classifier", "3/8")
    assert progress.elapsed == 420
    assert progress.left == pytest.approx(5 * 167 - 420)  # two tasks took 334 seconds


def test_the_last_task_s_metrics_are_not_the_next_one_s(run):
    files.write_json(run.run_dir / "results.json", fake.results([1.0], finished=False) | {"tasks": [[0], [1]]})
    metrics(run, {"task": 0, "phase": "gan", "epoch": 8, "epochs": 8})
    progress = read_progress(run)
    assert (progress.phase, progress.epoch) == ("", "")


def test_a_damaged_run_json_costs_no_more_than_the_time_and_is_told(run):
    files.write_json(run.run_dir / "results.json", fake.results([1.0, 0.9]))
    sessions(run, (30, 20))
    path = run.run_dir / "run.json"
    path.write_text(path.read_text()[:-9])
    progress = read_progress(run, NOW)
    assert (progress.learned, progress.elapsed) == (2, 0.0)
    (told,) = progress.complaints
    assert told.startswith(f"{path} is damaged: ") and "\n" not in told


def test_a_damaged_line_of_the_curves_is_told_and_the_one_before_it_shown(run):
    files.write_json(run.run_dir / "results.json", fake.results([1.0], finished=False) | {"tasks": [[0], [1]]})
    metrics(run, {"task": 1, "phase": "gan", "epoch": 1, "epochs": 8}, cut='{"kind"\n{"ki')
    progress = read_progress(run)
    assert progress.epoch == "1/8"
    assert progress.complaints == (
        f"{run.run_dir / 'metrics.jsonl'} is damaged: a line near its end is damaged; the run's log says which "
        "one, and the run continues",
    )


def test_results_that_are_damaged_while_the_run_goes_on_are_as_none(run):
    (run.run_dir / "results.json").write_text("{")
    assert read_progress(run) == RunProgress()


def test_a_finished_run_has_nothing_left(run):
    files.write_json(run.run_dir / "results.json", fake.results([1.0, 0.9]))
    sessions(run, (30, 20))
    progress = read_progress(run, NOW)
    assert (progress.left, progress.elapsed) == (0.0, 600)


def test_time_between_sessions_does_not_count(run):
    sessions(run, (90, 80), (70, None), (5, None))
    assert read_progress(run, NOW).elapsed == 900  # of the killed session nobody knows the end
