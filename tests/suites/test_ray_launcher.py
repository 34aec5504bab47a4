"""Runs through Ray, with a stand-in for it: each is one task that starts the same process."""

import sys
import threading
import types

import pytest

from dgm_tf.errors import UserError
from dgm_tf.suites import launcher, ray_launcher, runs
from dgm_tf.suites.launcher import run_all
from dgm_tf.suites.ray_launcher import RayLauncher
from tests.suites import fake
from tests.suites.test_launcher import Signals, Watcher, starts


class RayError(Exception):
    """As Ray's."""


class TaskCancelledError(RayError):
    """As Ray's."""


class FakeRay:
    """As much of Ray as is used; a task is a thread, and a second one waits for the first."""

    exceptions = types.SimpleNamespace(RayError=RayError, TaskCancelledError=TaskCancelledError)

    def __init__(self):
        self.options, self._one, self._outcomes, self._cancelled = None, threading.Lock(), {}, set()

    def init(self, **_):
        self.is_initialized = True

    def remote(self, **options):
        self.options = options
        return lambda function: types.SimpleNamespace(remote=lambda *args: self._submit(function, args))

    def _submit(self, function, args):
        thread = threading.Thread(target=self._work, args=(function, args))
        thread.start()
        return thread

    def _work(self, function, args):
        me = threading.current_thread()
        with self._one:
            try:
                if me in self._cancelled:
                    raise TaskCancelledError
                self._outcomes[me] = function(*args)
            except Exception as error:
                self._outcomes[me] = error

    def wait(self, references, num_returns, timeout):
        done = [r for r in references if not r.is_alive()]
        return done, [r for r in references if r not in done]

    def get(self, reference):
        if isinstance(self._outcomes[reference], Exception):
            raise self._outcomes[reference]
        return self._outcomes[reference]

    def cancel(self, reference, force=False):
        self._cancelled.add(reference)


@pytest.fixture
def ray():
    return FakeRay()


def test_each_run_is_a_task_with_its_share_of_the_cores(ray, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher.os, "sched_getaffinity", lambda _: set(range(8)))
    all_runs = [fake.run(tmp_path, what, seed=seed) for seed, what in enumerate(("ok", "fail", "ok"))]
    assert not run_all(all_runs, RayLauncher(2, ray), Watcher(all_runs), Signals(), interval=0.02)
    assert [run.state for run in all_runs] == [runs.FINISHED, runs.FAILED, runs.FINISHED]
    assert [starts(run) for run in all_runs] == [1, 1, 1]
    assert ray.options == {"num_cpus": 4, "max_retries": 0} and ray.is_initialized
    assert "it did not work" in all_runs[1].log_tail()


def test_tasks_that_have_not_begun_are_taken_back(ray, tmp_path):
    all_runs = [fake.run(tmp_path, "ok", seed=seed) for seed in range(2)]
    with ray._one:  # nothing begins
        rays = RayLauncher(1, ray)
        for run in all_runs:
            run.log.parent.mkdir(parents=True, exist_ok=True)
            rays.start(run)
        rays.stop()
    while rays.running:
        for run, status in rays.ended():
            launcher._end(run, status)
    assert [run.state for run in all_runs] == [runs.STOPPED] * 2 and not starts(all_runs[0])


def test_a_machine_that_is_gone_is_a_failure(ray, tmp_path):
    run = fake.run(tmp_path)

    def lose(*_):
        raise RayError("the node died")

    rays = RayLauncher(1, ray)
    rays._task = ray.remote()(lose)
    assert not run_all([run], rays, Watcher([run]), Signals(), interval=0.02)
    assert run.state == runs.FAILED and "killed" in run.reason


def test_a_cancelled_task_lets_its_run_save(tmp_path, monkeypatch):
    run = fake.run(tmp_path, "hang")
    run.log.parent.mkdir(parents=True)

    def sleep(seconds):
        if (run.run_dir / "hangs").exists():
            raise KeyboardInterrupt  # as Ray's cancel does

    monkeypatch.setattr(ray_launcher, "time", types.SimpleNamespace(sleep=sleep))
    assert ray_launcher.execute(run.command, tmp_path, run.log, {}) == 143
    assert (run.run_dir / "saved").exists()


def test_without_ray_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"--launcher=ray: expected Ray to be installed.*pip install 'dgm_tf\[ray\]'"):
        RayLauncher(1)
