"""Summary of a data set, printed before training."""

import numpy as np

from dgm_tf.text import shown

_LISTED = 20  # classes, up to which each has a line
_NAME = 40  # characters of a class's name
_REASONS = 6
_PARTS = ("training", "validation", "test")


def overview(class_names, counts, report=None):
    """Lines of text, safe to print as they are.

    Args:
        class_names: of the classes learned, in their order.
        counts: int [classes, 3], images for training, validation and test.
        report: of the source; see `ClassIncrementalStream.report`.
    """
    counts = np.asarray(counts, int).reshape(-1, 3)
    lines = _table(class_names, counts) if len(class_names) <= _LISTED else _summary(class_names, counts)
    if count := (report or {}).get("num_skipped"):
        told = [f"{number} {shown(why, most=60)}" for why, number in list(report["reasons"].items())[:_REASONS]]
        others = count - sum(list(report["reasons"].values())[:_REASONS])
        lines.append(f"left out: {count} ({'; '.join(told)}{f'; {others} for other reasons' if others else ''})")
    return lines


def _title(class_names, counts):
    parts = ", ".join(f"{n} for {part}" for n, part in zip(counts.sum(axis=0), _PARTS, strict=True))
    classes = "1 class" if len(class_names) == 1 else f"{len(class_names)} classes"
    return f"{classes}, images: {parts}"


def _table(class_names, counts):
    names = [shown(name, most=_NAME) for name in class_names]
    width = max(map(len, names))
    head = f"  {'':{width}}" + "".join(f"{part:>12}" for part in _PARTS)
    rows = [f"  {name:{width}}" + "".join(f"{n:>12}" for n in row) for name, row in zip(names, counts, strict=True)]
    return [_title(class_names, counts), head, *rows]


def _summary(class_names, counts):
    ends = [", ".join(shown(name, most=_NAME) for name in part) for part in (class_names[:3], class_names[-2:])]
    of_each = ", ".join(
        f"{part} {low}" if low == high else f"{part} {low} to {high}"
        for part, low, high in zip(_PARTS, counts.min(axis=0), counts.max(axis=0), strict=True)
    )
    return [_title(class_names, counts), f"  {ends[0]}, ..., {ends[1]}", f"  images of each class: {of_each}"]
