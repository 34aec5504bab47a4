"""Context of a task: what a method may know of it."""

import dataclasses

from dgm_tf.training.randomness import numpy_generator


@dataclasses.dataclass(frozen=True)
class TaskContext:
    """One task, as a method sees it.

    Attributes:
      task: `data.Task`: its real images, and no other task's.
      task_classes: for each task so far, the present one last, its classes (learning order).
      image_shape: (H, W, C).
      seed: int, of the training.
    """

    task: object
    task_classes: tuple
    image_shape: tuple
    seed: int

    @property
    def index(self):
        """0-based position of the task, an int."""
        return int(self.task.index)

    @property
    def task_seed(self):
        """int, of this task's training."""
        return int(numpy_generator(self.seed, "task", self.index).integers(2**31))

    @property
    def num_classes(self):
        """Number of classes seen so far, including the current task's."""
        return sum(len(classes) for classes in self.task_classes)

    @property
    def images_per_class(self):
        """n: how many training images a class of this task has on average."""
        return round(len(self.task.train) / len(self.task.classes))

    @property
    def earlier_classes(self):
        """Classes of all tasks before."""
        return [c for classes in self.task_classes[:-1] for c in classes]
