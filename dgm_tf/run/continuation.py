"""Continuation of a finished run with new classes."""

import dataclasses

from dgm_tf.data.continued import ContinuedStream
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.measures import record
from dgm_tf.measures.measure import METRICS_HEAD
from dgm_tf.run.checkpoints import read_checkpoint, write_checkpoint
from dgm_tf.run.journal import refuse_stopped
from dgm_tf.training.distribution import is_chief

_STRICT_ONLY = (
    "The tasks learned later have their best epochs by the strict protocol: real validation images of earlier classes, "
    "which the published one looks at, are not kept."
)
_COMPARED = ("class_names", "classes_per_task", "train_sizes")  # what a stopped learning must find again


class NothingToLearn(Exception):
    """Raised if the same command has already taught these classes."""


class Continuation:
    """Appends tasks to a finished run and rewrites its checkpoint as if they had been planned from the start.

    The run folder holds all that is needed: results.json and the checkpoint are those of a run that has ended, or of
    one that was stopped while it learned on. What is learned on stands as an entry of `later` in both: once the
    checkpoint has one more than results.json has ended, the learning of it is in progress.

    Args:
      folder: `RunFolder`.
      make_source: function of (kind, path, image shape) giving a source; kind: "image_dir" or "archive".
      kind, path: of the new classes' images.
      classes_per_task, class_order: as of `ClassIncrementalStream`.
    """

    def __init__(self, folder, make_source, kind, path, classes_per_task, class_order):
        self._folder = folder
        self._make_source, self._kind, self._place = make_source, kind, str(path)
        self._classes_per_task, self._class_order = classes_per_task, class_order

    def read(self):
        """Reads the state of the run. Call it while the folder is locked, since another process may change it.

        Raises:
          UserError: the folder holds no run, or one that has not come to its end.
        """
        refuse_stopped(self._folder)
        saved = read_checkpoint(self._folder.checkpoints)
        if saved is None:
            raise UserError(f"run_dir: expected the folder of a run, got {self._folder}, which holds none")
        self._saved = saved
        with record.entries_told(self._folder):
            self._see()

    def _see(self):
        ended, begun = self._ended(), self._saved.record.later
        # Where nothing of it was learned yet, as its settings were refused, say, another command may take its place.
        in_progress = bool(begun) and len(self._saved.learner["task_classes"]) > begun[-1]["first_task"]
        self._goes_on = in_progress and not (ended.finished and ended.later == begun)
        if not self._goes_on and not ended.finished:
            place = self._folder
            raise UserError(f"run_dir: {place} has not finished: run its first command again to resume it")
        self._record = self._saved.record if self._goes_on else self._folder.record()

    def _ended(self):
        """Reads results.json or, if it was deleted, the checkpoint's notes."""
        found = self._folder.record(large=False)
        return dataclasses.replace(self._saved.record, finished=False) if found is None else found

    def __call__(self, stream, cache_dir):
        """Returns the longer stream; the first time, rewrites the checkpoint.

        stream: of the run; cache_dir: folder for decoded images.
        """
        self._cache_dir = cache_dir
        with record.entries_told(self._folder):
            later = self._record.later
            done = later[:-1] if self._goes_on else later
            num_tasks = later[-1]["first_task"] if self._goes_on else len(self._record.tasks)
            tasks = self._record.tasks[:num_tasks]
            names = self._record.class_names[: sum(map(len, tasks))]
        later_stream = self._stream(stream, self._kind, self._place, self._classes_per_task, self._class_order)
        if later:
            later_stream.begun_as(later[-1]["class_names"])
        entry = {
            "first_task": num_tasks, self._kind: str(user_path(self._place).absolute()),
            "class_names": list(later_stream.class_names),
            "classes_per_task": [len(later_stream.task_classes(t)) for t in range(later_stream.num_tasks)],
            "train_sizes": list(later_stream.train_sizes),
            "data": later_stream.report,
        }  # fmt: skip
        if self._goes_on:
            _check_same(later[-1], entry)
        elif later and _same(later[-1], entry):
            raise NothingToLearn(", ".join(later_stream.class_names))
        sources = [(kind, e[kind]) for e in done for kind in ("image_dir", "archive") if kind in e]
        earlier = [stream, *(self._stream(stream, *source) for source in sources)]
        excerpts = self._record.test_excerpts[: len(names)]
        with record.entries_told(self._folder):
            longer = ContinuedStream(names, tasks, earlier, later_stream, excerpts)
            if not self._goes_on and is_chief():
                self._begin(longer, [*later, entry])
        self._saved = dataclasses.replace(self._saved, arrays={})  # large, and read again by the run
        return longer

    def _stream(self, stream, kind, path, classes_per_task=None, class_order="natural"):
        source = self._make_source(kind, path, self._saved.learner["image_shape"])
        stream = stream.with_source(source, classes_per_task, class_order)
        stream.keep_in(self._cache_dir)
        return stream

    def _begin(self, longer, later):
        """Rewrites the checkpoint of the finished run for the longer stream."""
        begun = dataclasses.replace(extended(self._record, longer), later=later)
        arrays = self._saved.arrays | record.to_checkpoint(begun.packed())
        head = self._saved.metrics_head if begun.metrics_head is None else begun.metrics_head
        notes = {"results": begun.small(), "seconds": {}} | ({} if head is None else {METRICS_HEAD: head})
        write_checkpoint(self._folder.checkpoints, arrays, self._saved.learner, notes)


def extended(results, longer):
    """Converts a finished run's `Record` to that of a run in the middle of a longer stream."""
    tasks = [list(longer.task_classes(t)) for t in range(longer.num_tasks)]
    more = len(tasks) - len(results.tasks)
    cautions = [_STRICT_ONLY] if results.protocol == "published" else []
    rows = [
        dataclasses.replace(task, measured=task.measured | {"accuracy_matrix": _longer(task, more)})
        for task in results.task_records
    ]
    return dataclasses.replace(
        results,
        cautions=list(dict.fromkeys([*results.cautions, *cautions])),
        finished=False,
        class_names=list(longer.class_names),
        tasks=tasks,
        task_records=rows,
    )


def _longer(task, more):
    return [*(task.measured.get("accuracy_matrix") or []), *[None] * more]


def _same(entry, other):
    return all(entry[key] == other[key] for key in _COMPARED)


def _check_same(begun, entry):
    if not _same(begun, entry):
        place = next(begun[kind] for kind in ("image_dir", "archive") if kind in begun)
        raise UserError(
            f"this run was stopped while it learned {', '.join(begun['class_names'])} from {place} "
            f"({begun['train_sizes']} training images in tasks of {begun['classes_per_task']} classes): expected the "
            f"same command and images again, got {', '.join(entry['class_names'])} ({entry['train_sizes']} in "
            f"{entry['classes_per_task']})"
        )
