"""A data set divided into tasks."""

import dataclasses

import numpy as np

from dgm_tf.data import excerpts
from dgm_tf.data.arrays import Arrays, Split, resized
from dgm_tf.errors import UserError


@dataclasses.dataclass(eq=False)
class Division:
    """The images of all tasks, in learning-order labels.

    class_names: in the order of learning; ranges: the labels of each task; places: int [classes of the data set], for
    each of its own labels the place in the order of learning, -1 for what is not learned; train, validation, test: a
    `Split` for each task; who has passed a task's training images puts None there.
    """

    class_names: tuple[str, ...]
    ranges: list[range]
    places: np.ndarray
    train: list
    validation: list
    test: list

    def __post_init__(self):
        self.train_sizes = [len(split) for split in self.train]
        self.excerpt = excerpts.of_splits([*self.train, *self.test])
        parts = (self.train, self.validation, self.test)
        counts = [[np.bincount(s.labels, minlength=len(self.class_names)) for s in part] for part in parts]
        self.counts = np.sum(counts, axis=1).T  # int [classes, 3]


def divide(arrays: Arrays, order, ranges, held_out, image_size) -> Division:
    """The `Division` of a data set.

    Args:
        arrays: the data set.
        order: int [classes], its labels in the order of learning.
        ranges: places in `order` of each task, as of `order.task_ranges`; what comes after them is not learned.
        held_out: bool [N], which training images are for validation.
        image_size: to which images are resized.

    Raises:
        UserError: a class has no test images.
    """
    order = order[: ranges[-1].stop]
    _check_tested(order, arrays)
    places = np.full(len(arrays.class_names), -1, np.int32)
    places[order] = np.arange(len(order))

    def by_task(images, labels):
        masks = [(labels >= classes.start) & (labels < classes.stop) for classes in ranges]
        return [Split(resized(images[mask], image_size), labels[mask]) for mask in masks]

    labels = places[arrays.train_labels]
    return Division(
        class_names=tuple(arrays.class_names[label] for label in order),
        ranges=ranges,
        places=places,
        train=by_task(arrays.train_images, np.where(held_out, np.int32(-1), labels)),
        validation=by_task(arrays.train_images, np.where(held_out, labels, np.int32(-1))),
        test=by_task(arrays.test_images, places[arrays.test_labels]),
    )


def _check_tested(order, arrays):
    untested = np.setdiff1d(order, arrays.test_labels)
    if untested.size:
        names = ", ".join(arrays.class_names[label] for label in untested[:5])
        raise UserError(f"source: {untested.size} classes to learn have no test images, such as {names}")
