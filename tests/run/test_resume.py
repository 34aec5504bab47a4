"""A run that is stopped, however and wherever, ends like the one that never was when the command is given again.

Every start is a process of its own. What needs none, `test_killed.py` and `test_stopped_session.py` ask every day.
"""

import collections
import random
import signal

import numpy as np
import pytest

import dgm_tf
from dgm_tf.disk import files
from dgm_tf.run.metrics_log import read_metrics
from tests import tiny_run

pytestmark = pytest.mark.ci
GAN, CLOSING = 0, 1  # phases of a task


def _during(task, phase):
    return lambda at: (at["task"], at["phase"]) == (task, phase)


def _after(task):
    return lambda at: (at["task"], at["step"], at["phase"]) == (task + 1, 0, 0)


def _evaluating(task):
    return lambda at: (at["task"], at["phase"]) == (task, 2)


STOPS = (
    (_during(0, GAN), tiny_run.TERM),
    (_during(0, CLOSING), tiny_run.KILL),
    (_after(0), tiny_run.KILL),
    (_during(1, GAN), tiny_run.KILL),
    (_during(1, CLOSING), tiny_run.INT),
    (_evaluating(1), tiny_run.KILL),
)


Stopped = collections.namedtuple("Stopped", "run_dir statuses positions")


def _stopped_run(root, folder, stops):
    """Stops the run again and again, then lets it end."""
    run_dir, statuses, positions = folder / "run", [], []
    for moment, signum in stops:
        delay = random.uniform(0.0, 0.2) if signum == signal.SIGKILL else 0.0
        statuses.append(tiny_run.stop(root, run_dir, tiny_run.LONG, moment, signum, delay))
        positions.append(tiny_run.position(run_dir))
    tiny_run.finish(root, run_dir, tiny_run.LONG)
    return Stopped(run_dir, statuses, positions)


@pytest.fixture(scope="module")
def stopped_run(project_root, tmp_path_factory):
    return _stopped_run(project_root, tmp_path_factory.mktemp("stopped"), STOPS)


def test_the_exit_status_names_the_signal(stopped_run):
    assert stopped_run.statuses == [143, -9, -9, -9, 130, -9]


def test_a_polite_signal_loses_nothing(stopped_run):
    printed = stopped_run.run_dir.with_name("run.log").read_text()
    assert "stopped by SIGTERM; saved. Run the same command again to resume." in printed
    assert "stopped by SIGINT; saved. Run the same command again to resume." in printed
    assert "configurable" not in printed and "Traceback" not in printed


def test_it_was_stopped_where_it_should(stopped_run):
    before = [moment(at) for (moment, _), at in zip(STOPS, stopped_run.positions, strict=True)]
    assert before.count(True) >= 5, stopped_run.positions  # the moment after a task is short


def test_results_are_those_of_the_run_that_was_never_stopped(stopped_run, finished_run):
    stopped, finished = (tiny_run.timeless(tiny_run.read_results(d)) for d in (stopped_run.run_dir, finished_run))
    assert stopped == finished


def test_weights_and_masks_are_bit_identical(stopped_run, finished_run):
    stopped, finished = tiny_run.memory(stopped_run.run_dir), tiny_run.memory(finished_run)
    assert stopped.keys() == finished.keys()
    for name in finished:
        np.testing.assert_array_equal(stopped[name], finished[name], err_msg=name)


def test_replayed_images_are_bit_identical(stopped_run, finished_run):
    labels = np.repeat([0, 1], 50)
    images = [dgm_tf.load(d).replay(labels, seed=3) for d in (stopped_run.run_dir, finished_run)]
    np.testing.assert_array_equal(*images)
    assert images[0].std() > 0


def test_no_row_of_the_metrics_stands_twice(stopped_run):
    rows = [(row["global_step"], row["kind"]) for row in read_metrics(stopped_run.run_dir / "metrics.jsonl")]
    assert len(set(rows)) == len(rows)
    assert rows == sorted(rows)


def test_the_evaluations_in_the_metrics_are_those_of_the_run_that_was_never_stopped(stopped_run, finished_run):
    stopped, finished = (
        [row for row in read_metrics(d / "metrics.jsonl") if row["kind"] == "eval"]
        for d in (stopped_run.run_dir, finished_run)
    )
    assert stopped == finished and len(finished) == 2


def test_every_start_is_noted(stopped_run):
    sessions = files.read_json(stopped_run.run_dir / "run.json")["sessions"]
    assert len(sessions) == len(STOPS) + 1


def test_nothing_is_left_half_written(stopped_run):
    others = [path for path in stopped_run.run_dir.rglob("*") if path.name != ".lock"]
    assert not [path for path in others if "tmp" in path.name or path.name.startswith(".")]
