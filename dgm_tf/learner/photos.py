"""Labels for photos in files, prepared as `ImageFolder` prepares those that a learner is trained on."""

import pathlib
from typing import NamedTuple

import numpy as np

from dgm_tf import checks, limits, stopping
from dgm_tf.data.sources import store
from dgm_tf.data.sources.photos import list_photos
from dgm_tf.errors import UserError


class Photo(NamedTuple):
    """A file, and what a learner takes it for.

    path: of the file; guesses: (class name, probability), the most probable first, () for what cannot be read;
    image: uint8 [H, W, C], what the classifier saw; error: why the file cannot be read, "" where it can.
    known: whether it is of a learned class; score: of `Learner.known`; None where the method cannot tell.
    """

    path: pathlib.Path
    guesses: tuple
    image: np.ndarray
    error: str
    known: bool | None = None
    score: float | None = None


def label_photos(learner, directory, most=3, max_pixels=limits.MAX_PIXELS, white=None):
    """Yields a `Photo` for each file in a folder and its subfolders, sorted by name.

    The files are read a few at a time: memory does not grow with their number.

    Args:
      learner: `Learner` that has learned a task.
      directory: the folder.
      most: guesses for each photo, where there are as many classes.
      max_pixels, white: as of `ImageFolder`.

    Raises:
      UserError: if there is no such folder, no file in it, or an argument is not as described.
    """
    files = list_photos(directory).files
    yield from label_files(learner, files, decoding_for(learner, max_pixels, white), most)


def decoding_for(learner, max_pixels=limits.MAX_PIXELS, white=None):
    """`store.Decoding` of photos for a learner; arguments and errors as of `label_photos`."""
    from dgm_tf.learner.learner import check_learner

    check_learner(learner)
    if not learner.num_tasks:
        raise UserError("learner: expected one that has learned a task, got one that has not")
    height, width, channels = learner.image_shape
    if height != width or channels not in (1, 3):
        raise UserError(
            f"learner: expected one of square images, grey or RGB, got one of {height}x{width} pixels and {channels} "
            "channels, for which photos cannot be prepared"
        )
    return store.decoding(height, channels, max_pixels, white)


def label_files(learner, files, decoding, most=3):
    """Yields a `Photo` for each path in a list; decoding: of `decoding_for`; most: at least 1."""
    checks.integer_in("most", most, "[1, inf)")
    for start, images, reasons in store.decoded(files, decoding):
        stopping.check()
        readable = [row for row, why in enumerate(reasons) if not why]
        guesses = dict(zip(readable, _guesses(learner, images[readable], most), strict=True))
        known = dict(zip(readable, _known(learner, images[readable]), strict=True))
        for row, why in enumerate(reasons):
            answers = known.get(row, (None, None))
            yield Photo(files[start + row], guesses.get(row, ()), images[row], why.decode(), *answers)


def _known(learner, images):
    """For each image (whether it is known, its score)."""
    if not len(images) or not learner.method.tells_known:
        return [(None, None)] * len(images)
    found = learner.known(images)
    return [(bool(known), float(score)) for known, score in zip(*found, strict=True)]


def _guesses(learner, images, most):
    """For each image `most` pairs (class name, probability): by the softmax of the logits."""
    if not len(images):
        return []
    logits = learner.logits(images).astype(np.float64)
    shares = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    best = np.argsort(-logits, axis=1, kind="stable")[:, :most]  # of equal ones the first, as `classify` has it
    names = learner.class_names
    return [
        tuple((names[label], float(row[label])) for label in labels) for row, labels in zip(shares, best, strict=True)
    ]
