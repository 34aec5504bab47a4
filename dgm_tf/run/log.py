"""Training log: TensorBoard curves and lines of metrics.jsonl."""

import time

import numpy as np

from dgm_tf.report.grids import GRID_IMAGES, image_grid
from dgm_tf.run.metrics_log import MetricsLog
from dgm_tf.run.summaries import Summaries
from dgm_tf.text import shown_names
from dgm_tf.training.loop import Callback

# Where lines stand that are written between two steps: at a task's end, and at the run's, which is done again if it is
# killed there.
AFTER_STEP = {"eval": 0.5, "time": 0.5, "end": 0.75}


class TrainingLog(Callback):
    """Logs losses, mask scale and masks every few seconds. A context manager.

    Args:
      folder: `RunFolder`.
      every_seconds: least time between two points of a curve.
      position: `Position` where the run stands; what was written beyond it is dropped.
      ends_anew: whether the run's end is to come at this position; else an end written there is an earlier one.
      head: of metrics.jsonl, as the checkpoint has it; None: not known.

    Attributes:
      summaries: `Summaries`, open for others to write to; metrics: `MetricsLog`.
    """

    charge = "summaries"

    def __init__(self, folder, every_seconds, position, ends_anew=True, head=None):
        done, between_tasks = position.global_step, (position.phase, position.step) == (0, 0)
        # What an evaluation wrote stands at the task's last step, and goes if the task was trained but not ended.
        purge_from = {"train": done + 1, "eval": done + 1 if between_tasks else done}
        self.summaries = Summaries(folder.path, every_seconds, purge_from)
        self.metrics = MetricsLog(folder.metrics, head)
        last = AFTER_STEP["eval" if ends_anew else "end"]
        self.metrics.truncate_after(done + (last if between_tasks else 0.0))
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
        schedule = phase.schedule_at(step - 1)
        scalars, histograms = learner.method.watch(schedule)
        values = {k: float(v) for k, v in metrics.items()} | {f"schedule/{k}": v for k, v in schedule.items()}
        values |= scalars | {"speed/step_ms": step_ms}
        at = learner.position.global_step
        self.summaries.scalars("train", values, at, force=True)
        self.summaries.histograms("train", {k: np.asarray(v) for k, v in histograms.items()}, at)
        self.summaries.flush()
        epoch = (step - 1) // phase.batches + 1
        self.write("train", learner, phase=phase.name, epoch=epoch, epochs=phase.epochs, **values)

    def on_epoch_end(self, learner, context, phase, epoch):
        """Logs images of the task's classes as generated now."""
        if not learner.method.replays_images:
            return
        images = phase.preview(learner.position.step - 1, np.repeat(context.task.classes, GRID_IMAGES))
        if images is not None:
            rows = np.split(np.asarray(images), len(context.task.classes))
            grids = {
                f"generated_in_training/{name}": image_grid(row, columns=GRID_IMAGES)
                for name, row in zip(shown_names(context.task.class_names), rows, strict=True)
            }
            self.summaries.images("train", grids, learner.position.global_step)

    def write(self, kind, learner, **values):
        """One line of metrics.jsonl with the learner's position."""
        step = learner.position.global_step + AFTER_STEP.get(kind, 0.0)
        self.metrics.write({"kind": kind, "global_step": step, "task": learner.position.task, **values})
