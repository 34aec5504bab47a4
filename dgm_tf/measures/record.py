"""Record of a run's results: the only reader and writer of results.json, and of results.npz beside it.

Of more than 100 classes, the entries that hold a number for each class, each pair of classes or each epoch would make
results.json hundreds of megabytes. They stand in results.npz instead, which results.json names with its SHA-256, and
are put back when both are read. The same bytes go into checkpoints.
"""

import dataclasses
import hashlib
import itertools
import pathlib
import tempfile
import typing

import numpy as np

from dgm_tf import limits
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.measures import kinds
from dgm_tf.measures import large as large_entries
from dgm_tf.measures.kinds import entries_told
from dgm_tf.measures.measure import FACTS, METRICS_HEAD, Description, Kept, Large

RESULTS, LARGE = "results.json", "results.npz"
FORMAT = 2  # of results.json; files of before had none, and were not signed
MANY_CLASSES = 100  # the most of which all entries are in results.json
ADVICE = "restore it from a copy, or delete it and give the run's last command again: its checkpoint has all of it"
LARGE_ADVICE = f"restore it from a copy, or delete {RESULTS} beside it and give the run's last command again"
_BESIDE = kinds.BESIDE
_IN_CHECKPOINT = "results/npz"  # name of a checkpoint's array
_EXCERPTS = kinds.EXCERPTS


@dataclasses.dataclass
class TaskRecord:
    """Results after one task.

    Attributes:
      measured: {name of a measure: its value, None where it could not be measured}, of those that keep each task's.
      seconds: {what: seconds}, the time that the task took.
    """

    measured: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    seconds: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass
class Record:
    """A run's results.

    Attributes:
      class_names: of the whole stream, in learning order.
      tasks: labels that each task of the stream brings.
      protocol: as of `EvaluationSettings`.
      excerpt, data: what tells the data set from others; what was read of it and what was left out; or None.
      measures: {name: `Description`} of all that is measured.
      task_records: a `TaskRecord` for each task learned so far.
      last: {name of a measure: its value}, of those that keep the last one alone.
      test_excerpts: of each class's test images, or None.
      later: what was learned on, a dict for each time.
      cautions, warnings: what was told, in order.
      sizes: {"weights_bytes": ..., ...}, of the files of the memory.
      finished: whether the run has ended.
      seconds_end: as of a task, for the end of the run.
      metrics_head: of metrics.jsonl, or None.
      others: entries of another version, kept as they are.
    """

    class_names: list[str] = dataclasses.field(default_factory=list)
    tasks: list[list[int]] = dataclasses.field(default_factory=list)
    protocol: str = "strict"
    excerpt: dict | None = None
    data: dict | None = None
    measures: dict[str, Description] = dataclasses.field(default_factory=dict)
    task_records: list[TaskRecord] = dataclasses.field(default_factory=list)
    last: dict[str, typing.Any] = dataclasses.field(default_factory=dict)
    test_excerpts: list = dataclasses.field(default_factory=list)
    later: list[dict] = dataclasses.field(default_factory=list)
    cautions: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    sizes: dict[str, int] = dataclasses.field(default_factory=dict)
    finished: bool = False
    seconds_end: dict[str, float] = dataclasses.field(default_factory=dict)
    metrics_head: str | None = None
    others: dict[str, typing.Any] = dataclasses.field(default_factory=dict)

    @property
    def learned(self):
        """Number of tasks learned so far."""
        return len(self.task_records)

    @property
    def classes_per_task(self):
        """Number of classes that each task of the stream brings."""
        return [len(task) for task in self.tasks]

    @property
    def classes_seen(self):
        """[learned]: number of classes after each task learned so far."""
        return list(itertools.accumulate(self.classes_per_task))[: self.learned]

    @property
    def is_large(self):
        """Whether some entries stand in results.npz."""
        return len(self.class_names) > MANY_CLASSES

    def column(self, name):
        """[learned]: a measure's value after each task learned so far, None where it was not measured."""
        return [task.measured.get(name) for task in self.task_records]

    def has(self, name):
        """Whether a measure has a value: after one of the tasks, or its last one."""
        return self.last.get(name) is not None or any(value is not None for value in self.column(name))

    def is_measured(self, name):
        """Whether a measure applies to the run, though it may have no value."""
        return name in self.last or any(name in task.measured for task in self.task_records)

    def final(self, name):
        """A measure's last value, None where there is none."""
        if name in self.last:
            return self.last[name]
        return self.task_records[-1].measured.get(name) if self.task_records else None

    def at_classes(self, count, name):
        """A measure's value when so many classes had been learned, None where there is none."""
        after = dict(zip(self.classes_seen, self.column(name), strict=True))
        return after.get(count)

    def accuracy_matrix(self):
        """float [learned, tasks of the stream]: accuracy on each task after each, NaN where not measured."""
        rows = [row or [] for row in self.column("accuracy_matrix")]
        matrix = np.full([len(rows), len(self.tasks)], np.nan)
        for target, row in zip(matrix, rows, strict=True):
            target[: len(row)] = np.array(row, float)
        return matrix

    def to_json(self):
        """All entries of results.json and results.npz, a dict."""
        facts = {
            "finished": self.finished, "protocol": self.protocol, "class_names": self.class_names, "tasks": self.tasks,
            "classes_per_task": self.classes_per_task, "excerpt": self.excerpt, "data": self.data,
            "later": self.later or None, "cautions": self.cautions, "warnings": self.warnings,
            _EXCERPTS: self.test_excerpts, "seconds_end": self.seconds_end or None, METRICS_HEAD: self.metrics_head,
        }  # fmt: skip
        entries = {name: value for name, value in facts.items() if value is not None or name == "excerpt"} | self.sizes
        each = [name for name, about in self.measures.items() if about.kept is Kept.EACH]
        measured = {name for task in self.task_records for name in task.measured}
        entries |= {name: self.column(name) if name in measured else [] for name in each}
        entries |= {name: self.last.get(name) for name, about in self.measures.items() if about.kept is Kept.LAST}
        entries["seconds"] = [task.seconds for task in self.task_records]
        entries["measures"] = {name: about.to_json() for name, about in self.measures.items()}
        return entries | self.others

    @classmethod
    def from_json(cls, entries, path, advice=ADVICE):
        """The inverse of `to_json`, of files of earlier versions, too; path: of what was read.

        Raises:
          Damaged: if the entries are not of the kinds that they should be.
        """
        entries = kinds.checked(entries, path, advice)
        with entries_told(path, advice):
            return cls._from_json(entries)

    @classmethod
    def _from_json(cls, entries):
        measures = _descriptions(entries.pop("measures", None))
        seconds = entries.pop("seconds", [])
        columns = {name: entries.pop(name, []) for name, about in measures.items() if about.kept is Kept.EACH}
        kept_last = [name for name, about in measures.items() if about.kept is Kept.LAST]
        last = {name: entries.pop(name) for name in kept_last if name in entries}
        kinds.check_columns(columns | {"seconds": seconds})
        learned = max(map(len, [seconds, *columns.values()]))
        tasks = [
            TaskRecord(
                {name: column[t] for name, column in columns.items() if t < len(column)},
                seconds[t] if t < len(seconds) else {},
            )
            for t in range(learned)
        ]
        names = {field.name for field in dataclasses.fields(cls)} - {"measures", "last", "sizes", "others"}
        facts = {name: entries.pop(name) for name in names & entries.keys()}
        facts["metrics_head"] = entries.pop(METRICS_HEAD, None)
        sizes = entries.pop("classes_per_task", None)
        facts.setdefault("tasks", _tasks_of([1] * learned if sizes is None else sizes))
        if len(facts["tasks"]) < learned:
            raise ValueError(f"tasks: expected {learned} or more, as many have been learned, got {len(facts['tasks'])}")
        bytes_of = {name: entries.pop(name) for name in [n for n in FACTS if n.endswith("_bytes")] if name in entries}
        return cls(**facts, measures=measures, task_records=tasks, last=last, sizes=bytes_of, others=entries)

    def small(self):
        """The entries that stand in results.json, a dict."""
        names = self._large_names()
        return {name: value for name, value in self.to_json().items() if name not in names}

    def packed(self):
        """Bytes of an .npz with the other entries; None where there are none."""
        entries = self.to_json()
        names = [name for name in self._large_names() if entries[name] is not None]
        if not names:
            return None
        return large_entries.to_bytes({name: self._as_array(name, entries[name]) for name in names})

    def _as_array(self, name, entry):
        """A matrix of counts as an array; all else as it is."""
        about = self.measures.get(name)
        return np.asarray(entry) if about is not None and about.large is Large.MATRIX else entry

    def _large_names(self):
        large = [name for name, about in self.measures.items() if about.large is not Large.NO]
        return [*large, _EXCERPTS] if self.is_large else []

    def write(self, run_dir):
        """Writes both files into a run folder; returns `packed`."""
        run_dir, entries, packed = pathlib.Path(run_dir), self.small(), self.packed()
        with files.written_together() as write_file:
            if packed is not None:
                entries[_BESIDE] = {"file": LARGE, "sha256": hashlib.sha256(packed).hexdigest()}
                write_file(run_dir / LARGE, packed)
            write_file(run_dir / RESULTS, files.json_bytes({files.FORMAT: FORMAT} | entries))
        return packed


def read(path, large=True):
    """The `Record` of a run.

    Args:
      path: results.json or the run folder; files of before they were signed are read, too.
      large: whether to read results.npz, where there is one.

    Raises:
      Damaged: if one of the files is not as it was written.
      UserError: if they were written by a newer version, or a run was killed between the two.
    """
    path = pathlib.Path(path)
    path = path / RESULTS if path.is_dir() else path
    entries = kinds.checked(files.read_json(path, ADVICE), path, ADVICE)
    found = entries.pop(files.FORMAT, FORMAT)
    if found != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT} or none, got {found}: a newer version has written it")
    beside = entries.pop(_BESIDE, None)
    if beside is not None and large:
        entries |= _read_large(path.with_name(LARGE), beside.get("sha256"))
    return Record.from_json(entries, path)


def _read_large(path, digest):
    if not path.is_file():
        raise UserError(f"{path}: expected it beside {RESULTS}, which names it, found none; {LARGE_ADVICE}")
    files.check_signature(path, LARGE_ADVICE)
    if files.sha256(path) != digest:
        raise UserError(
            f"{path}: expected the file that {RESULTS} names, got another, as a run was killed between the two; give "
            "the run's last command again"
        )
    return large_entries.read(path, LARGE_ADVICE)


def _descriptions(entries):
    """{name: `Description`} of results.json's entry; of earlier versions, which had none, those of that time."""
    if entries is None:
        from dgm_tf.measures.standard import of_version_0_1  # which imports TensorFlow

        return of_version_0_1()
    return {name: Description.from_json(name, entry) for name, entry in entries.items()}


def _tasks_of(sizes):
    """Labels of tasks of these sizes, for files of earlier versions that lack them."""
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) > limits.MAX_CLASSES:
        raise ValueError(f"classes_per_task: expected sizes of tasks, got {sizes!r:.40}")
    ends = itertools.accumulate(sizes)
    return [list(range(end - size, end)) for size, end in zip(sizes, ends, strict=True)]


def to_checkpoint(packed):
    """The arrays that a checkpoint has of the results. packed: of `Record.packed`."""
    return {} if packed is None else {_IN_CHECKPOINT: np.frombuffer(packed, np.uint8)}


def from_checkpoint(entries, arrays, path):
    """The `Record` of a checkpoint, whose arrays lose what `to_checkpoint` gave them; path: of the checkpoint.

    Raises:
      Damaged: if that is none.
    """
    data, entries = arrays.pop(_IN_CHECKPOINT, None), kinds.checked(entries, path, None)
    if data is not None:
        with tempfile.TemporaryDirectory() as folder:
            npz = pathlib.Path(folder) / LARGE
            npz.write_bytes(np.asarray(data, np.uint8).tobytes())
            entries |= large_entries.read(npz, LARGE_ADVICE)
    return Record.from_json(entries, path, None)
