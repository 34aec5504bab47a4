"""Launching of a suite's runs as processes of this machine.

A launcher has `free` (whether another run may be started), `running` (runs that have not ended), `start(run)`,
`ended()` (list of (run, exit status) since the last call), `stop()` (asks the running ones to save and end), `kill()`.
`LocalLauncher` and `ray_launcher.RayLauncher` are the two.
"""

import os
import pathlib
import signal
import subprocess
import sys
import time

import dgm_tf
from dgm_tf.compare import runs as states
from dgm_tf.errors import told
from dgm_tf.stopping import SIGNALS

# The exit statuses of a run that was asked to stop: it has saved, or had nothing to save yet.
_STOPPED = {sign * number for s in SIGNALS for sign, number in ((1, 128 + s), (-1, s))}

# Starts a command that gets SIGTERM when the process that started it is gone, however that ended: no orphans, and
# what they did is saved. PR_SET_PDEATHSIG (1) outlives exec. Linux alone has it.
_BOUND_TO_PARENT = """
import ctypes, os, signal, sys
if sys.platform == "linux":
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


def run_all(runs, launcher, table, signals, interval=0.5):
    """Runs everything that is not finished; returns whether all runs succeeded.

    Args:
      runs: list of `Run`; their states are kept up to date.
      launcher: see above.
      table: has `update()`, called often.
      signals: `StopSignals`; after a signal nothing is started any more, and what runs is asked to save and end.
      interval: seconds between two looks.
    """
    waiting = [run for run in runs if run.state in (states.NEW, states.BEGUN)]
    for run in waiting:
        run.state = states.WAITING
    stopping = False
    try:
        while launcher.running or (waiting and not stopping):
            while waiting and launcher.free and not stopping:
                _start(launcher, waiting.pop(0))
            for run, status in launcher.ended():
                _end(run, status)
            table.update()
            if signals.received is not None and not stopping:
                stopping = True
                launcher.stop()
            if launcher.running:
                time.sleep(interval)
    except BaseException:
        launcher.kill()
        raise
    table.update()
    return all(run.state == states.FINISHED for run in runs)


def _start(launcher, run):
    """Starts a run. If starting fails, as on a full disk, the run has failed and the others continue."""
    try:
        run.log.parent.mkdir(parents=True, exist_ok=True)
        run.log_start = run.log.stat().st_size if run.log.is_file() else 0
        run.state = states.RUNNING
        launcher.start(run)
    except OSError as error:
        run.state, run.reason = states.FAILED, told(error)


def _end(run, status):
    run.look()
    if run.state == states.DAMAGED:
        return
    if status in _STOPPED:
        run.state = states.STOPPED
    elif run.state != states.FINISHED or status:
        run.state, run.reason = states.FAILED, run.reason or _reason(status)


def _reason(status):
    if status < 0:
        killed = signal.Signals(-status).name
        return f"killed by {killed}" + (" (out of memory?)" if killed == "SIGKILL" else "")
    return f"exit status {status}" if status else "it ended without results"


def environment(threads):
    """Environment variables of a run: TensorFlow's threads unless the user has set them, and this package's path."""
    variables = {name: os.environ.get(name, str(threads)) for name in (
        "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"
    )}  # fmt: skip
    source = pathlib.Path(dgm_tf.__file__).resolve().parent.parent
    if source.name not in ("site-packages", "dist-packages"):
        path = os.environ.get("PYTHONPATH")
        variables["PYTHONPATH"] = f"{source}{os.pathsep}{path}" if path else str(source)
    return variables


def threads_per_job(jobs):
    """Number of cores for each of `jobs` processes."""
    return max(1, _cores() // jobs)


def _cores():
    """Number of cores that this process may use. macOS only tells how many exist."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def start_process(command, log, variables, **options):
    """Starts a command in a session of its own, so that a terminal's Ctrl-C does not reach it; it ends with this one.

    log: path of the file that its output is appended to; variables: added to the environment.
    """
    bound = [sys.executable, "-I", "-S", "-c", _BOUND_TO_PARENT, str(os.getpid()), *map(str, command)]
    with open(log, "ab") as output:
        return subprocess.Popen(
            bound, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=os.environ | variables, start_new_session=True, **options,
        )  # fmt: skip


class LocalLauncher:
    """Processes of this machine, at most `jobs` at a time.

    Args:
      jobs: int >= 1.
      lock: file descriptor that the processes inherit, so that a lock on it is held until the last has ended.
    """

    def __init__(self, jobs, lock=None):
        self._jobs, self._environment = jobs, environment(threads_per_job(jobs))
        self._options = {} if lock is None else {"pass_fds": (lock,)}
        self._processes = []

    @property
    def running(self):
        """Runs that have not ended."""
        return [run for run, _ in self._processes]

    @property
    def free(self):
        """Whether another run may be started."""
        return len(self._processes) < self._jobs

    def start(self, run):
        """Starts a run. From the main thread: the kernel ties a process to the thread that started it."""
        process = start_process(run.command, run.log, self._environment, **self._options)
        self._processes.append((run, process))

    def ended(self):
        """Returns (run, exit status) of the runs that have ended since the last call."""
        ended = [(run, process) for run, process in self._processes if process.poll() is not None]
        self._processes = [pair for pair in self._processes if pair not in ended]
        return [(run, process.returncode) for run, process in ended]

    def stop(self):
        """Asks all runs to save and end, once: a second signal would stop them from saving."""
        for _, process in self._processes:
            process.terminate()

    def kill(self):
        """Kills all runs and their child processes."""
        for _, process in self._processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        self._processes = []
