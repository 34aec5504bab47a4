"""Task: one step of a stream."""

import dataclasses

import numpy as np

from dgm_tf import checks
from dgm_tf.data.arrays import Split


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """One step of a stream: new classes with their training, validation and test images.

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
        """Returns the same task, moved behind `num_tasks` earlier tasks with `num_classes` classes in all."""
        checks.integer_in("num_tasks", num_tasks, "[0, inf)")
        checks.integer_in("num_classes", num_classes, f"[0, {2**31})")

        def later(split):
            return Split(split.images, split.labels + np.int32(num_classes))

        return dataclasses.replace(
            self,
            index=self.index + num_tasks,
            classes=tuple(label + num_classes for label in self.classes),
            train=later(self.train),
            validation=later(self.validation),
            test=later(self.test),
        )
