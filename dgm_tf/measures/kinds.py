"""Kinds of what results.json holds. A file with the right checksum may still come from a stranger."""

import contextlib

from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.measures.measure import METRICS_HEAD
from dgm_tf.text import shown

BESIDE = "beside"  # results.json's entry about results.npz
EXCERPTS = "test_excerpts"  # the one fact that may be large
LARGEST = 1e18  # of a number: sums and products of such ones are finite

_KINDS = {
    **dict.fromkeys(("class_names", "tasks", "later", "warnings", "cautions", "seconds", EXCERPTS), list),
    **dict.fromkeys(("measures", "seconds_end", "excerpt", "data", BESIDE), dict),
    "finished": bool, "protocol": str, METRICS_HEAD: str,
}  # fmt: skip
_MANY = {str: "texts", list: "lists", dict: "objects"}
_KINDS_WITHIN = {"class_names": str, "tasks": list, "later": dict, "seconds": dict, "warnings": str, "cautions": str}


def checked(entries, path, advice):
    """The entries, a dict, without those that are None and need not be there.

    Raises:
      Damaged: if entries are not of the kinds that they should be.
    """
    if not isinstance(entries, dict):
        raise files.damaged(path, f"expected results, got {type(entries).__name__}", advice)
    entries = {name: value for name, value in entries.items() if value is not None or name not in _KINDS}
    for name, kind in _KINDS.items():
        if not isinstance(entries.get(name, kind()), kind):
            raise files.damaged(path, f"{name}: expected a {kind.__name__}, got {entries[name]!r:.40}", advice)
    for name, kind in _KINDS_WITHIN.items():
        for entry in entries.get(name, ()):
            if not isinstance(entry, kind):
                raise files.damaged(path, f"{name}: expected {_MANY[kind]}, got {entry!r:.40}", advice)
    if not all(type(label) is int for task in entries.get("tasks", ()) for label in task):
        raise files.damaged(path, "tasks: expected lists of labels", advice)
    return entries


def is_number(value):
    """Whether a value is a number that can be reckoned with: no truth value, none too large, not NaN."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _is_reading(value):
    return value is None or is_number(value)


def _are_readings(value):
    return value is None or (isinstance(value, list) and all(map(_is_reading, value)))


def _are_amounts(value):
    return value is None or (isinstance(value, dict) and all(map(is_number, value.values())))


_READINGS = ("average_accuracy", "best_accuracy", "top5_average_accuracy", "gan_test", "gan_train")
_COLUMNS = {
    **dict.fromkeys(_READINGS, ("numbers", _is_reading)),
    "accuracy_matrix": ("lists of numbers", _are_readings),
    **dict.fromkeys(("seconds", "memory_bytes", "parameters"), ("objects of numbers", _are_amounts)),
}


def check_columns(columns):
    """Raises ValueError unless {name: values after each task} are lists, of what they should be where that is known."""
    for name, column in columns.items():
        if not isinstance(column, list):
            raise ValueError(f"{name}: expected a list, got {column!r:.40}")
        expected, fits = _COLUMNS.get(name, ("", lambda value: True))
        for value in column:
            if not fits(value):
                raise ValueError(f"{name}: expected {expected}, got {value!r:.40}")


@contextlib.contextmanager
def entries_told(place, advice="restore it from a copy, or delete it and start again"):
    """Converts errors of missing or wrong entries into `Damaged`; place: of what was read.

    A file with the right checksum may still come from a stranger.
    """
    try:
        yield
    except UserError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
        found = f"an entry is missing or of another kind ({type(error).__name__}: {shown(error, most=200)})"
        raise files.damaged(place, found, advice) from error
