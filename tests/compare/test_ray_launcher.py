"""Runs through Ray: each is one task, in a cluster of two cores on this machine."""

import os
import signal
import sys
import time

import pytest

from dgm_tf.compare import launcher, runs
from dgm_tf.compare.launcher import run_all
from dgm_tf.compare.ray_launcher import RayLauncher
from dgm_tf.errors import UserError
from tests.compare import fake
from tests.compare.test_launcher import Signals, Watcher, processes_of, starts, wait_until


@pytest.fixture(scope="module")
def cluster():
    """Ray with two cores, whatever the machine has."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        patch.delenv("RAY_ADDRESS", raising=False)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
        yield ray
        ray.shutdown()


@pytest.fixture(autouse=True)
def two_cores(monkeypatch):
    monkeypatch.setattr(launcher.os, "sched_getaffinity", lambda _: {0, 1})


def run_in(cluster, all_runs, jobs=2, signals=None):
    return run_all(all_runs, RayLauncher(jobs), Watcher(all_runs), signals or Signals(), interval=0.02)


def test_each_run_is_a_task_with_its_share_of_the_cores(cluster, tmp_path):
    all_runs = [fake.run(tmp_path, what, seed=seed) for seed, what in enumerate(("ok", "fail", "die", "ok"))]
    assert not run_in(cluster, all_runs)
    assert [run.state for run in all_runs] == [runs.FINISHED, runs.FAILED, runs.FAILED, runs.FINISHED]
    assert [run.reason for run in all_runs[1:3]] == ["exit status 1", "killed by SIGKILL (out of memory?)"]
    assert [starts(run) for run in all_runs] == [1, 1, 1, 1]
    assert "it did not work" in all_runs[1].log_tail()


@pytest.mark.parametrize("jobs", [1, 2])
def test_ctrl_c_lets_runs_save_takes_back_the_rest_and_the_next_command_goes_on(cluster, tmp_path, jobs):
    all_runs = [fake.run(tmp_path, "hang", seed=seed) for seed in range(jobs + 1)]
    signals = Signals(_Later(0.5, lambda: sum((run.run_dir / "hangs").exists() for run in all_runs) >= jobs))
    assert not run_in(cluster, all_runs, jobs, signals)
    assert [run.state for run in all_runs] == [runs.STOPPED] * (jobs + 1)
    # The cores were taken: one was waiting.
    assert sorted(starts(run) for run in all_runs) == [0, *[1] * jobs]
    assert all((run.run_dir / "saved").exists() == bool(starts(run)) for run in all_runs)
    for run in all_runs:
        run.command[-1] = "ok"
        run.look()
    assert run_in(cluster, all_runs, jobs)
    assert sorted(starts(run) for run in all_runs) == [1, *[2] * jobs]


class _Later:
    """Whether a condition has held for some seconds."""

    def __init__(self, seconds, condition):
        self._seconds, self._condition, self._since = seconds, condition, None

    def __call__(self):
        if self._since is None and self._condition():
            self._since = time.monotonic()
        return self._since is not None and time.monotonic() > self._since + self._seconds


def test_a_worker_that_is_gone_is_a_failure_and_its_run_saves(cluster, tmp_path):
    run = fake.run(tmp_path, "hang")
    tell_parent = f"import os; print('worker', os.getppid(), flush=True)\n{fake.SCRIPT}"
    run.command = [*run.command[:-3], tell_parent, *run.command[-2:]]

    def kill_the_worker():
        if (run.run_dir / "hangs").exists() and not killed:
            killed.append(int(run.log.read_text().split()[1]))
            os.kill(killed[0], signal.SIGKILL)
        return False

    killed = []
    assert not run_in(cluster, [run], signals=Signals(kill_the_worker)) and killed
    assert run.state == runs.FAILED and "killed" in run.reason
    wait_until((run.run_dir / "saved").exists)


def test_an_error_leaves_no_process_behind(cluster, tmp_path):
    run = fake.run(tmp_path, "hang")
    with pytest.raises(KeyboardInterrupt):
        run_all([run], RayLauncher(1), fake.Broken(run), Signals(), interval=0.02)
    wait_until(lambda: not processes_of(run.run_dir))


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--launcher=ray: expected Ray to be installed.*pip install 'dgm_tf\[ray\]'"):
        RayLauncher(1)
