"""The protocol of streams: of a data set's, and of one that goes on with new classes."""

import abc
from collections.abc import Iterator

from dgm_tf.data.arrays import Split
from dgm_tf.data.task import Task


class Stream(abc.ABC):
    """What a run asks of the tasks that it learns, one after the other.

    Attributes:
        complete: whether all real images of the stream can be had anew, for what only measures: then it has
            `ClassIncrementalStream.fresh_copy`.
    """

    complete: bool = True

    @property
    def caution(self) -> str | None:
        """A sentence that a person should read before the run begins; None: nothing."""
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
        """Number of training images of each task that there are images of, the validation images left out."""

    @property
    @abc.abstractmethod
    def report(self) -> dict | None:
        """What there is to tell of the data, for JSON, such as files left out and cautions; None: nothing."""

    @property
    @abc.abstractmethod
    def overview(self) -> list[str]:
        """What was understood of the data, as lines of text to print."""

    @abc.abstractmethod
    def task_classes(self, t: int) -> tuple[int, ...]:
        """Learning-order labels that task t brings."""

    @abc.abstractmethod
    def task(self, t: int) -> Task:
        """Task t with its real images, from which on those of the tasks before it are gone."""

    @abc.abstractmethod
    def test_split(self, t: int) -> Split:
        """Test images of task t, as far as there are any, of any task at any time: for evaluation only."""

    @property
    def num_classes(self) -> int:
        """How many classes have been learned at the end of the stream."""
        return len(self.class_names)

    def __iter__(self) -> Iterator[Task]:
        """The tasks in their order; a stream can be gone through once."""
        for t in range(self.num_tasks):
            yield self.task(t)
