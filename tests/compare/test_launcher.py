"""Runs are started, resumed, reported and stopped as they should be; nothing is left behind."""

import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time

import pytest

from dgm_tf.compare import launcher, runs
from dgm_tf.compare.launcher import LocalLauncher, run_all
from dgm_tf.stopping import SIGNALS
from tests.compare import fake


class Signals:
    """Stands for `StopSignals`: `after` says whether the signal has come."""

    def __init__(self, after=lambda: False):
        self._after = after

    @property
    def received(self):
        return signal.SIGTERM if self._after() else None


class Watcher:
    """Notes what states it has seen at once."""

    def __init__(self, all_runs):
        self._runs, self.seen = all_runs, []

    def update(self):
        self.seen.append([run.state for run in self._runs])

    @property
    def most_running(self):
        return max(states.count(runs.RUNNING) for states in self.seen)


def run_here(all_runs, jobs=2, signals=None):
    watcher = Watcher(all_runs)
    well = run_all(all_runs, LocalLauncher(jobs), watcher, signals or Signals(), interval=0.02)
    return well, watcher


def starts(run):
    path = run.run_dir / "starts"
    return len(path.read_text()) if path.exists() else 0


def test_all_runs_end_and_no_more_than_the_jobs_run_at_once(tmp_path):
    all_runs = [fake.run(tmp_path, seed=seed) for seed in range(5)]
    well, watcher = run_here(all_runs, jobs=2)
    assert well and [run.state for run in all_runs] == [runs.FINISHED] * 5
    assert watcher.most_running == 2
    assert "started ok" in all_runs[0].log.read_text()


def test_what_is_finished_is_left_alone_and_the_rest_is_taken_up(tmp_path):
    first, second = fake.run(tmp_path, seed=0), fake.run(tmp_path, seed=1)
    run_here([first])
    for run in (first, second):
        run.look()
    run_here([first, second])
    assert (starts(first), starts(second)) == (1, 1)


def test_a_failure_is_told_and_stops_no_other(tmp_path):
    all_runs = [fake.run(tmp_path, "fail", seed=0), fake.run(tmp_path, "die", seed=1), fake.run(tmp_path, seed=2)]
    well, _ = run_here(all_runs, jobs=1)
    assert not well
    assert [run.state for run in all_runs] == [runs.FAILED, runs.FAILED, runs.FINISHED]
    assert all_runs[0].reason == "exit status 1" and "it did not work" in all_runs[0].log_tail()
    assert all_runs[1].reason == "killed by SIGKILL (out of memory?)"


def test_a_run_that_cannot_be_started_is_told_and_stops_no_other(tmp_path):
    all_runs = [fake.run(tmp_path, name="first"), fake.run(tmp_path, name="second")]
    (tmp_path / "first").write_text("a file in the place of its folder")
    well, _ = run_here(all_runs)
    assert not well and [run.state for run in all_runs] == [runs.FAILED, runs.FINISHED]
    assert all_runs[0].reason == f"{tmp_path / 'first'}: File exists" and all_runs[0].log_tail() == ""


@pytest.mark.parametrize("signum", SIGNALS)
@pytest.mark.parametrize("sign, offset", [(1, 128), (-1, 0)])
def test_a_run_that_was_stopped_by_any_signal_has_not_failed(tmp_path, signum, sign, offset):
    class Stopped:
        running, free = (), True

        def start(self, run):
            self.started = run

        def ended(self):
            return [(self.started, sign * (signum + offset))]

    (run,) = all_runs = [fake.run(tmp_path)]
    run_all(all_runs, Stopped(), Watcher(all_runs), Signals())
    assert run.state == runs.STOPPED


def test_a_failed_run_is_tried_again_by_the_next_command(tmp_path):
    run = fake.run(tmp_path, "fail")
    run_here([run])
    run.look()
    assert run.state == runs.BEGUN
    run_here([run])
    assert starts(run) == 2 and run.log_tail().count("it did not work") == 1


def test_a_run_that_ends_well_without_results_has_failed(tmp_path):
    run = fake.run(tmp_path)
    run.command = [sys.executable, "-c", "pass"]
    assert not run_here([run])[0]
    assert (run.state, run.reason) == (runs.FAILED, "it ended without results")


def test_a_folder_of_another_configuration_is_not_run(tmp_path):
    run = fake.run(tmp_path)
    run.state = runs.CHANGED
    assert not run_here([run])[0] and starts(run) == 0


def test_a_signal_lets_runs_save_starts_no_other_and_the_next_command_goes_on(tmp_path):
    all_runs = [fake.run(tmp_path, "hang", seed=seed) for seed in range(3)]
    hanging = [run.run_dir / "hangs" for run in all_runs[:2]]
    well, _ = run_here(all_runs, jobs=2, signals=Signals(lambda: all(path.exists() for path in hanging)))
    assert not well
    assert [run.state for run in all_runs] == [runs.STOPPED, runs.STOPPED, runs.WAITING]
    assert [(run.run_dir / "saved").exists() for run in all_runs] == [True, True, False]
    all_runs[2] = fake.run(tmp_path, seed=2)
    for run in all_runs:
        run.look()
    assert [run.state for run in all_runs] == [runs.BEGUN, runs.BEGUN, runs.NEW]
    assert run_here(all_runs)[0] and [starts(run) for run in all_runs] == [2, 2, 1]


def processes_of(folder):
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it has ended since
            found += [path] if str(folder) in path.read_text(errors="replace") else []
    return found


def test_an_error_leaves_no_process_behind(tmp_path):
    run = fake.run(tmp_path, "hang")
    with pytest.raises(KeyboardInterrupt):
        run_all([run], LocalLauncher(1), fake.Broken(run), Signals(), interval=0.02)
    assert not processes_of(run.run_dir)


def test_a_launcher_that_is_killed_leaves_no_orphan_and_its_runs_save(tmp_path, project_root):
    code = (
        "import pathlib, sys, time\n"
        "from dgm_tf.compare.launcher import LocalLauncher\n"
        "from tests.compare import fake\n"
        "run = fake.run(pathlib.Path(sys.argv[1]), 'hang')\n"
        "run.log.parent.mkdir(parents=True)\n"
        "LocalLauncher(1).start(run)\n"
        "time.sleep(60)\n"
    )
    environment = os.environ | {"PYTHONPATH": str(project_root)}
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env=environment)
    run_dir = fake.run(tmp_path).run_dir
    wait_until(lambda: (run_dir / "hangs").exists())
    process.kill()
    process.wait()
    wait_until(lambda: not processes_of(run_dir))
    assert (run_dir / "saved").exists()


def wait_until(condition, seconds=20.0):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def test_the_cores_are_shared_unless_the_user_has_said_otherwise(monkeypatch):
    monkeypatch.setattr(launcher.os, "sched_getaffinity", lambda _: set(range(8)))
    assert [launcher.threads_per_job(jobs) for jobs in (1, 3, 16)] == [8, 2, 1]
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("TF_NUM_INTEROP_THREADS", "5")
    variables = launcher.environment(3)
    assert (variables["TF_NUM_INTRAOP_THREADS"], variables["TF_NUM_INTEROP_THREADS"]) == ("3", "5")


def test_without_linux_calls_all_cores_are_counted(monkeypatch):
    monkeypatch.delattr(launcher.os, "sched_getaffinity")
    monkeypatch.setattr(launcher.os, "cpu_count", lambda: 8)
    assert launcher.threads_per_job(2) == 4


def test_without_linux_calls_a_run_starts(tmp_path, monkeypatch):
    elsewhere = "import ctypes, sys\nsys.platform = 'darwin'\nctypes.CDLL = None\n"
    monkeypatch.setattr(launcher, "_BOUND_TO_PARENT", elsewhere + launcher._BOUND_TO_PARENT)
    run = fake.run(tmp_path)
    assert run_here([run])[0] and starts(run) == 1


def test_runs_use_this_package(project_root):
    assert launcher.environment(1)["PYTHONPATH"].split(os.pathsep)[0] == str(project_root)
