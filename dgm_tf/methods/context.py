"""Context of a task, or of forgetting: what a method may know of it."""

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
    def title(self):
        """What messages call it, such as "task 3"."""
        return f"task {self.index + 1}"

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


@dataclasses.dataclass(frozen=True)
class Rest:
    """Classes that stay when others are forgotten, in the place of a `data.Task`: there is no image of them.

    Attributes: see `data.Task`; labels are the new ones.
    """

    index: int
    classes: tuple
    class_names: tuple


@dataclasses.dataclass(frozen=True)
class RestContext(TaskContext):
    """What a method may know when it forgets classes; `task` is a `Rest`, and `task_classes` are those that stay.

    Attributes:
      count: int, images of each class to learn from; a method that replays sets it.
    """

    count: int = 0

    @property
    def title(self):
        """What messages call it."""
        return "the other classes"

    @property
    def task_seed(self):
        """int, of all that is trained anew."""
        return int(numpy_generator(self.seed, "forget", len(self.task_classes), self.num_classes).integers(2**31))

    @property
    def images_per_class(self):
        """As `count`."""
        return self.count
