"""Class-incremental stream of a data set: each task brings new classes, and no class returns."""

import copy
import functools
import logging
import numbers

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.data import cautions
from dgm_tf.data.arrays import resized
from dgm_tf.data.class_names import position
from dgm_tf.data.division import divide
from dgm_tf.data.order import check_order, check_sizes, resolve_order, task_ranges, task_sizes, validation_mask
from dgm_tf.data.overview import overview
from dgm_tf.data.protocol import Stream
from dgm_tf.data.source import as_source
from dgm_tf.data.task import Task
from dgm_tf.errors import UserError

_log = logging.getLogger("dgm_tf")


class PastTaskError(UserError):
    """Raised when training images of a past task are requested."""


@gin.register
class ClassIncrementalStream(Stream):
    """Yields the classes of a data set task by task. Nothing of an earlier task is available.

    A class is its learning-order label everywhere: 0 for the class learned first. The data set is loaded when
    something of it is first asked for.

    Args:
        source: a `Source`, such as `TFDS("mnist")`.
        classes_per_task: one size for all tasks, a list of sizes, or None: one task of all classes.
        num_tasks: length of the stream; None for as many tasks as classes or sizes allow.
        class_order: "natural" (the data set's own), "random" (drawn with `seed`), or the data set's labels or
            class names in the order wanted; classes left out are not learned.
        seed: of the random order and the validation split, apart from the training seed. In [0, 2**32).
        validation_fraction: share of each class's training images that is held out, in [0, 1); 0 where each counts and
            no epoch is chosen by them.
        image_size: height and width to which images are resized, in pixels.

    Raises:
        UserError: an argument is not as described; what depends on the data set shows when it is loaded.

    Reference: Ostapenko et al., Learning to Remember, CVPR 2019, section 3.
    """

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
        self._source = as_source(source)
        self.is_like_imagenet = self._source.is_like_imagenet
        check_sizes(classes_per_task, num_tasks)
        check_order(class_order)
        if not isinstance(class_order, str) and classes_per_task is not None:
            task_sizes(classes_per_task, num_tasks, len(class_order))
        checks.integer_in("seed", seed, checks.SEEDS)
        checks.number_in("validation_fraction", validation_fraction, "[0, 1)")
        checks.integer_in("image_size", image_size, "[1, 65536)")
        decoded_at = self._source.size
        if decoded_at not in (None, image_size):
            raise UserError(
                f"image_size: expected {decoded_at}, at which {type(source).__name__} (its size) decodes images, got "
                f"{image_size}; set both to the same, in gin/image_folder.gin by image_size = {image_size}"
            )
        self._classes_per_task, self._num_tasks, self._class_order = classes_per_task, num_tasks, class_order
        self._seed, self._validation_fraction, self._image_size = seed, validation_fraction, image_size
        self._latest, self._begun, self._tells = -1, (), True

    @property
    def name(self):
        """The source's name."""
        return self._source.name

    @property
    def num_tasks(self):
        return len(self._division.ranges)

    @property
    def class_names(self):
        return self._division.class_names

    @property
    def train_sizes(self):
        return self._division.train_sizes

    @property
    def report(self):
        self._division  # noqa: B018 - loads the source, whose report this is
        own, told = self._source.report, {"cautions": list(self._cautions)} if self._cautions else {}
        return {**(own or {}), **told} if told else own

    @property
    def overview(self):
        return overview(self.class_names, self._division.counts, self.report)

    @property
    def image_shape(self):
        """(height, width, channels) of every image."""
        return self._division.test[0].images.shape[1:]

    @property
    def excerpt(self):
        """Excerpt that identifies these images in results.json: see `excerpts.of_splits`."""
        return self._division.excerpt

    @property
    def validation_split(self):
        """(fraction, seed) of the validation split."""
        return self._validation_fraction, self._seed

    def begun_as(self, class_names):
        """Keeps the order in which a run has begun to learn classes: "natural" meant that of letters once, 10 before 2.

        class_names: of that run, in learning order; ignored where they are not the first of the classes here.
        """
        self._begun = tuple(class_names)

    def keep_in(self, folder):
        """Names the source's cache folder."""
        self._source.keep_in(folder)

    def task_classes(self, t):
        return tuple(self._division.ranges[self._checked(t)])

    def task(self, t):
        """Returns task t with its real images and drops the training images of the tasks before it.

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
        division = self._division
        division.train[:t] = [None] * t
        self._latest = t
        classes = self.task_classes(t)
        names = division.class_names[classes[0] : classes[-1] + 1]
        return Task(t, classes, names, division.train[t], division.validation[t], division.test[t])

    def test_split(self, t):
        return self._division.test[self._checked(t)]

    def past_validation(self, t):
        """Real validation images of an earlier task, for the "published" protocol only.

        This is not strict: a learner that uses them, if only to choose an epoch, has looked at the past.

        Raises:
            UserError: task t has not been passed yet.
        """
        if self._checked(t) >= self._latest:
            raise UserError(f"t: expected a task before the latest one ({self._latest}), got {t}")
        return self._division.validation[t]

    def fresh_copy(self):
        """Returns the same stream at its beginning, loaded again.

        For what stands outside the strict setting: upper bounds, and classifiers that only measure.
        """
        fresh = copy.copy(self)
        vars(fresh).pop("_division", None)
        fresh._latest, fresh._tells = -1, False  # what there is to tell has been told
        return fresh

    def with_source(self, source, classes_per_task=1, class_order="natural"):
        """Returns a stream of another source with the same splits and image size."""
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

    def _checked(self, t):
        fits = checks.inside(t, f"[0, {self.num_tasks})", numbers.Integral)
        checks.argument("t", t, fits, f"a task from 0 to {self.num_tasks - 1}")
        return t

    @functools.cached_property
    def _division(self):
        arrays = self._source.load()
        order = self._order(arrays)
        ranges = task_ranges(task_sizes(self._classes_per_task, self._num_tasks, len(order)))
        held_out = validation_mask(arrays.train_labels, self._validation_fraction, self._seed, arrays.class_keys)
        division = divide(arrays, order, ranges, held_out, self._image_size)
        self._cautions = cautions.of_arrays(arrays, division.places) if self._tells else []
        for sentence in self._cautions:
            _log.warning("Data: %s", sentence)
        return division

    def _order(self, arrays):
        """Returns the data set's labels in learning order."""
        available = np.unique(arrays.train_labels)
        order = resolve_order(self._class_order, arrays.class_names, available, self._seed, arrays.natural_order)
        if isinstance(self._class_order, str) and self._class_order == "natural" and self._begun:
            earlier = tuple(arrays.class_names[label] for label in available[: len(self._begun)])
            return available if earlier == self._begun else order
        return order
