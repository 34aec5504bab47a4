"""Best epoch of each task, chosen by replayed ("strict") or real ("published") validation images."""

import numpy as np

from dgm_tf.measures.measure import Detail, Large, Measure, Shown
from dgm_tf.training.loop import Callback
from dgm_tf.training.pool import to_float


class BestEpoch(Callback):
    """Keeps the classifier of the epoch that was best on validation images.

    Attributes:
      accuracy: the best so far in this task, or None; history: all epochs' accuracies.
    """

    charge = "evaluation"

    def __init__(self, stream, settings):
        self._stream, self._settings = stream, settings
        self._forget()

    def _forget(self):
        self.accuracy, self.history, self.weights, self._images = None, [], None, None

    def on_task_begin(self, learner, context):
        """Resets for the next task."""
        self._forget()

    def on_epoch_end(self, learner, context, phase, epoch):
        """Measures, if the classifier has been trained."""
        if not phase.trains_classifier:
            return
        if self._images is None:
            self._images = self._validation_images(learner, context)
        images, replayed, labels = self._images
        logits = [learner.method.logits(images)]
        logits += [learner.method.replay_logits(replayed)] if len(replayed) else []
        hits = np.argmax(np.concatenate(logits), axis=1) == labels
        accuracy = float(np.mean([np.mean(hits[labels == c]) for c in np.unique(labels)]))
        self.history.append(accuracy)
        if self.accuracy is None or accuracy > self.accuracy:
            self.accuracy = accuracy
            self.weights = [np.asarray(w).copy() for w in learner.method.classifier.weights]

    def _validation_images(self, learner, context):
        """(real images, what is replayed, labels of both): of the current task real ones; of earlier ones replayed
        ("strict") or real ones ("published").
        """
        limit = self._settings.validation_per_class
        current = context.task.validation if len(context.task.validation) else context.task.train
        splits = [_first_of_each_class(current.images, current.labels, limit)]
        replayed = np.zeros(0, np.float32)
        if self._settings.protocol == "published":
            past = [self._stream.past_validation(t) for t in range(context.index)]
            splits += [_first_of_each_class(split.images, split.labels, limit) for split in past if len(split)]
        images, labels = zip(*splits, strict=True)
        if self._settings.protocol != "published" and learner.method.replays and context.earlier_classes:
            asked = np.repeat(np.asarray(context.earlier_classes, np.int32), limit)
            replayed, labels = learner.method.replay(asked, seed=context.task_seed + 1), (*labels, asked)
        return np.concatenate([to_float(part) for part in images]), replayed, np.concatenate(labels)

    def logits(self, learner, images):
        """The best epoch's logits; None if no epoch was measured."""
        if self.weights is None:
            return None
        classifier = learner.method.classifier
        last = [np.asarray(w).copy() for w in classifier.weights]
        _assign(classifier, self.weights)
        try:
            return learner.logits(images)
        finally:
            _assign(classifier, last)

    def arrays(self):
        """The best weights, and the accuracies by which they were chosen."""
        arrays = {"best/history": np.asarray(self.history)}
        return arrays | {f"best/weights/{i:04d}": w for i, w in enumerate(self.weights or [])}

    def restore(self, learner, arrays):
        """The inverse of `arrays`."""
        self.history = arrays["best/history"].tolist()
        self.accuracy = max(self.history, default=None)
        names = sorted(name for name in arrays if name.startswith("best/weights/"))
        self.weights = [arrays[name] for name in names] or None


class BestAccuracy(Measure):
    """A_k after the epoch that was best on validation images."""

    name, title, shown, compared = "best_accuracy", "best epoch", Shown.COLUMN, False

    def after_task(self, view):
        """A fraction; None where no epoch was measured."""
        return None if view.best_logits is None else view.average_accuracy(view.best_logits)


class ValidationAccuracy(Detail):
    """Accuracy on the validation images that the best epoch is chosen by."""

    name, large = "validation_accuracy", Large.ROWS

    def after_task(self, view):
        """[epochs] fractions."""
        return list(view.best.history)


def _assign(network, weights):
    for variable, value in zip(network.weights, weights, strict=True):
        variable.assign(value)


def _first_of_each_class(images, labels, limit):
    rows = np.concatenate([np.flatnonzero(labels == c)[:limit] for c in np.unique(labels)])
    return images[rows], labels[rows]
