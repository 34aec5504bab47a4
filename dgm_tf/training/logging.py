"""What a run writes while it trains: TensorBoard curves and lines of metrics.jsonl."""

import pathlib
import time

import numpy as np

from dgm_tf.training.loop import Callback
from dgm_tf.training.summaries import MetricsLog, Summaries


class TrainingLog(Callback):
    """Losses, mask scale and masks while a task is trained, every few seconds; a context manager.

    Args:
      run_dir: the run folder.
      every_seconds: least time between two points of a curve.
      global_step: where the run stands; what was written beyond it is dropped.

    Attributes:
      summaries: `Summaries`, open for others to write to.
      seconds: dict phase -> seconds, of the task in hand.
    """

    def __init__(self, run_dir, every_seconds, global_step=0):
        run_dir = pathlib.Path(run_dir)
        self.summaries = Summaries(run_dir, every_seconds, purge_from=global_step + 1 if global_step else None)
        self.metrics = MetricsLog(run_dir / "metrics.jsonl")
        self.metrics.truncate_after(global_step)
        self._every_seconds, self._last = every_seconds, 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.summaries.close()
        self.metrics.close()

    def on_phase_begin(self, learner, context, phase):
        """Starts the clock of the step time."""
        self._last, self._since = time.monotonic(), learner.position.step

    def on_step(self, learner, context, phase, step, metrics):
        """Writes losses, schedule and mask shares if it is time."""
        now = time.monotonic()
        if now - self._last < self._every_seconds and step < phase.num_steps:
            return
        step_ms = 1e3 * (now - self._last) / max(1, step - self._since)
        self._last, self._since = now, step
        scalars, histograms = learner.method.watch()
        schedule = {f"schedule/{k}": v for k, v in phase.progress(step - 1).items()}
        values = {k: float(v) for k, v in metrics.items()} | schedule | scalars | {"speed/step_ms": step_ms}
        at = learner.position.global_step
        self.summaries.scalars("train", values, at, force=True)
        self.summaries.histograms("train", {k: np.asarray(v) for k, v in histograms.items()}, at)
        self.summaries.flush()
        self.write("train", learner, phase=phase.name, epoch=(step - 1) // phase.batches + 1, **values)

    def write(self, kind, learner, **values):
        """One line of metrics.jsonl with the learner's position."""
        position = learner.position
        self.metrics.write({"kind": kind, "global_step": position.global_step, "task": position.task, **values})
