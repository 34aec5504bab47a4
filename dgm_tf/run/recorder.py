"""Recorder: measures a run after each task and writes results, tables, TensorBoard, images, memory and export."""

from typing import Any

import gin
import numpy as np

from dgm_tf import stopping
from dgm_tf.data import excerpts
from dgm_tf.data.class_names import task_names
from dgm_tf.disk import files
from dgm_tf.export import export
from dgm_tf.measures import record as records
from dgm_tf.measures.fidelity import means
from dgm_tf.measures.mask_trajectories import MaskWatch
from dgm_tf.measures.measure import METRICS_HEAD, Kept, Large, Measure, as_json
from dgm_tf.measures.record import Record, TaskRecord
from dgm_tf.measures.standard import descriptions
from dgm_tf.measures.view import MeasuredRun, View
from dgm_tf.report import figures, grids, tables
from dgm_tf.report.mask_figure import mask_trajectories_figure
from dgm_tf.text import shown_names
from dgm_tf.training.loop import Callback
from dgm_tf.training.pool import to_uint8

_LEAKAGE = (
    "Leakage: the features come from a network that was trained on other images with labels, and these classes are "
    "among those of ImageNet. The accuracies are none of learning them one after the other from scratch; do not put "
    "them beside such."
)


class Recorder(Callback):
    """Measures a learner after each task and writes everything into the run folder.

    Args:
      folder: `RunFolder` to write into.
      stream, settings (`EvaluationSettings`): of the run.
      best: `BestEpoch`; drift: `ReplayDrift`; judge: `Judge`; log: `TrainingLog`.
      saved: `Checkpoint` that the run goes on from, or None.
    """

    charge = "evaluation"

    def __init__(self, folder, stream, settings, best, drift, judge, log, saved=None):
        self._folder, self._stream, self._settings = folder, stream, settings
        self._log = log
        self._record = new_record(stream, settings) if saved is None else saved.record
        self._masks = MaskWatch()
        self._run = MeasuredRun(stream, settings, self._record, best, drift, judge, self._warn_once, self._masks)
        self._record.measures |= descriptions(settings.all_measures)
        self._seconds, self._clock, self._view = {} if saved is None else saved.seconds, None, None
        self._packed = self._record.packed()

    def notes(self):
        """JSON value for the checkpoint: results so far, but for large ones, seconds of the task, the log's head."""
        seconds = self._clock.read() if self._clock else {}
        return {"results": self._record.small(), "seconds": seconds, METRICS_HEAD: self._log.metrics.head}

    def arrays(self):
        """The large results, for the checkpoint, and what was watched in the task so far."""
        return records.to_checkpoint(self._packed) | self._masks.arrays()

    def restore(self, learner, arrays):
        """Takes up what was watched; the results came with the checkpoint."""
        self._masks.restore(learner, arrays)

    def on_epoch_end(self, learner, context, phase, epoch):
        """Watches the masks."""
        self._masks.on_epoch_end(learner, context, phase, epoch)

    def on_task_begin(self, learner, context):
        """Resumes the learner's clock and prints the method's caution.

        At the first task it writes results.json, so that others see how many tasks there will be.
        """
        self._clock, self._view = learner.clock, None  # the last task's holds its test images
        self._masks.on_task_begin(learner, context)
        if self._seconds:
            self._clock.restart(self._seconds)
            self._seconds = {}
        leaks = learner.method.pretrained and self._stream.is_like_imagenet
        for caution in (learner.method.caution, self._stream.caution, _LEAKAGE if leaks else None):
            if caution and caution not in self._record.cautions:
                self._record.cautions.append(caution)
                tables.print_report(tables.caution_panel(caution))
        if not self._record.learned:
            self._write()

    def on_task_end(self, learner, context, outcome):
        """Measures the learner and writes everything."""
        view = self._view_of(learner, context, outcome)
        task, last = self._measure(view)
        self._keep_excerpts(view)
        measured = task.measured | last
        for warning in [*outcome.get("warnings", []), *self._warnings(view, measured)]:
            self._warn(warning)
        record = self._record
        record.task_records.append(task)
        record.last |= last
        record.sizes |= learner.save(self._folder.memory)
        with learner.clock.measure("summaries"):
            self._write_images(learner)
            self._write_summaries(view, measured)
        task.seconds = learner.clock.read()
        learner.clock.restart()
        self._log.write("time", learner, seconds=task.seconds)
        self._write()
        tables.print_report(tables.task_table(record))

    def _view_of(self, learner, context, outcome):
        self._view = View(learner, context, outcome, self._run)
        return self._view

    def _measure(self, view):
        """(`TaskRecord`, {name: value of those that keep the last one}) of all measures."""
        task, last = TaskRecord(), dict[str, Any]()
        for measure in self._settings.all_measures:
            if not measure.applies(view) or type(measure).after_task is Measure.after_task:
                continue
            stopping.check()
            kept = task.measured if measure.kept is Kept.EACH else last
            kept[measure.name] = self._plain(measure, measure.after_task(view))
        return task, last

    def _warnings(self, view, measured):
        """What measures have to warn of; measured: {name: value}."""
        values = [(measure, measured.get(measure.name)) for measure in self._settings.all_measures]
        found = [measure.warning(value, view) for measure, value in values if value is not None]
        return [text for text in found if text]

    def _plain(self, measure, value):
        """A measure's value as results hold it; None of what they cannot hold, which is told."""
        if isinstance(value, np.ndarray) and measure.large is Large.MATRIX and self._record.is_large:
            return value  # as lists it would fill the memory
        try:
            return as_json(value)
        except ValueError as error:
            self._warn_once(f"{measure.name} was not measured: {error}")
            return None

    def _keep_excerpts(self, view):
        """Keeps excerpts that identify the test images of this task's classes."""
        known, task = self._record.test_excerpts, view.context.task
        known += [None] * (task.classes[0] - len(known))  # of a run begun before they were kept
        images = [view.test_images[view.test_labels == c] for c in task.classes]
        known += [excerpts.of_class(own, task.num_trained(c)) for own, c in zip(images, task.classes, strict=True)]

    def _warn(self, warning):
        self._record.warnings.append(warning)
        tables.print_report(tables.warning_panel([warning])[0])

    def _warn_once(self, warning):
        if warning not in self._record.warnings:  # by a process that was killed afterwards
            self._warn(warning)

    def _generated(self, learner):
        """Generates images from a fixed z, uint8 [classes, images, H, W, C]."""
        labels = np.repeat(np.arange(len(learner.class_names)), grids.GRID_IMAGES)
        images = to_uint8(learner.method.replay(labels, seed=0))
        return images.reshape(-1, grids.GRID_IMAGES, *images.shape[1:])

    def _write_images(self, learner):
        if not learner.method.replays_images:
            return
        images = self._generated(learner)
        grid = grids.image_grid(images.reshape(-1, *images.shape[2:]), columns=grids.GRID_IMAGES)
        grids.save_image(grid, self._folder.grid_after(learner.num_tasks))
        tags = {
            f"generated/{name}": grids.image_grid(row, columns=grids.GRID_IMAGES)
            for name, row in zip(shown_names(learner.class_names), images, strict=True)
        }
        self._log.summaries.images("eval", tags, learner.position.global_step)

    def _write_summaries(self, view, measured):
        values, learner = dict[str, float](), view.learner
        for measure in self._settings.all_measures:
            value = measured.get(measure.name)
            if value is not None:
                values |= measure.scalars(value, view)
        self._log.summaries.scalars("eval", values, learner.position.global_step, force=True)
        self._log.summaries.flush()
        self._log.write("eval", learner, task_learned=view.task, **values)

    def _write(self):
        files.write_atomically(self._folder.operative_config, gin.operative_config_str())
        self._packed = self._record.write(self._folder.path)

    def finish(self, learner):
        """Bounds, figures and export after the last task; returns the `Record`."""
        record = self._record
        view = self._view or self._view_of(learner, None, {})
        for measure in self._settings.all_measures:
            if measure.applies(view) and (value := measure.after_run(view)) is not None:
                record.last[measure.name] = self._plain(measure, value)
        with learner.clock.measure("export"):
            self._write_figures(learner, view)
            export(learner, self._folder.export)
        record.seconds_end = learner.clock.read()
        self._log.write("end", learner, seconds=record.seconds_end)
        record.finished, record.metrics_head = True, self._log.metrics.head
        self._write()
        tables.print_report(tables.final_table(record))
        return record

    def _write_figures(self, learner, view):
        drawn = run_figures(self._record, task_names(learner.class_names, learner.task_classes))
        if learner.method.replays_images:
            images = dict(zip(learner.class_names, self._generated(learner), strict=True))
            drawn["generated"] = figures.class_grid_figure(images)
        for measure in self._settings.all_measures:
            if measure.applies(view):
                drawn |= measure.figures(self._record, view)
        for name, figure in drawn.items():
            stopping.check()
            figures.save(figure, self._folder.figures / f"{name}.png")


def new_record(stream, settings):
    """The `Record` of a run that has learned nothing. stream: what it learns; settings: `EvaluationSettings`."""
    tasks = [list(stream.task_classes(t)) for t in range(stream.num_tasks)]
    facts = {"protocol": settings.protocol, "excerpt": stream.excerpt, "data": stream.report}
    return Record(list(stream.class_names), tasks, **facts, measures=descriptions(settings.all_measures))


def run_figures(record, names):
    """{name: figure} of a finished run's `Record`; names: of its tasks."""
    capacity = [entry for entry in record.column("capacity") if entry]
    bounds, averages = record.last.get("bounds"), record.column("average_accuracy")
    drawn = {
        "accuracy": figures.accuracy_figure(averages, record.classes_per_task, bounds),
        "accuracy_matrix": figures.accuracy_matrix_figure(record.accuracy_matrix(), names),
        "confusion": figures.confusion_figure(np.array(record.last["confusion"]), record.class_names),
    }
    if any(entry["layers"] for entry in capacity):
        drawn["capacity"] = figures.capacity_figure(capacity)
    if capacity:
        drawn["size"] = figures.size_figure(capacity)
    trajectories = [(task, entry) for task, entry in enumerate(record.column("mask_trajectories")) if entry]
    if trajectories:
        drawn["mask_trajectories"] = mask_trajectories_figure(trajectories)
    fidelity = [entry for entry in record.column("fidelity") if entry and means(entry)]
    if fidelity:  # of the first run's classes, where learning went on
        names = record.class_names[: len(fidelity[-1]["precision"])]
        drawn["fidelity"] = figures.fidelity_figure(fidelity[-1], names)
    return drawn
