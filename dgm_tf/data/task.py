"""One step of a stream."""

import dataclasses
import numbers

import numpy as np

from dgm_tf.data.arrays import Split
from dgm_tf.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One step of the stream.

    index: position in the stream, from 0; classes: learning-order labels, consecutive; class_names: the data
    set's own names of these classes; train, validation (held out of the training images), test: `Split`s.
    """

    index: int
    classes: tuple[int, ...]
    class_names: tuple[str, ...]
    train: Split
    validation: Split
    test: Split

    def num_trained(self, label):
        """Number of the class's training and validation images."""
        return sum(int(np.sum(split.labels == label)) for split in (self.train, self.validation))

    def following(self, num_tasks, num_classes):
        """The same task as it comes after `num_tasks` others that brought `num_classes` classes; integers >= 0."""
        for argument, value in {"num_tasks": num_tasks, "num_classes": num_classes}.items():
            check_interval(argument, value, numbers.Integral, 0, 2**31)
        splits = {
            name: Split(split.images, split.labels + np.int32(num_classes))
            for name in ("train", "validation", "test")
            for split in [getattr(self, name)]
        }
        classes = tuple(label + num_classes for label in self.classes)
        return dataclasses.replace(self, index=self.index + num_tasks, classes=classes, **splits)


def check_interval(argument, value, kind, low, high):
    """Raises UserError for what is no number of the kind in [low, high)."""
    if not isinstance(value, kind) or isinstance(value, bool) or not low <= value < high:
        expected = "an integer" if kind is numbers.Integral else "a number"
        raise UserError(f"{argument}: expected {expected} in [{low}, {high}), got {value!r}")
