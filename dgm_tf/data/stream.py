"""A data set as a strict stream of tasks: each brings new classes, and none comes back."""

import dataclasses
import functools
import logging
import numbers

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.data import cautions, excerpts
from dgm_tf.data.arrays import Split, resized
from dgm_tf.data.class_names import position
from dgm_tf.data.order import check_order, check_sizes, resolve_order, task_ranges, task_sizes, validation_mask
from dgm_tf.data.overview import overview
from dgm_tf.data.task import Task
from dgm_tf.errors import UserError

_log = logging.getLogger("dgm_tf")


class PastTaskError(UserError):
    """Real training images of a task that the stream has already passed were asked for."""


@dataclasses.dataclass(eq=False)
class _Stream:
    """All tasks' data, lists by task; what has been passed of `train` is None."""

    class_names: tuple[str, ...]
    ranges: list[range]
    train: list
    validation: list
    test: list
    cautions: tuple[str, ...] = ()

    def __post_init__(self):
        self.train_sizes = [len(split) for split in self.train]
        self.excerpt = excerpts.of_splits([*self.train, *self.test])
        parts = (self.train, self.validation, self.test)
        counts = [[np.bincount(s.labels, minlength=len(self.class_names)) for s in part] for part in parts]
        self.counts = np.sum(counts, axis=1).T


@gin.register
class ClassIncrementalStream:
    """Classes of a data set arriving task by task, in the strict setting: nothing of an earlier task can be had.

    A class is its learning-order label everywhere: 0 for the class learned first. The data set is loaded when
    something of it is first asked for.

    Args:
        source: an object with `name` and `load() -> Arrays`, such as `TFDS("mnist")`.
        classes_per_task: one size for all tasks, a list of sizes, or None: one task of all classes.
        num_tasks: length of the stream; None for as many tasks as classes or sizes allow.
        class_order: "natural" (the data set's own), "random" (drawn with `seed`), or the data set's labels or
            class names in the order wanted; classes left out are not learned.
        seed: of the random order and the validation split, apart from the training seed. In [0, 2**32).
        validation_fraction: share of each class's training images that is held out, in [0, 1).
        image_size: height and width to which images are resized, in pixels.

    Raises:
        UserError: an argument is not as described; what depends on the data set shows when it is loaded.

    Reference: Ostapenko et al., Learning to Remember, CVPR 2019, section 3.
    """

    complete = True  # whether all real images of the stream can be had anew, for what only measures
    caution = None  # what a run should say before it begins

    def __init__(
        self,
        source,
        classes_per_task=1,
        num_tasks=None,
        class_order="natural",
        seed=0,
        validation_fraction=0.1,
        image_size=32,
    ):
        _check_source(source)
        check_sizes(classes_per_task, num_tasks)
        check_order(class_order)
        if not isinstance(class_order, str) and classes_per_task is not None:
            task_sizes(classes_per_task, num_tasks, len(class_order))
        checks.integer_in("seed", seed, checks.SEEDS)
        checks.number_in("validation_fraction", validation_fraction, "[0, 1)")
        checks.integer_in("image_size", image_size, "[1, 65536)")
        decoded_at = getattr(source, "size", image_size)
        if decoded_at != image_size:
            raise UserError(
                f"image_size: expected {decoded_at}, at which {type(source).__name__} (its size) decodes images, got "
                f"{image_size}; set both, in gin/image_folder.gin by image_size = {image_size}"
            )
        self._source = source
        self._classes_per_task = classes_per_task
        self._num_tasks = num_tasks
        self._class_order = class_order
        self._seed = seed
        self._validation_fraction = validation_fraction
        self._image_size = image_size
        self._latest = -1
        self._begun, self._tells = (), True

    @property
    def name(self):
        """The source's name."""
        return self._source.name

    @property
    def num_tasks(self):
        """Length of the stream."""
        return len(self._stream.ranges)

    @property
    def num_classes(self):
        """How many classes have been learned at the end of the stream."""
        return len(self._stream.class_names)

    @property
    def class_names(self):
        """The data set's own names of all classes of the stream, in learning order."""
        return self._stream.class_names

    @property
    def image_shape(self):
        """(height, width, channels) of every image."""
        return self._stream.test[0].images.shape[1:]

    @property
    def train_sizes(self):
        """Number of training images of each task, the validation images left out."""
        return self._stream.train_sizes

    @property
    def excerpt(self):
        """What tells these images from others, for JSON: see `excerpts.of_splits`."""
        return self._stream.excerpt

    @property
    def validation_split(self):
        """(fraction, seed) of the validation split."""
        return self._validation_fraction, self._seed

    @property
    def report(self):
        """What there is to tell of the data, for JSON, such as files left out and cautions; None: nothing."""
        cautions = list(self._stream.cautions)
        report = getattr(self._source, "report", None)
        return {**(report or {}), "cautions": cautions} if cautions else report

    @property
    def overview(self):
        """What was understood of the data, as lines of text to print."""
        return overview(self.class_names, self._stream.counts, self.report)

    def begun_as(self, class_names):
        """Keeps the order in which a run has begun to learn classes: "natural" meant that of letters once, 10 before 2.

        class_names: of that run, in learning order; ignored where they are not the first of the classes here.
        """
        self._begun = tuple(class_names)

    def keep_in(self, folder):
        """Lets the source keep in `folder` what it makes of its files, where it does that and has no folder yet."""
        if getattr(self._source, "cache_dir", "") is None:
            self._source.cache_dir = folder

    def task_classes(self, t):
        """Learning-order labels that task t brings, a tuple."""
        return tuple(self._stream.ranges[self._checked(t)])

    def task(self, t):
        """Task t with its real images; moves the stream forward to t and drops the training images before it.

        Forward jumps are fine (a resumed run makes them), and so is asking again for the latest task.

        Raises:
            PastTaskError: a later task has been given already.
            UserError: there is no task t.
        """
        self._checked(t)
        if t < self._latest:
            raise PastTaskError(
                f"t: expected {self._latest} or later, got {t}; the stream is at task {self._latest}, and "
                "nothing real of the tasks before it may be read"
            )
        stream = self._stream
        stream.train[:t] = [None] * t
        self._latest = t
        classes = self.task_classes(t)
        names = stream.class_names[classes[0] : classes[-1] + 1]
        return Task(t, classes, names, stream.train[t], stream.validation[t], stream.test[t])

    def test_split(self, t):
        """Test images of task t, of any task at any time: for evaluation only."""
        return self._stream.test[self._checked(t)]

    def past_validation(self, t):
        """Real validation images of a task before the latest one, for the "published" protocol only.

        This is not strict: a learner that uses them, if only to choose an epoch, has looked at the past.

        Raises:
            UserError: task t has not been passed yet.
        """
        if self._checked(t) >= self._latest:
            raise UserError(f"t: expected a task before the latest one ({self._latest}), got {t}")
        return self._stream.validation[t]

    def fresh_copy(self):
        """The same stream at its beginning, loaded anew.

        For what stands outside the strict setting: upper bounds, and classifiers that only measure.
        """
        copy = ClassIncrementalStream(
            self._source,
            self._classes_per_task,
            self._num_tasks,
            self._class_order,
            self._seed,
            self._validation_fraction,
            self._image_size,
        )
        copy._begun, copy._tells = self._begun, False  # what there is to tell has been told
        return copy

    def with_source(self, source, classes_per_task=1, class_order="natural"):
        """A stream of other classes, with this one's splits and image size."""
        return ClassIncrementalStream(
            source, classes_per_task, None, class_order, self._seed, self._validation_fraction, self._image_size
        )

    def test_images_of(self, class_names):
        """{name: (uint8 [n, H, W, C], number of its other images)}: test images of those classes that the source has.

        For evaluation only; loads the source and keeps nothing of it.
        """
        arrays = self._source.load()
        known = {name: position(name, arrays.class_names) for name in class_names}
        return {
            name: (
                resized(arrays.test_images[arrays.test_labels == label], self._image_size),
                int(np.sum(arrays.train_labels == label)),
            )
            for name, label in known.items()
            if label is not None
        }

    def __iter__(self):
        """The tasks in their order; a stream can be gone through once."""
        for t in range(self.num_tasks):
            yield self.task(t)

    def _checked(self, t):
        if not isinstance(t, numbers.Integral) or isinstance(t, bool) or not 0 <= int(t) < self.num_tasks:
            raise UserError(f"t: expected a task from 0 to {self.num_tasks - 1}, got {t!r}")
        return t

    @functools.cached_property
    def _stream(self):
        arrays = self._source.load()
        available = np.unique(arrays.train_labels)
        order = self._order(arrays, available)
        ranges = task_ranges(task_sizes(self._classes_per_task, self._num_tasks, len(order)))
        order = order[: ranges[-1].stop]
        _check_tested(order, arrays)
        held_out = validation_mask(arrays.train_labels, self._validation_fraction, self._seed, arrays.class_keys)
        # The place of each of the data set's labels in the order of learning; -1 for those never learned.
        places = np.full(len(arrays.class_names), -1, np.int32)
        places[order] = np.arange(len(order))
        train = np.where(held_out, -1, places[arrays.train_labels])
        validation = np.where(held_out, places[arrays.train_labels], -1)
        told = self._tell(cautions.of_arrays(arrays, places)) if self._tells else ()
        return _Stream(
            class_names=tuple(arrays.class_names[label] for label in order),
            ranges=ranges,
            train=self._by_task(arrays.train_images, train, ranges),
            validation=self._by_task(arrays.train_images, validation, ranges),
            test=self._by_task(arrays.test_images, places[arrays.test_labels], ranges),
            cautions=told,
        )

    def _order(self, arrays, available):
        """The data set's labels in the order of learning."""
        order = resolve_order(self._class_order, arrays.class_names, available, self._seed, arrays.natural_order)
        if isinstance(self._class_order, str) and self._class_order == "natural" and self._begun:
            earlier = tuple(arrays.class_names[label] for label in available[: len(self._begun)])
            return available if earlier == self._begun else order
        return order

    def _tell(self, sentences):
        for sentence in sentences:
            _log.warning("Data: %s", sentence)
        return tuple(sentences)

    def _by_task(self, images, labels, ranges):
        """One `Split` for each task, of its classes alone, resized; labels: in learning order."""
        splits = []
        for classes in ranges:
            mask = (labels >= classes.start) & (labels < classes.stop)
            splits.append(Split(resized(images[mask], self._image_size), labels[mask].astype(np.int32)))
        return splits


def _check_source(source):
    if isinstance(source, type) or not callable(getattr(source, "load", None)):
        raise UserError(
            f"source: expected an object with load(), such as TFDS('mnist') (in gin: @TFDS() with brackets), "
            f"got {source!r}"
        )


def _check_tested(order, arrays):
    untested = np.setdiff1d(order, arrays.test_labels)
    if untested.size:
        names = ", ".join(arrays.class_names[label] for label in untested[:5])
        raise UserError(f"source: {untested.size} classes to learn have no test images, such as {names}")
