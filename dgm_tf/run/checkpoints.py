"""Checkpoints, from which a killed run resumes, also in the middle of a task. There are two, in case one is damaged."""

import concurrent.futures
import contextlib
import dataclasses
import errno
import json
import pathlib
import shutil
import time

from dgm_tf import serialization
from dgm_tf.disk import files
from dgm_tf.errors import Damaged
from dgm_tf.measures import record
from dgm_tf.measures.measure import METRICS_HEAD
from dgm_tf.measures.record import Record
from dgm_tf.output import warn
from dgm_tf.stopping import Interrupted
from dgm_tf.training.agreement import agreed_signal
from dgm_tf.training.distribution import is_chief
from dgm_tf.training.divergence import check_finite
from dgm_tf.training.loop import Callback

CHECKPOINT = "latest.npz"
TASK_END = "task_end.npz"  # of the last task that has ended: a file of its own, not a second name of the same bytes


@dataclasses.dataclass(frozen=True)
class Checkpoint:
    """State that a run resumes from.

    Attributes:
      arrays: {name: array} of the learner, of the phase in hand and of callbacks.
      learner: the learner's description, a dict.
      record: the run's `Record` so far.
      seconds: {what: seconds} that the task in hand has taken.
      metrics_head: of metrics.jsonl, or None.
    """

    arrays: dict
    learner: dict
    record: Record
    seconds: dict
    metrics_head: str | None = None

    @property
    def tasks_learned(self):
        """Number of tasks learned by then."""
        return self.learner["position"]["task"]


class Checkpointer(Callback):
    """Writes `latest.npz` at intervals, at the end of phases and tasks, and when the run is to stop.

    An ended task is written to `task_end.npz` as well.

    While a task is trained it writes in the background, one at a time; a failure is raised by the next save or `wait`.
    An ended task, and the state of a run that is to stop, are on disk when it returns. What is not finite is not
    written: `Diverged` is raised instead, and the last checkpoint stays.

    Args:
      directory: where to write.
      every_seconds: time between two checkpoints.
      signals: `StopSignals`; it is told what is not saved yet.
      watched: callbacks whose arrays are kept as well.
      notes: function returning a JSON value to be kept, such as the results so far.
      writes: whether this process writes (the chief of several workers).
    """

    charge = "checkpoints"
    saves = True

    def __init__(self, directory, every_seconds, signals, watched=(), notes=dict, writes=True):
        self._directory = pathlib.Path(directory)
        self._every_seconds, self._signals = every_seconds, signals
        self._watched, self._notes, self._writes = watched, notes, writes
        self._last = time.monotonic()
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "checkpoint")
        self._writing = None

    def on_step(self, learner, context, phase, step, metrics):
        """Notes that there is something to save."""
        self._signals.unsaved = True

    def on_step_end(self, learner, context, phase):
        """Saves if it is time or the run is to stop; then raises `Interrupted`."""
        stop = agreed_signal(self._signals.received)
        self._signals.answered = stop is not None
        if stop is not None or time.monotonic() - self._last >= self._every_seconds:
            self.save(learner, phase.variables())
        if stop is not None:
            self.wait()
            raise Interrupted(stop, together=True)

    def on_next_phase(self, learner, context):
        """Saves before the next phase is prepared: generating its replay takes long."""
        self.save(learner)

    def on_phases_end(self, learner, context):
        """Saves the trained networks before the task is ended and evaluated, if any were trained."""
        if learner.position.phase:
            self.save(learner)

    def on_task_end(self, learner, context, outcome):
        """Saves the ended task; then raises `Interrupted` if the run is to stop."""
        self.save(learner, names=(CHECKPOINT, TASK_END))
        self.wait()
        stop = agreed_signal(self._signals.received)
        if stop is not None:
            self._signals.answered = True
            raise Interrupted(stop, together=True)

    def wait(self):
        """Waits until everything is on disk."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def close(self):
        """Waits, and ends the writing thread."""
        try:
            self.wait()
        finally:
            self._writer.shutdown()

    def save(self, learner, phase_variables=(), names=(CHECKPOINT,)):
        """Copies the current state and starts writing it under each of the names."""
        self._last = time.monotonic()
        arrays = learner.arrays() | serialization.to_arrays("phase", phase_variables)
        # A step may have made weights that are not finite of losses that were: the next one would show it.
        check_finite(learner, arrays, lambda: _place(learner))
        if not self._writes:
            self._signals.unsaved = False
            return
        self.wait()
        for callback in self._watched:
            arrays |= callback.arrays()
        # The arrays share the variables' memory until TensorFlow gives those a new one, at their next update.
        texts = {"learner": learner.description(), "notes": json.loads(json.dumps(self._notes()))}
        self._writing = self._writer.submit(write_checkpoint, self._directory, arrays, **texts, names=names)
        self._signals.writing, self._signals.unsaved = self._writing, False


def write_checkpoint(directory, arrays, learner, notes, names=(CHECKPOINT, TASK_END)):
    """Writes a checkpoint, one file after the other.

    Args:
      directory: the folder of checkpoints.
      arrays: of the learner, of the phase in hand and of callbacks, a dict.
      learner: its description; notes: of the recorder.
      names: of the files.
    """
    for name in names:
        files.write_arrays(pathlib.Path(directory) / name, arrays, learner=learner, notes=notes)


def has_checkpoint(directory):
    """Whether there is a checkpoint to resume from."""
    return any((pathlib.Path(directory) / name).is_file() for name in (CHECKPOINT, TASK_END))


def _place(learner):
    at = learner.position
    return f"task {at.task + 1}, phase {at.phase + 1}, step {at.step}, before a checkpoint"


def read_checkpoint(directory):
    """Reads the latest `Checkpoint`, or returns None.

    Where the latest is damaged or lost, that of the last task's end takes its place, as a line on standard error says.

    Raises:
      Damaged: if there is none that is whole.
    """
    if not has_checkpoint(directory):
        return None
    found = []
    for name in (CHECKPOINT, TASK_END):
        path = pathlib.Path(directory) / name
        try:
            saved = _read(path)
        except FileNotFoundError:
            found.append(f"{path} is not there")
        except Damaged as error:
            found.append(str(error))
        except OSError as error:
            if error.errno != errno.EIO:  # the disk has lost it
                raise
            found.append(f"{path} cannot be read: {error.strerror}")
        else:
            if found:
                warn(f"{found[0]}; resuming from {name}, where {saved.tasks_learned} tasks are learned")
                _replace_latest(path)
            return saved
    advice = f"restore one of them from a copy, or delete {directory}, and the run starts again"
    raise Damaged("; ".join([*found, advice]))


def _replace_latest(path):
    if is_chief():
        with contextlib.suppress(OSError):  # it is said again the next time
            files.write_atomically(path.with_name(CHECKPOINT), lambda file: _copy(path, file))


def _copy(path, target):
    with open(path, "rb") as file:
        shutil.copyfileobj(file, target)


def _read(path):
    arrays, learner, notes = files.read_arrays(path, "learner", "notes", advice=None)
    for text, key in ((learner, "position"), (notes, "results"), (notes, "seconds")):
        if not isinstance(text, dict) or not isinstance(text.get(key), dict):
            raise files.damaged(path, f"expected an entry {key} in it, found none", advice=None)
    results = record.from_checkpoint(notes["results"], arrays, path)
    return Checkpoint(arrays, learner, results, notes["seconds"], notes.get(METRICS_HEAD))
