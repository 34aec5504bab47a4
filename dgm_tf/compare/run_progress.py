"""Progress of a run, read from its files: results.json, metrics.jsonl, run.json."""

import dataclasses
import datetime

from dgm_tf.errors import Damaged
from dgm_tf.run.metrics_log import parse_line
from dgm_tf.run.sessions import read_sessions

_TAIL = 1 << 16  # bytes at the end of metrics.jsonl, enough for its last line


@dataclasses.dataclass(frozen=True)
class RunProgress:
    """Progress of a run.

    Attributes:
      learned, tasks: tasks learned and tasks in all; 0 tasks: not known yet.
      phase, epoch: of the task being learned, such as "gan" and "3/8"; "" where unknown.
      accuracy: A_k after the last task learned, a fraction, or None.
      elapsed: seconds that the run has taken, earlier sessions included.
      left: seconds that the other tasks will take at the pace of those learned, or None.
      complaints: about files that are damaged, texts of one line.
    """

    learned: int = 0
    tasks: int = 0
    phase: str = ""
    epoch: str = ""
    accuracy: float | None = None
    elapsed: float = 0.0
    left: float | None = None
    complaints: tuple = ()


def read_progress(run, now=None):
    """The `RunProgress` of a `Run`. now: `datetime`, for tests."""
    record = _record(run)
    complaints: list[str] = []
    learned, tasks = (0, 0) if record is None else (record.learned, len(record.tasks))
    elapsed = _elapsed(run.folder.starts, complaints, now)
    last = {} if learned == tasks else _last_row(run.folder.metrics, learned, complaints)
    epoch = f"{last['epoch']}/{last['epochs']}" if "epochs" in last else ""
    phase = "bounds" if tasks and learned == tasks else last.get("phase", "")
    accuracy = record.final("average_accuracy") if learned else None
    left = _left(record, elapsed) if learned else None
    return RunProgress(learned, tasks, phase, epoch, accuracy, elapsed, left, tuple(complaints))


def _record(run):
    try:
        return run.record()
    except Damaged:  # while it runs; when it has ended, the suite looks at it again and says so
        return None


def _left(record, elapsed):
    if record.finished:
        return 0.0
    done = sum(sum(task.seconds.values()) for task in record.task_records)
    return max(0.0, done / record.learned * len(record.tasks) - max(done, elapsed))


def _elapsed(path, complaints, now=None):
    """Seconds of all sessions. A killed session has no end; it counts until the next start."""
    if not path.is_file():
        return 0.0
    now = now or datetime.datetime.now(datetime.UTC)
    try:
        sessions = read_sessions(path)
    except Damaged as error:
        complaints.append(str(error))
        return 0.0
    if len(sessions) > 1:
        sessions = [s for s in sessions[:-1] if s["ended"]] + sessions[-1:]
    time = datetime.datetime.fromisoformat
    spans = [(time(s["ended"]) if s["ended"] else now) - time(s["started"]) for s in sessions]
    return sum(span.total_seconds() for span in spans)


def _last_row(path, task, complaints):
    """Last training row of metrics.jsonl for the task at this position; {} if there is none."""
    if not path.is_file():
        return {}
    with path.open("rb") as file:
        start = file.seek(max(0, path.stat().st_size - _TAIL))
        *lines, _ = file.read().split(b"\n")  # what follows the last newline is being written
    for data in reversed(lines[1 if start else 0 :]):
        line = parse_line(data)
        if not line.is_whole:
            found = "a line near its end is damaged; the run's log says which one, and the run continues"
            complaints.append(f"{path} is damaged: {found}")
        elif line.row.get("kind") == "train":
            return line.row if line.row.get("task") == task else {}
    return {}
