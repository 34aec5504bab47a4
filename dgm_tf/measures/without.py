"""Record of a run without some of its classes: nothing in it is of them any more."""

import dataclasses
import re

import numpy as np

from dgm_tf.learner.forgetting import remaining_tasks
from dgm_tf.measures import formulas
from dgm_tf.measures.record import Record
from dgm_tf.text import NAME_BYTES, shown

CAUTION = (
    "Classes were taken out by bin/forget. The accuracies of the others after the tasks in which these were known were "
    "measured while they were; what was a mean over images of all classes is no longer there."
)
# What says nothing of a single class: bytes and weights. The last task's are measured anew.
_PLAIN = ("memory_bytes", "parameters")
_KEPT_LAST = ("what_is_kept",)
_OF_EACH_CLASS = ("per_class_accuracy", "accuracy_on_replay")


def without(record, labels, sizes):
    """The `Record` of a finished run without some classes, as of one that was never told of them.

    Entries of a class are left out, means over classes are those of the others, and what cannot be told apart (means
    over images, calibration, another version's entries) is not there any more.

    Args:
      record: `Record`.
      labels: of the classes.
      sizes: {name of a measure: its value for the learner as it is now}, such as memory_bytes.
    """
    return _Without(record, labels).record(sizes)


class _Without:
    def __init__(self, record, labels):
        self._record, self._gone = record, set(labels)
        self._kept = [label for label in range(len(record.class_names)) if label not in self._gone]
        self._tasks = [t for t, task in enumerate(record.tasks) if not set(task) <= self._gone]
        self._names = [record.class_names[label] for label in sorted(self._gone)]
        self._rows = []  # of the tasks that stay, as dicts

    def record(self, sizes):
        old = self._record
        for t in self._tasks:
            self._rows.append(self._row(t, old.task_records[t].measured))
        self._rows[-1] |= {name: value for name, value in sizes.items() if name in self._rows[-1]}
        return Record(
            class_names=[old.class_names[label] for label in self._kept],
            tasks=remaining_tasks(old.tasks, self._gone),
            protocol=old.protocol,
            measures=old.measures,
            task_records=[
                dataclasses.replace(old.task_records[t], measured=row)
                for t, row in zip(self._tasks, self._rows, strict=True)
            ],
            last=self._last(),
            test_excerpts=[e for label, e in enumerate(old.test_excerpts) if label not in self._gone],
            later=[entry for entry in map(self._later, old.later) if entry is not None],
            cautions=[*(text for text in old.cautions if text != CAUTION and not self._is_told(text)), CAUTION],
            warnings=[text for text in old.warnings if not self._is_told(text)],
            sizes=old.sizes,
            finished=old.finished,
            seconds_end=old.seconds_end,
        )

    def _row(self, t, measured):
        """Of the task at this position, what was measured after it."""
        seen = self._record.classes_seen[t]
        if not any(label < seen for label in self._gone):  # the classes came later
            matrix_row = measured.get("accuracy_matrix")
            chosen = {} if matrix_row is None else {"accuracy_matrix": [matrix_row[i] for i in self._tasks]}
            return measured | chosen
        row = dict.fromkeys(measured)  # nothing
        row |= {name: measured[name] for name in _PLAIN if name in measured}
        row |= {name: self._of_classes(measured[name]) for name in _OF_EACH_CLASS if name in measured}
        found = {"accuracy_matrix": self._matrix_row(t, measured)} | self._means(row)
        row |= {name: value for name, value in found.items() if name in measured}
        if "forgetting" in measured:
            row |= {name: value for name, value in self._of_matrix(row).items() if name in measured}
        return row

    def _of_classes(self, values):
        if values is None:
            return None
        return [values[label] for label in self._kept if label < len(values)]

    def _matrix_row(self, t, measured):
        """Accuracy on each task that stays: the mean over its classes that stay."""
        before, each = measured.get("accuracy_matrix"), measured.get("per_class_accuracy")
        row: list[float | None] = []
        for i in self._tasks:
            task = self._record.tasks[i]
            if i > t:
                row.append(None)
            elif not self._gone & set(task):
                row.append(None if before is None else before[i])
            else:
                row.append(_mean([] if each is None else [each[label] for label in task if label not in self._gone]))
        return row

    def _means(self, row):
        average = _mean(row.get("per_class_accuracy") or [])
        averages = [*(earlier.get("average_accuracy") for earlier in self._rows), average]
        return {"average_accuracy": average, "average_incremental_accuracy": _mean(averages)}

    def _of_matrix(self, row):
        """What follows from the accuracy matrix up to this row."""
        rows = [[*(r.get("accuracy_matrix") or [])][: len(self._rows) + 1] for r in (*self._rows, row)]
        if any(None in r[: i + 1] or len(r) <= i for i, r in enumerate(rows)):
            return {}
        matrix = np.array(rows, float)
        moved = None if len(rows) == 1 else float(formulas.backward_transfer(matrix))
        return {"forgetting": float(formulas.forgetting(matrix)), "backward_transfer": moved}

    def _last(self):
        last = {name: value for name, value in self._record.last.items() if name in _KEPT_LAST}
        counts = self._record.last.get("confusion")
        if counts is not None and np.shape(counts) == (len(self._record.class_names),) * 2:
            last["confusion"] = np.asarray(counts)[np.ix_(self._kept, self._kept)].tolist()
        return last

    def _later(self, entry):
        """An entry on what was learned on, None if nothing is left of it."""
        first, count = entry["first_task"], len(entry["classes_per_task"])
        tasks = self._record.tasks[first : first + count]
        moved = entry | {"first_task": sum(t < first for t in self._tasks)}
        if not any(self._gone & set(task) for task in tasks):
            return moved
        kept = [[label for label in task if label not in self._gone] for task in tasks]
        trained = [
            size if len(task) == len(old) else None  # of fewer images than it says
            for size, task, old in zip(entry["train_sizes"], kept, tasks, strict=True)
            if task
        ]
        names = [self._record.class_names[label] for task in kept for label in task]
        about = {"class_names": names, "classes_per_task": [len(task) for task in kept if task]}
        return moved | about | {"train_sizes": trained, "data": None} if names else None

    def _is_told(self, text):
        """Whether a text names one of the classes."""
        return any(names_class(text, name) for name in self._names)


def _mean(values):
    """None where there is no value, or one was not measured."""
    return None if not values or None in values else float(np.mean(values))


def names_class(text, name):
    """Whether a text holds the name of a class, as it is or as it is shown, as a word."""
    forms = {re.escape(form) for form in (name, shown(name), shown(name, most=NAME_BYTES))}
    return re.search(rf"(?<!\w)(?:{'|'.join(forms)})(?!\w)", text) is not None
