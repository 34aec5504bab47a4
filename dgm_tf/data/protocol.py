"""Protocol of streams, shared by that of a data set and that of a finished run with new classes."""

import abc
from collections.abc import Iterator

from dgm_tf.data.arrays import Split
from dgm_tf.data.task import Task


class Stream(abc.ABC):
    """Tasks in the order in which a run learns them.

    Attributes:
        is_like_imagenet: as of its source.
        complete: whether all real images of the stream can be had anew, for what only measures: then it has
            `ClassIncrementalStream.fresh_copy`.
    """

    complete: bool = True
    is_like_imagenet: bool = False

    @property
    def caution(self) -> str | None:
        """Sentence to show before the run begins, or None."""
        return None

    @property
    @abc.abstractmethod
    def class_names(self) -> tuple[str, ...]:
        """Names of all classes of the stream, in learning order."""

    @property
    @abc.abstractmethod
    def num_tasks(self) -> int:
        """Length of the stream."""

    @property
    @abc.abstractmethod
    def train_sizes(self) -> list[int]:
        """Number of training images of each task that still has images, without validation images."""

    @property
    @abc.abstractmethod
    def report(self) -> dict | None:
        """Report on the data for JSON, such as skipped files and warnings, or None."""

    @property
    @abc.abstractmethod
    def overview(self) -> list[str]:
        """Summary of the data, as lines to print."""

    @abc.abstractmethod
    def task_classes(self, t: int) -> tuple[int, ...]:
        """Labels of task t, in learning order."""

    @abc.abstractmethod
    def task(self, t: int) -> Task:
        """Returns task t with its real images. Training images of earlier tasks are gone from then on."""

    @abc.abstractmethod
    def test_split(self, t: int) -> Split:
        """Test images of task t, if there are any. For evaluation only; available for any task at any time."""

    @property
    def num_classes(self) -> int:
        """Number of classes at the end of the stream."""
        return len(self.class_names)

    def __iter__(self) -> Iterator[Task]:
        """Yields the tasks in order. A stream can be iterated once."""
        for t in range(self.num_tasks):
            yield self.task(t)
