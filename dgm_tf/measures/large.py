"""Entries of results that hold a number for each class, pair of classes or epoch, as arrays of an .npz."""

import numpy as np

from dgm_tf.disk import files
from dgm_tf.disk.npz import read_members
from dgm_tf.errors import Damaged

_LENGTHS = "lengths"


def to_bytes(entries):
    """Bytes of an .npz with the entries: lists over tasks of lists of numbers, of dicts of such or of None; matrices.

    Args:
      entries: {name: entry}; a numpy matrix of counts stays one.
    """
    arrays: dict[str, np.ndarray] = {}
    for name, entry in entries.items():
        arrays |= _matrix(name, entry) if isinstance(entry, np.ndarray) else _encoded(name, entry)
    return files.npz_bytes(arrays, compress=True)


def read(path, advice):
    """The inverse of `to_bytes`, of a file.

    Raises:
      Damaged: if it is no such file.
    """
    arrays = read_members(path, advice=advice)
    try:
        return _decoded(arrays)
    except (KeyError, ValueError, IndexError, TypeError) as error:
        raise Damaged(f"{path} is damaged: its arrays do not belong together; {advice}") from error


def _matrix(name, counts):
    """Counts in the smallest type that holds them."""
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
    """The inverse of `_encoded`, for all entries; what has no lengths is a matrix."""
    entries = {}
    for path, values in arrays.items():
        if path.endswith(f"/{_LENGTHS}"):
            continue
        lengths = arrays.get(f"{path}/{_LENGTHS}")
        if lengths is None:
            entries[path] = values
            continue
        name, _, key = path.partition("/")
        rows = _rows(values, lengths)
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
