"""The root: a method learns a benchmark's tasks in a run folder, and can be stopped and resumed anywhere."""

import contextlib
import pathlib

import gin
import tensorflow as tf

from dgm_tf import serialization
from dgm_tf.evaluation.best_epoch import BestEpoch
from dgm_tf.evaluation.evaluator import EvaluationSettings
from dgm_tf.evaluation.replay_drift import ReplayDrift
from dgm_tf.learner import Learner
from dgm_tf.progress import Progress
from dgm_tf.recorder import Recorder
from dgm_tf.training.checkpoints import Checkpointer, StopSignals, read_checkpoint
from dgm_tf.training.distribution import is_chief
from dgm_tf.training.logging import TrainingLog


@gin.configurable
def run_experiment(
    run_dir,
    benchmark=gin.REQUIRED,
    method=gin.REQUIRED,
    seed=0,
    evaluation=None,
    checkpoint_seconds=120.0,
    summary_seconds=10.0,
):
    """Learns all tasks of the benchmark, or what a killed run left of them; returns the results.

    Args:
      run_dir: the run folder; see the README for what it holds.
      benchmark: `ClassIncrementalBenchmark`.
      method: `Method`.
      seed: int, of all randomness in training; the benchmark has its own.
      evaluation: `EvaluationSettings`; None: its defaults.
      checkpoint_seconds, summary_seconds: time between checkpoints and between summaries.

    Raises:
      Interrupted: after SIGINT or SIGTERM, when the state has been saved.
    """
    run_dir, evaluation = pathlib.Path(run_dir), evaluation or EvaluationSettings()
    saved = read_checkpoint(run_dir / "checkpoints")
    with StopSignals() as signals, tf.distribute.get_strategy().scope(), contextlib.ExitStack() as stack:
        learner, results = Learner(method, seed), None
        if saved is not None:
            arrays, description, results = saved
            learner = Learner.from_state(description, arrays, method)
        log = stack.enter_context(TrainingLog(run_dir, summary_seconds, learner.position))
        best, drift = BestEpoch(benchmark, evaluation), ReplayDrift()
        recorder = Recorder(run_dir, benchmark, evaluation, best, drift, log, results)
        if saved is not None:
            drift.restore(learner, arrays)
        progress = Progress(benchmark, best)
        checkpoints = Checkpointer(
            run_dir / "checkpoints", checkpoint_seconds, signals, (best, drift), recorder.notes, is_chief()
        )
        for task in range(learner.num_tasks, benchmark.num_tasks):
            learner.learn(benchmark.task(task), (best, log, progress, recorder, checkpoints))
        return recorder.finish(learner)


def is_finished(run_dir):
    """Whether the run in this folder has come to its end."""
    path = pathlib.Path(run_dir) / "results.json"
    return path.is_file() and bool(serialization.read_json(path).get("finished"))
