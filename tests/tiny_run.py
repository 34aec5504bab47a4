"""A tiny run of the real thing: two digits in seconds, by the command line or in this process."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np

from dgm_tf.disk import files
from dgm_tf.measures import record

PARAMS = (
    "GANSettings.min_batches = 1",
    "ClassifierSettings.min_replay_per_class = 0",
    "ClassIncrementalStream.num_tasks = 2",
    "DCGANGenerator.filters = 2",
    "DCGANDiscriminator.filters = (4, 4, 8)",
    "GANSettings.batch_size = 64",
    "EvaluationSettings.gan_test_per_class = 20",
    "EvaluationSettings.judge_epochs = 1",
    "EvaluationSettings.gan_train_epochs = 1",
    "run_experiment.summary_seconds = 1.0",
    "run_experiment.checkpoint_seconds = 0.1",
)
SHORT = (*PARAMS, "GANSettings.epochs = 2", "ClassifierSettings.closing_epochs = 1")
# Long enough to be stopped in the middle of each phase.
LONG = (*PARAMS, "GANSettings.epochs = 10", "ClassifierSettings.closing_epochs = 10")


def arguments(run_dir, params, *flags):
    """What stands behind `bin/train`."""
    return [f"--run_dir={run_dir}", *(f"--gin_param={param}" for param in params), *flags]


def start(root, run_dir, params):
    """The command as a process of its own; its output goes to <run_dir>.log."""
    environment = os.environ | {"PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": "-1"}
    with open(f"{run_dir}.log", "a", encoding="utf-8") as log:
        return subprocess.Popen(
            [sys.executable, "-P", "-m", "dgm_tf.cli.train", *arguments(run_dir, params)],
            cwd=run_dir.parent, env=environment, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def finish(root, run_dir, params):
    """Runs the command to its end; returns what it printed, all starts together."""
    status = start(root, run_dir, params).wait()
    printed = (run_dir.parent / f"{run_dir.name}.log").read_text(encoding="utf-8")
    assert status == 0, printed[-3000:]
    return printed


def stop(root, run_dir, params, moment, signum, delay=0.0):
    """Starts the command, waits for a moment in training and `delay` seconds more; returns its exit status.

    moment: function of the checkpoint's position, a dict with task, phase, step.
    """
    before = _num_starts(run_dir)
    process = start(root, run_dir, params)
    try:
        while _num_starts(run_dir) == before or not moment(position(run_dir)):
            assert process.poll() is None, "ended before the moment to stop it"
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signum)
        return process.wait()
    finally:
        process.kill()


def position(run_dir):
    """Where the checkpoint stands; before the first one at -1 everywhere."""
    path = run_dir / "checkpoints" / "latest.npz"
    if not path.is_file():
        return {"task": -1, "phase": -1, "step": -1}
    with np.load(path) as file:
        return json.loads(file["learner"].tobytes())["position"]


def _num_starts(run_dir):
    path = run_dir / "run.json"
    return len(files.read_json(path)["sessions"]) if path.is_file() else 0


def run_here(run_dir, *params, gin_file="gin/quickstart.gin"):
    """`run_experiment` in this process; returns the results as a dict."""
    from dgm_tf import config
    from dgm_tf.run import experiment

    config.parse(gin_file, params)
    return experiment.run_experiment(run_dir).to_json()


def timeless(results):
    """Results without what differs from run to run: the seconds, and digests of what holds them."""
    return {key: value for key, value in results.items() if not key.startswith("seconds") and "sha256" not in key}


def read_results(run_dir):
    """All entries of results.json and results.npz, a dict; NaN and infinities, which are no JSON, are refused."""
    return record.read(run_dir).to_json()


def memory(run_dir):
    """All arrays of the saved learner."""
    arrays = {}
    for name in ("weights", "masks", "stored"):
        arrays |= files.read_arrays(run_dir / "memory" / f"{name}.npz")[0]
    return arrays


KILL, TERM, INT = signal.SIGKILL, signal.SIGTERM, signal.SIGINT
