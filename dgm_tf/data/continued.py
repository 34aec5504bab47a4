"""Stream of a finished run with new tasks appended. Images of the earlier tasks are gone."""

import numpy as np

from dgm_tf.data.arrays import Split
from dgm_tf.data.class_names import same_form
from dgm_tf.data.excerpts import alike, of_class
from dgm_tf.data.protocol import Stream
from dgm_tf.data.rows import concatenated
from dgm_tf.errors import UserError


class ContinuedStream(Stream):
    """A `Stream` like one `ClassIncrementalStream` that had all tasks from the start, as far as its images go.

    Of the earlier tasks there are no training and validation images, and test images only where the data that they
    came from are still to be had; elsewhere `test_split` is empty.

    Args:
        class_names: of the classes learned, in learning order.
        tasks: for each task learned, its labels.
        earlier: `ClassIncrementalStream`s that may still have test images of these classes, by their names.
        stream: `ClassIncrementalStream` of the new classes.
        excerpts: for each class learned, `excerpts.of_class` of its test images at that time; None, or beyond the
            list's end: not known. Where a class now has others, as its folder has changed, some of them may have
            been trained on: it counts as one without test images.

    Raises:
        UserError: a new class has the name of one that is known, or images of another shape.
    """

    complete = False

    def __init__(self, class_names, tasks, earlier, stream, excerpts=()):
        known = set(map(same_form, class_names))
        clash = [name for name in stream.class_names if same_form(name) in known]
        if clash:
            raise UserError(
                f"expected new classes, got {', '.join(map(repr, clash))}, learned before; --classes says which of the "
                "classes there to learn"
            )
        self._known, self._tasks, self._stream = tuple(class_names), [tuple(classes) for classes in tasks], stream
        told = {name: excerpt for name, excerpt in zip(self._known, excerpts, strict=False) if excerpt}
        images, self._changed = _test_images(self._known, told, earlier, stream.image_shape)
        self._tests = _test_splits(self._known, self._tasks, images, stream.image_shape)

    @property
    def num_tasks(self):
        return len(self._tasks) + self._stream.num_tasks

    @property
    def class_names(self):
        return (*self._known, *self._stream.class_names)

    @property
    def train_sizes(self):
        return self._stream.train_sizes

    @property
    def report(self):
        return self._stream.report

    @property
    def overview(self):
        return self._stream.overview

    @property
    def caution(self):
        """Sentence on what cannot be measured, or None."""
        untested = [name for t, task in enumerate(self._tasks) for name in self._untested_in(t, task)]
        if not untested:
            return None
        others = (
            f" Found images of {', '.join(self._changed)}, but not its original test images: some of them may "
            "be training images."
        )
        return (
            f"No test images are here of {', '.join(untested)}: their accuracies, and averages over all classes, stay "
            "empty. How many of their replayed images the classifier gets right stands in results.json as "
            "accuracy_on_replay." + (others if self._changed else "")
        )

    def _untested_in(self, t, task):
        there = np.unique(self._tests[t].labels)
        return [self._known[label] for label in task if label not in there]

    def task_classes(self, t):
        if t < len(self._tasks):
            return self._tasks[t]
        return tuple(label + len(self._known) for label in self._stream.task_classes(t - len(self._tasks)))

    def task(self, t):
        """Returns task t, which must be a new one."""
        return self._stream.task(t - len(self._tasks)).following(len(self._tasks), len(self._known))

    def test_split(self, t):
        if t < len(self._tasks):
            return self._tests[t]
        split = self._stream.test_split(t - len(self._tasks))
        return Split(split.images, split.labels + np.int32(len(self._known)))


def _test_images(class_names, told, earlier, image_shape):
    """({name: uint8 [n, H, W, C]} of classes whose test images are still there, names of those that have others)."""
    images: dict[str, np.ndarray] = {}
    others: dict[str, np.ndarray] = {}
    for stream in earlier:
        try:
            found = stream.test_images_of([name for name in class_names if name not in images])
        except (UserError, OSError):
            continue  # the data are not here any more, or on another machine
        for name, (part, num_others) in found.items():
            if len(part) and part.shape[1:] == image_shape:
                same = name not in told or alike(told[name], of_class(part, num_others))
                (images if same else others)[name] = part
    return images, [name for name in others if name not in images]


def _test_splits(class_names, tasks, images, image_shape):
    nothing = np.zeros((0, *image_shape), np.uint8)
    splits = []
    for classes in tasks:
        parts = [images.get(class_names[label], nothing) for label in classes]
        labels = np.repeat(np.asarray(classes, np.int32), [len(part) for part in parts])
        splits.append(Split(concatenated(parts), labels))
    return splits
