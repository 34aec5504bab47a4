"""What a run has measured: results.json, and for runs of many classes results.npz beside it.

Of more than 100 classes, the entries that hold a number for each class, each pair of classes or each epoch would make
results.json hundreds of megabytes. They stand in results.npz instead, which results.json names with its SHA-256, and
are put back when both are read. The same bytes go into checkpoints.
"""

import contextlib
import hashlib
import pathlib
import tempfile

import numpy as np

from dgm_tf.disk import files
from dgm_tf.disk.npz import read_members
from dgm_tf.errors import Damaged, UserError
from dgm_tf.text import shown

RESULTS, LARGE = "results.json", "results.npz"
METRICS_HEAD = "metrics_sha256"  # entry of results and of a checkpoint's notes: the head of metrics.jsonl
FORMAT = 2  # of results.json; files of before had none, and were not signed
MANY_CLASSES = 100  # the most of which all entries are in results.json
LARGE_ENTRIES = (
    "confusion", "per_class_accuracy", "accuracy_on_replay", "fidelity", "validation_accuracy", "test_excerpts",
)  # fmt: skip
LISTS = (
    "accuracy_matrix", "average_accuracy", "micro_accuracy", "top5_average_accuracy", "best_accuracy",
    "validation_accuracy", "per_class_accuracy", "forgetting", "backward_transfer", "gan_test", "gan_train",
    "fidelity", "capacity", "test_excerpts", "memory_bytes", "parameters", "seconds", "warnings", "cautions",
)  # fmt: skip
ADVICE = "restore it from a copy, or delete it and give the run's last command again: its checkpoint has all of it"
LARGE_ADVICE = f"restore it from a copy, or delete {RESULTS} beside it and give the run's last command again"
_BESIDE = "beside"  # results.json's entry about results.npz
_IN_CHECKPOINT = "results/npz"  # name of a checkpoint's array
_LENGTHS = "lengths"
_KINDS = {
    **dict.fromkeys((*LISTS, "confusion", "accuracy_on_replay", "class_names", "tasks", "classes_per_task"), list),
    **dict.fromkeys(("bounds", "readings", "seconds_end", "excerpt", _BESIDE), dict),
    "later": list, "finished": bool, "protocol": str, METRICS_HEAD: str,
}  # fmt: skip


_MANY = {str: "texts", list: "lists", dict: "objects"}
_KINDS_WITHIN = {"class_names": str, "tasks": list, "accuracy_matrix": list, "later": dict}


def empty(stream, settings):
    """The results of a run that has learned nothing. stream: what it learns; settings: `EvaluationSettings`."""
    facts = {
        "finished": False, "protocol": settings.protocol, "class_names": list(stream.class_names),
        "tasks": [list(stream.task_classes(t)) for t in range(stream.num_tasks)], "replay_drift": None,
        "classes_per_task": [len(stream.task_classes(t)) for t in range(stream.num_tasks)],
        "excerpt": stream.excerpt, "readings": {},
    }  # fmt: skip
    if stream.report is not None:
        facts["data"] = stream.report
    return facts | {name: [] for name in LISTS}


def are_large(results):
    """Whether some entries stand in results.npz."""
    return len(results.get("class_names", ())) > MANY_CLASSES


def small(results):
    """The entries that stand in results.json."""
    large = LARGE_ENTRIES if are_large(results) else ()
    return {name: value for name, value in results.items() if name not in large}


def packed(results):
    """Bytes of an .npz with the other entries; None where there are none."""
    if not are_large(results):
        return None
    arrays: dict[str, np.ndarray] = {}
    for name in LARGE_ENTRIES:
        if name in results:
            arrays |= _matrix(name, results[name]) if name == "confusion" else _encoded(name, results[name])
    return files.npz_bytes(arrays, compress=True)


def write(run_dir, results):
    """Writes the results into a run folder; returns `packed` of them."""
    run_dir = pathlib.Path(run_dir)
    entries, large = small(results), packed(results)
    with files.written_together() as write_file:
        if large is not None:
            names = [name for name in LARGE_ENTRIES if name in results]
            entries[_BESIDE] = {"file": LARGE, "sha256": hashlib.sha256(large).hexdigest(), "entries": names}
            write_file(run_dir / LARGE, large)
        files.write_json(run_dir / RESULTS, {files.FORMAT: FORMAT} | entries, write_file)
    return large


def read(path, large=True):
    """The results of a run.

    Args:
      path: results.json or the run folder; files of before they were signed are read, too.
      large: whether to read results.npz, where there is one.

    Raises:
      Damaged: if one of the files is not as it was written.
      UserError: if they were written by a newer version, or a run was killed between the two.
    """
    path = pathlib.Path(path)
    path = path / RESULTS if path.is_dir() else path
    results = checked(files.read_json(path, ADVICE), path)
    found = results.pop(files.FORMAT, FORMAT)
    if found != FORMAT:
        raise UserError(f"{path}: expected format {FORMAT} or none, got {found}: a newer version has written it")
    beside = results.pop(_BESIDE, None)
    if beside is None or not large:
        return results
    return results | _read_large(path.with_name(LARGE), beside.get("sha256"))


def _read_large(path, digest):
    if not path.is_file():
        raise UserError(f"{path}: expected it beside {RESULTS}, which names it, found none; {LARGE_ADVICE}")
    files.check_signature(path, LARGE_ADVICE)
    if files.sha256(path) != digest:
        raise UserError(
            f"{path}: expected the file that {RESULTS} names, got another, as a run was killed between the two; give "
            "the run's last command again"
        )
    return _decoded_file(path)


def checked(results, path, advice=ADVICE):
    """The results, if they are of the kinds that they should be.

    Raises:
      Damaged: if they are not.
    """
    if not isinstance(results, dict):
        raise files.damaged(path, f"expected results, got {type(results).__name__}", advice)
    for name, kind in _KINDS.items():
        if not isinstance(results.get(name, kind()), kind):
            raise files.damaged(path, f"{name}: expected a {kind.__name__}, got {results[name]!r:.40}", advice)
    for name, kind in _KINDS_WITHIN.items():
        for entry in results.get(name, ()):
            if not isinstance(entry, kind):
                raise files.damaged(path, f"{name}: expected {_MANY[kind]}, got {entry!r:.40}", advice)
    if not all(type(label) is int for task in results.get("tasks", ()) for label in task):
        raise files.damaged(path, "tasks: expected lists of labels", advice)
    return results


@contextlib.contextmanager
def entries_told(place):
    """Turns what missing entries or entries of other kinds lead to into `Damaged`; place: of what was read.

    What has the right checksum may come from a stranger all the same.
    """
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError) as error:
        found = f"an entry is missing or of another kind ({type(error).__name__}: {shown(error, most=200)})"
        raise files.damaged(place, found, "restore it from a copy, or delete it and begin anew") from error


def to_checkpoint(large):
    """The arrays that a checkpoint has of the results. large: of `packed`."""
    return {} if large is None else {_IN_CHECKPOINT: np.frombuffer(large, np.uint8)}


def from_checkpoint(entries, arrays):
    """The results of a checkpoint, whose arrays lose what `to_checkpoint` gave them.

    Raises:
      Damaged: if that is no .npz.
    """
    data = arrays.pop(_IN_CHECKPOINT, None)
    if data is None:
        return entries
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / LARGE
        path.write_bytes(np.asarray(data, np.uint8).tobytes())
        return entries | _decoded_file(path)


def _decoded_file(path):
    arrays = read_members(path, advice=LARGE_ADVICE)
    try:
        return _decoded(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise Damaged(f"{path} is damaged: its arrays do not belong together; {LARGE_ADVICE}") from error


def _matrix(name, counts):
    """Counts in the smallest type that holds them."""
    counts = np.asarray(counts)
    return {name: counts.astype(np.min_scalar_type(int(counts.max(initial=0))))}


def _encoded(name, rows):
    """Rows that are lists of numbers, dicts of such lists, or None, as arrays."""
    keys = dict.fromkeys(key for row in rows if isinstance(row, dict) for key in row)
    if not keys:
        return _ragged(name, rows)
    parts = [_ragged(f"{name}/{key}", [row and row[key] for row in rows]) for key in keys]
    return {name: array for part in parts for name, array in part.items()}


def _ragged(name, rows):
    """Lists of different lengths as one array and their lengths, -1 for None; in a list NaN stands for None."""
    lengths = [-1 if row is None else len(row) for row in rows]
    whole = all(type(value) is int for row in rows for value in row or ())
    values = np.zeros([len(rows), max([0, *lengths])], int) if whole else np.full([len(rows), max(lengths)], np.nan)
    for target, row in zip(values, rows, strict=True):
        target[: len(row or ())] = np.array(row or (), values.dtype)
    return {name: values, f"{name}/{_LENGTHS}": np.array(lengths, np.int32)}


def _decoded(arrays):
    """The inverse of `_encoded`, for all entries."""
    entries = {}
    for path, values in arrays.items():
        if path == "confusion":
            entries[path] = values
        elif not path.endswith(f"/{_LENGTHS}"):
            name, _, key = path.partition("/")
            rows = _rows(values, arrays[f"{path}/{_LENGTHS}"])
            if key:
                earlier = entries.setdefault(name, [None if row is None else {} for row in rows])
                for entry, row in zip(earlier, rows, strict=True):
                    if row is not None:
                        entry[key] = row
            else:
                entries[name] = rows
    return entries


def _rows(values, lengths):
    return [
        None if length < 0 else [None if v != v else v for v in row[:length].tolist()]
        for row, length in zip(values, lengths, strict=True)
    ]
