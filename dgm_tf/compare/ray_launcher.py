"""Launching of runs through Ray: each is a Ray task that starts the same process as a local launcher.

Ray decides where and when a task runs; there is no scheduler here. The machines must share the working directory and
the suite's folder, and have this package. `RAY_ADDRESS` names a cluster; without it Ray starts one on this machine.
"""

import os
import signal
import subprocess
import time

from dgm_tf.compare.launcher import environment, start_process, threads_per_job
from dgm_tf.errors import UserError

_PATIENCE = 600  # seconds that a cancelled run has for saving


def execute(command, folder, log, variables):
    """Runs a command on the machine that Ray chose; returns its exit status.

    A cancelled task lets it save.
    """
    process = start_process(command, log, variables, cwd=folder)
    try:
        while process.poll() is None:
            time.sleep(0.2)  # Ray's interrupt comes between two calls, not within one such as `wait`
        return process.returncode
    except KeyboardInterrupt:  # how Ray cancels a task
        process.terminate()
        try:
            return process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()


class RayLauncher:
    """A Ray task for each run; it asks for 1 / `jobs` of this machine's cores.

    Args:
      jobs: int >= 1.

    Raises:
      UserError: if Ray is not installed.
    """

    free = True  # Ray itself lets tasks wait

    def __init__(self, jobs):
        self._ray = _import_ray()
        self._ray.init(ignore_reinit_error=True, log_to_driver=False)
        threads = threads_per_job(jobs)
        self._environment = environment(threads)
        self._task = self._ray.remote(num_cpus=threads, max_retries=0)(execute)
        self._runs = {}

    @property
    def running(self):
        """Runs that have not ended, including those that wait for a machine."""
        return list(self._runs.values())

    def start(self, run):
        """Submits a run to Ray. Paths are relative to the working directory, which all machines must share."""
        reference = self._task.remote(run.command, os.getcwd(), str(run.log.absolute()), self._environment)
        self._runs[reference] = run

    def ended(self):
        """Returns (run, exit status) of the runs that have ended since the last call."""
        if not self._runs:
            return []
        done, _ = self._ray.wait(list(self._runs), num_returns=len(self._runs), timeout=0)
        return [(self._runs.pop(reference), self._status(reference)) for reference in done]

    def _status(self, reference):
        try:
            return self._ray.get(reference)
        except self._ray.exceptions.TaskCancelledError:
            return 128 + signal.SIGTERM
        except self._ray.exceptions.RayError:  # its machine is gone, or Ray ended its worker
            return -signal.SIGKILL

    def stop(self):
        """Asks all runs to save and end, and cancels those that have not started."""
        for reference in self._runs:
            self._ray.cancel(reference)

    def kill(self):
        """Kills all runs."""
        for reference in self._runs:
            self._ray.cancel(reference, force=True)
        self._runs = {}


def _import_ray():
    try:
        import ray
    except ModuleNotFoundError as error:
        raise UserError(
            "--launcher=ray: expected Ray to be installed, found no module ray; pip install 'dgm_tf[ray]', "
            "or --launcher=local"
        ) from error
    return ray
