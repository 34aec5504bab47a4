"""Labels of a NumPy archive, converted to integers from 0 and class names."""

import collections

import numpy as np

from dgm_tf import limits
from dgm_tf.data.class_names import why_no_name
from dgm_tf.errors import UserError
from dgm_tf.text import shown


def numbered(where, parts, class_names=None):
    """([labels int64 [N] of each part], class names by label).

    Args:
        where: the archive, for messages.
        parts: arrays [N] or [N, 1], such as those for training and for the test.
        class_names: array [classes]; None: the labels themselves are the names.

    Raises:
        UserError: labels of different kinds, names that are none, or labels without a name.
    """
    parts = [_plain(where, part.reshape(-1)) for part in parts]
    kinds = {part.dtype.kind for part in parts}
    if len(kinds) > 1:
        raise UserError(f"{where}: expected labels of one kind, got {' and '.join(str(p.dtype) for p in parts)}")
    if class_names is not None and kinds == {"i"}:
        names = tuple(map(str, _plain(where, class_names).tolist()))
        _check_range(where, parts, names)
    else:
        values = np.unique(np.concatenate(parts))
        names = tuple(map(str, values.tolist()))
        parts = [np.searchsorted(values, part) for part in parts]
    _check_names(where, names)
    return parts, names


def _plain(where, labels):
    """Converts labels to int64 or text."""
    kind = labels.dtype.kind
    if kind in "US":
        return labels if kind == "U" else _decoded(where, labels)
    if kind == "f" and not (np.isfinite(labels).all() and (labels == np.rint(labels)).all()):
        raise UserError(f"{where}: expected labels, integers or text, got {labels.dtype} that are no whole numbers")
    if labels.size and not -(2.0**53) <= float(labels.min()) <= float(labels.max()) <= 2.0**53:
        raise UserError(f"{where}: expected labels below 2**53, got {labels.min()} to {labels.max()}")
    return labels.astype(np.int64)


def _decoded(where, labels):
    try:
        return np.char.decode(labels, "utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: expected names as UTF-8 text, got bytes that are none ({error.reason})") from error


def _check_range(where, parts, names):
    low = min((int(part.min()) for part in parts if part.size), default=0)
    high = max((int(part.max()) for part in parts if part.size), default=0)
    if low >= 0 and high < len(names):
        return
    advice = ": if they begin at 1, subtract 1" if low == 1 and high == len(names) else ""
    raise UserError(
        f"{where}: expected labels from 0 to {len(names) - 1}, one for each of class_names, got {low} to {high}{advice}"
    )


def _check_names(where, names):
    if len(names) > limits.MAX_CLASSES:
        raise UserError(f"{where}: expected at most {limits.MAX_CLASSES} classes, got {len(names)}")
    for name in names:
        if why := why_no_name(name):
            raise UserError(f"{where}: expected names of classes, got {shown(repr(name), most=60)}: {why}")
    if len(set(names)) != len(names):
        twice = collections.Counter(names).most_common(1)[0][0]
        raise UserError(f"{where}: expected class_names that differ, got {shown(repr(twice), most=60)} twice")
