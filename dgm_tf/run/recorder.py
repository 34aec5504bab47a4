"""What a run keeps: results.json, tables, TensorBoard, images, figures, the memory and its export."""

import pathlib

import gin
import numpy as np

from dgm_tf import stopping
from dgm_tf.data import excerpts
from dgm_tf.disk import files
from dgm_tf.errors import Diverged, own_message
from dgm_tf.export import export
from dgm_tf.layers.storage import Storage, storage_of
from dgm_tf.measures import bounds, evaluator, formulas
from dgm_tf.measures.fidelity import means
from dgm_tf.report import figures, grids, tables
from dgm_tf.run import record
from dgm_tf.run.record import METRICS_HEAD
from dgm_tf.text import NAME_BYTES, shown, shown_names
from dgm_tf.training.inference import network_logits
from dgm_tf.training.loop import Callback
from dgm_tf.training.pool import to_uint8

NAMED_CLASSES = 3  # of a task, up to which all are named where tasks are


class Recorder(Callback):
    """Evaluates a learner after each task and writes all of it into the run folder.

    Args:
      run_dir: where to write; cache_dir: folder that runs on the same data share.
      stream, settings (`EvaluationSettings`): of the run.
      best: `BestEpoch`; drift: `ReplayDrift`; log: `TrainingLog`.
      notes: what `notes` gave before, on resume, or None.
    """

    charge = "evaluation"

    def __init__(self, run_dir, cache_dir, stream, settings, best, drift, log, notes=None):
        self._run_dir, self._cache_dir = pathlib.Path(run_dir), cache_dir
        self._stream, self._settings = stream, settings
        self._best, self._drift, self._log = best, drift, log
        notes = notes or {"results": record.empty(stream, settings), "seconds": {}}
        self._results, self._seconds = notes["results"], notes["seconds"]
        self._judge = self._clock = None
        self._judged = False
        self._large = record.packed(self._results)

    def notes(self):
        """JSON value for the checkpoint: results so far, but for large ones, seconds of the task, the log's head."""
        seconds = self._clock.read() if self._clock else {}
        head = {METRICS_HEAD: self._log.metrics.head}
        return {"results": record.small(self._results), "seconds": seconds, **head}

    def arrays(self):
        """The large results, for the checkpoint."""
        return record.to_checkpoint(self._large)

    def on_task_begin(self, learner, context):
        """Takes up the learner's clock where a killed run left it; says what the method is known to do badly.

        At the first task it writes results.json, so that others see how many tasks there will be.
        """
        self._clock = learner.clock
        if self._seconds:
            self._clock.restart(self._seconds)
            self._seconds = {}
        told = self._results.setdefault("cautions", [])
        for caution in (learner.method.caution, self._stream.caution):
            if caution and caution not in told:
                told.append(caution)
                tables.print_report(tables.caution_panel(caution))
        if not self._results["average_accuracy"]:
            self._write()

    def on_task_end(self, learner, context, outcome):
        """Measures the learner and writes everything."""
        results = self._results
        self._measure_classifier(learner, context)
        if learner.method.replays:
            self._measure_replay(learner, context, outcome)
        if "capacity" in outcome:
            results["capacity"].append(outcome["capacity"])
        for warning in outcome.get("warnings", []):
            self._warn(warning)
        results |= learner.save(self._run_dir / "memory")
        results["memory_bytes"].append(learner.method.memory_bytes())
        results["parameters"].append(_parameters(learner.method))
        with learner.clock.measure("summaries"):
            self._write_images(learner)
            self._write_summaries(learner, context)
        results["seconds"].append(learner.clock.read())
        learner.clock.restart()
        self._log.write("time", learner, seconds=results["seconds"][-1])
        self._write()
        tables.print_report(tables.task_table(results))

    def _warn(self, warning):
        self._results["warnings"].append(warning)
        tables.print_report(tables.warning_panel([warning])[0])

    def _measure_classifier(self, learner, context):
        """One row of the accuracy matrix, of the last epoch and of the best."""
        results, tasks = self._results, learner.task_classes
        images, labels = evaluator.seen_test_images(self._stream, context.index)
        last = evaluator.accuracy_report(learner.logits(images), labels, tasks)
        results["accuracy_matrix"].append(last["tasks"] + [None] * (self._stream.num_tasks - len(tasks)))
        for key in ("average", "micro", "top5_average"):
            results[f"{key}_accuracy"].append(last[key])
        results["per_class_accuracy"].append(last["per_class"])
        results["confusion"] = last["confusion"] if record.are_large(results) else last["confusion"].tolist()
        known = results.setdefault("test_excerpts", [])
        known += [None] * (context.task.classes[0] - len(known))  # of a run begun before they were kept
        known += [excerpts.of_class(images[labels == c], context.task.num_trained(c)) for c in context.task.classes]
        best = self._best.logits(learner, images)
        if best is not None:
            best = evaluator.accuracy_report(best, labels, tasks)["average"]
        results["best_accuracy"].append(best)
        results["validation_accuracy"].append(self._best.history)
        for name, other in learner.method.readings(images).items():
            average = evaluator.accuracy_report(other, labels, tasks)["average"]
            results["readings"].setdefault(name, []).append(average)
        matrix = np.array([row[: len(tasks)] for row in results["accuracy_matrix"]], float)
        measured = not np.isnan(matrix[np.tril_indices(len(tasks))]).any()
        results["forgetting"].append(float(formulas.forgetting(matrix)) if measured else None)
        transfer = measured and len(tasks) > 1
        results["backward_transfer"].append(float(formulas.backward_transfer(matrix)) if transfer else None)
        if "accuracy_on_replay" in results:
            results["accuracy_on_replay"].append(self._measure_on_replay(learner, last["per_class"]))

    def _measure_on_replay(self, learner, per_class):
        """For each class without test images its accuracy on replayed ones; None for the others."""
        untested = [label for label, accuracy in enumerate(per_class) if accuracy is None]
        if not untested or not learner.method.replays:
            return None
        measured = evaluator.replay_accuracies(learner, untested, self._settings.validation_per_class)
        return [measured.get(label) for label in range(len(per_class))]

    def _measure_replay(self, learner, context, outcome):
        """GAN-test, GAN-train and the drift."""
        results, settings = self._results, self._settings
        results["replay_is_frozen"] = learner.method.replay_is_frozen
        drifts = results["replay_drift"] or 0.0, self._drift.measure(learner), outcome.get("replay_drift", 0.0)
        results["replay_drift"] = max(drifts)
        results["replay_device_difference"] = self._drift.device_difference
        if settings.gan_test_per_class:
            share, fidelity = (self._stream.complete and self._gan_test(learner, context)) or (None, None)
            results["gan_test"].append(share)
            results.setdefault("fidelity", [None] * context.index).append(fidelity)
        last = context.index + 1 == self._stream.num_tasks
        tested = results["average_accuracy"][-1] is not None
        if settings.gan_train_epochs and tested and (last or settings.gan_train_every_task):
            with learner.clock.measure("gan_train"):
                measured = self._measured("GAN-train", lambda: self._gan_train(learner, context))
            results["gan_train"].append(measured)
        elif settings.gan_train_epochs:
            results["gan_train"].append(None)

    def _measured(self, what, measure):
        """What `measure` returns; None where the classifier that it trains diverged, which is told once."""
        try:
            return measure()
        except Diverged as error:
            warning = f"{what} was not measured: {own_message(error)}"
            if warning not in self._results["warnings"]:  # by a process that was killed afterwards
                self._warn(warning)
            return None

    def _gan_test(self, learner, context):
        if self._joint(learner) is None:
            return None
        tests = evaluator.seen_test_images(self._stream, context.index)
        return evaluator.gan_test(self._joint(learner), learner, tests, self._settings.gan_test_per_class)

    def _gan_train(self, learner, context):
        method = learner.method
        classifier = evaluator.gan_train_classifier(
            learner, self._settings, method.replay_count(context), method.augmentation
        )
        images, labels = evaluator.seen_test_images(self._stream, context.index)
        predicted = evaluator.predictions(classifier, images)
        return bounds.share_correct(predicted, labels)

    def _joint(self, learner):
        """The judge, trained once; None where its training diverged."""
        if not self._judged:
            self._judged = True
            with learner.clock.measure("bounds"):
                self._judge = self._measured(
                    "joint training",
                    lambda: bounds.joint_classifier(learner, self._stream, self._settings, self._cache_dir),
                )
        return self._judge

    def _generated(self, learner):
        """uint8 [classes, images, H, W, C]: the same z whenever it is asked."""
        labels = np.repeat(np.arange(len(learner.class_names)), grids.GRID_IMAGES)
        images = to_uint8(learner.method.replay(labels, seed=0))
        return images.reshape(-1, grids.GRID_IMAGES, *images.shape[1:])

    def _write_images(self, learner):
        if not learner.method.replays:
            return
        images = self._generated(learner)
        grid = grids.image_grid(images.reshape(-1, *images.shape[2:]), columns=grids.GRID_IMAGES)
        grids.save_image(grid, self._run_dir / "images" / f"generated_after_task_{learner.num_tasks:02d}.png")
        tags = {
            f"generated/{name}": grids.image_grid(row, columns=grids.GRID_IMAGES)
            for name, row in zip(shown_names(learner.class_names), images, strict=True)
        }
        self._log.summaries.images("eval", tags, learner.position.global_step)

    def _write_summaries(self, learner, context):
        results = self._results
        names = ["average_accuracy", "top5_average_accuracy", "forgetting", "gan_test", "gan_train"]
        values = {f"accuracy/{k}": results[k][-1] for k in names if results[k] and results[k][-1] is not None}
        if results["gan_test"] and results["gan_test"][-1] is not None:
            values |= {f"fidelity/{name}": v for name, v in means(results["fidelity"][-1]).items()}
        digits = len(str(self._stream.num_tasks))  # TensorBoard sorts by letters
        names_of_tasks = [shown(names, most=NAME_BYTES) for names in _task_names(learner)]
        for task, accuracy in enumerate(results["accuracy_matrix"][-1][: learner.num_tasks]):
            if accuracy is None:
                continue
            values[f"accuracy_per_task/task {task + 1:0{digits}d} ({names_of_tasks[task]})"] = accuracy
        if results["capacity"]:
            values["growth/generator_parameters"] = results["capacity"][-1]["size"]
            for name, layer in results["capacity"][-1]["layers"].items():
                values |= {f"growth/{name}/{k}": v for k, v in layer.items()}
        self._log.summaries.scalars("eval", values, learner.position.global_step, force=True)
        self._log.summaries.flush()
        self._log.write("eval", learner, task_learned=context.index, **values)

    def _write(self):
        files.write_atomically(self._run_dir / "operative_config.gin", gin.operative_config_str())
        self._large = record.write(self._run_dir, self._results)

    def finish(self, learner):
        """Bounds, figures and export after the last task; returns the results."""
        results = self._results
        if self._stream.complete:
            results["bounds"] = self._measure_bounds(learner)
        with learner.clock.measure("export"):
            self._write_figures(learner)
            export(learner, self._run_dir / "export")
        results["seconds_end"] = learner.clock.read()
        self._log.write("end", learner, seconds=results["seconds_end"])
        results |= {"finished": True, METRICS_HEAD: self._log.metrics.head}
        self._write()
        tables.print_report(tables.final_table(results))
        return results

    def _measure_bounds(self, learner):
        with learner.clock.measure("bounds"):
            measured = {"joint training": self._joint_accuracy(learner)}
            if self._settings.fine_tuning_epochs:
                measured["fine-tuning"] = self._measured(
                    "fine-tuning",
                    lambda: bounds.fine_tuning_accuracies(learner, self._stream, self._settings, self._cache_dir),
                )
        return {name: averages for name, averages in measured.items() if averages is not None}

    def _joint_accuracy(self, learner):
        """The bound after each task: the one joint classifier, choosing among the classes then seen; or None."""
        averages, network = [], self._joint(learner)
        if network is None:
            return None
        for task in range(self._stream.num_tasks):
            images, labels = evaluator.seen_test_images(self._stream, task)
            logits = network_logits(network, images)[:, : labels.max() + 1]
            averages.append(bounds.share_correct(np.argmax(logits, axis=1), labels))
        return averages

    def _write_figures(self, learner):
        results, folder = self._results, self._run_dir / "figures"
        sizes = [len(classes) for classes in learner.task_classes]
        drawn = {
            "accuracy": figures.accuracy_figure(results["average_accuracy"], sizes, results.get("bounds")),
            "accuracy_matrix": figures.accuracy_matrix_figure(
                np.array(results["accuracy_matrix"], float), _task_names(learner)
            ),
            "confusion": figures.confusion_figure(np.array(results["confusion"]), learner.class_names),
        }
        if any(entry["layers"] for entry in results["capacity"]):
            drawn["capacity"] = figures.capacity_figure(results["capacity"])
        if results["capacity"]:
            drawn["size"] = figures.size_figure(results["capacity"])
        fidelity = [entry for entry in results.get("fidelity", []) if entry and means(entry)]
        if fidelity:  # of the first run's classes, where learning went on
            names = learner.class_names[: len(fidelity[-1]["precision"])]
            drawn["fidelity"] = figures.fidelity_figure(fidelity[-1], names)
        if learner.method.replays:
            images = dict(zip(learner.class_names, self._generated(learner), strict=True))
            drawn["generated"] = figures.class_grid_figure(images)
        for name, figure in drawn.items():
            stopping.check()
            figures.save(figure, folder / f"{name}.png")


def _parameters(method):
    """Number of trainable weights of each network, without those that follow from others."""
    return {
        name: sum(int(np.prod(v.shape)) for v in network.trainable_weights if storage_of(v) is Storage.KEEP)
        for name, network in method.networks().items()
    }


def _task_names(learner):
    """For each task its classes' names; of many the first and the last."""
    members = [[learner.class_names[c] for c in classes] for classes in learner.task_classes]
    return [", ".join(m) if len(m) <= NAMED_CLASSES else f"{m[0]} ... {m[-1]}" for m in members]
