"""Warnings about a data set: duplicate images, and levels that use a small part of their range."""

import numpy as np

from dgm_tf.data.class_names import lookalikes
from dgm_tf.data.fingerprints import facts_of
from dgm_tf.data.rows import Rows
from dgm_tf.text import listed, shown

_EXAMPLES = 3
_NAMED = 5
# Levels, of 255, that all images of a data set, or those of a class, should span at least.
_ALL_SPAN, _CLASS_SPAN = 128, 65
_LEVEL_ADVICE = (
    "if they were not meant so, save them with levels up to 255 (those from 0 to 1 times 255), or set "
    "ImageFolder.white to the level that is white, such as 4095 for 12 of 16 bits"
)


def of_arrays(arrays, places):
    """Returns the warnings about a data set, as sentences.

    Images that are too many for memory, and of which nothing is known yet, are left alone: all had to be read for that.

    Args:
        arrays: `Arrays`.
        places: int [classes], for each of its labels the place in the order of learning; -1 for what is not learned.
    """
    by_place = {place: arrays.class_names[label] for label, place in enumerate(places) if place >= 0}
    names = [by_place[place] for place in sorted(by_place)]
    images = arrays.train_images, arrays.test_images
    told = [*arrays.notes, *filter(None, [lookalikes(names)])]
    if arrays.facts is None and any(isinstance(part, Rows) for part in images):
        return told
    facts = np.concatenate(arrays.facts or [facts_of(part) for part in images])
    labels = places[np.concatenate([arrays.train_labels, arrays.test_labels])]
    is_test = np.arange(len(facts)) >= len(images[0])
    kept = np.flatnonzero(labels >= 0)

    def name(i):
        return _name(arrays, is_test[kept[i]], kept[i] - is_test[kept[i]] * len(images[0]))

    told += _repeated(facts["digest"][kept], labels[kept], is_test[kept], name)
    return told + list(_levels(facts[kept], labels[kept], names))


def _name(arrays, is_test, row):
    """Text that identifies an image to a person."""
    if arrays.place is not None:
        return arrays.place("test" if is_test else "train", row)
    labels = arrays.test_labels if is_test else arrays.train_labels
    return f"{'test' if is_test else 'training'} image {row} ({arrays.class_names[labels[row]]})"


def _repeated(digests, labels, is_test, name):
    """Warnings about equal images in two classes, or in training and test."""
    _, group, counts = np.unique(digests, return_inverse=True, return_counts=True)
    several = np.flatnonzero(counts[group] > 1)
    several = several[np.argsort(group[several], kind="stable")]
    twins = np.split(several, np.flatnonzero(np.diff(group[several])) + 1) if len(several) else []
    mixed = [rows for rows in twins if np.ptp(labels[rows])]
    leaked = [rows for rows in twins if 0 < is_test[rows].sum() < len(rows)]
    if mixed:
        yield (
            f"images with the same pixels in more than one class: {sum(map(len, mixed))}, such as "
            f"{_pairs(mixed, labels, name)}: no classifier can tell these apart; keep each in one class"
        )
    if leaked:
        yield (
            f"test images with the same pixels as training images: {sum(int(is_test[rows].sum()) for rows in leaked)}, "
            f"such as {_pairs(leaked, is_test, name)}: accuracies on them are no test; keep each in one"
        )


def _pairs(groups, kinds, name):
    """Examples: two images of different kinds from each group."""
    pairs = [(rows[0], rows[np.flatnonzero(kinds[rows] != kinds[rows[0]])[0]]) for rows in groups[:_EXAMPLES]]
    return ", ".join(f"{shown(name(a))} = {shown(name(b))}" for a, b in pairs)


def _levels(facts, labels, class_names):
    """Warnings about levels that use a small part of their range."""
    if not len(facts):
        return
    low, high = int(facts["low"].min()), int(facts["high"].max())
    if high - low < _ALL_SPAN:
        yield f"the levels of all images lie between {low} and {high} of 255: {_LEVEL_ADVICE}"
        return
    lows, highs = np.full(len(class_names), 255), np.zeros(len(class_names), int)
    np.minimum.at(lows, labels, facts["low"])
    np.maximum.at(highs, labels, facts["high"])
    narrow = np.flatnonzero((highs - lows < _CLASS_SPAN) & (highs >= lows))
    if len(narrow):
        few = listed([f"{shown(class_names[c], most=40)} ({lows[c]} to {highs[c]})" for c in narrow], _NAMED)
        yield f"levels use a small part of 0 to 255 in classes {few}: {_LEVEL_ADVICE}"
