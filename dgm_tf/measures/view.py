"""View: what a measure may use. It holds a learner after a task, test images, and shared results such as logits."""

import dataclasses
import functools
from typing import Any

import numpy as np

from dgm_tf.errors import Diverged, own_message
from dgm_tf.measures import bounds, formulas, gan_test, training
from dgm_tf.measures.images import seen_test_images
from dgm_tf.training.inference import network_logits


@dataclasses.dataclass(frozen=True)
class MeasuredRun:
    """What stays the same over the tasks of a run that is measured.

    Attributes:
      stream: of the run.
      settings: `EvaluationSettings`.
      record: the run's `Record`.
      best: `BestEpoch`; drift: `ReplayDrift`; judge: `Judge`; masks: `MaskWatch`.
      warn: function that is given a warning's text.
    """

    stream: Any
    settings: Any
    record: Any
    best: Any = None
    drift: Any = None
    judge: Any = None
    warn: Any = None
    masks: Any = None


class View:
    """Learner that has just learned a task, with its run.

    What is computed of it, and may take long, is computed when it is first asked for, and once.

    Args:
      learner: `Learner`.
      context: `TaskContext` of the task; None after a run that was resumed at its end.
      outcome: dict, what the method's `end_task` has given.
      run: `MeasuredRun`.

    Attributes:
      learner, context, outcome: as above.
      stream, settings, best, drift, masks: of the run.
      record: the run's, too: for `after_task` of all before this task, later with it.
    """

    def __init__(self, learner, context, outcome, run):
        self.learner, self.context, self.outcome = learner, context, outcome
        self.stream, self.settings, self.record = run.stream, run.settings, run.record
        self.best, self.drift, self.masks = run.best, run.drift, run.masks
        self._judge, self._warn = run.judge, run.warn

    @property
    def task(self):
        """Index of the task, from 0."""
        return self.learner.num_tasks - 1

    @property
    def is_last(self):
        """Whether it is the stream's last task."""
        return self.task + 1 == self.stream.num_tasks

    @property
    def task_classes(self):
        """For each task learned so far, a tuple of its labels."""
        return self.learner.task_classes

    @functools.cached_property
    def _tests(self):
        return seen_test_images(self.stream, self.task)

    @property
    def test_images(self):
        """[N, H, W, C], uint8 or float32 in [-1, 1]: of all classes learned so far."""
        return self._tests[0]

    @property
    def test_labels(self):
        """int32 [N], in learning order."""
        return self._tests[1]

    @functools.cached_property
    def logits(self):
        """float32 [N, classes learned so far], of the test images, after the last epoch."""
        return self.learner.logits(self.test_images)

    @functools.cached_property
    def known_scores(self):
        """float32 [N], of the test images, of a method that tells known from unknown."""
        return self.learner.known(self.test_images).score

    @functools.cached_property
    def best_logits(self):
        """The same after the best epoch; None: there was none."""
        return self.best.logits(self.learner, self.test_images)

    @functools.cached_property
    def confusion(self):
        """int64 [classes, classes]: test images by their class and the one that they are taken for."""
        return self.confusion_of(self.logits)

    def confusion_of(self, logits):
        """The same of other logits."""
        return formulas.confusion_matrix(self.test_labels, np.argmax(logits, axis=1), logits.shape[1])

    @functools.cached_property
    def per_class(self):
        """float [classes]: accuracy on each class, NaN where there are no test images."""
        return formulas.per_class_accuracy(self.confusion)

    @functools.cached_property
    def per_task(self):
        """float [tasks learned so far]: accuracy on each task, NaN where a class has no test images."""
        return np.array([np.mean(self.per_class[list(classes)]) for classes in self.task_classes])

    @property
    def is_tested(self):
        """Whether there are test images of every class."""
        return not np.isnan(self.per_class).any()

    @functools.cached_property
    def accuracy_matrix(self):
        """float [t, t] for the t tasks learned so far: accuracy on each (columns) after each (rows), NaN above."""
        count = self.task + 1
        matrix = np.full([count, count], np.nan)
        matrix[:-1] = self.record.accuracy_matrix()[: count - 1, :count]
        matrix[-1] = self.per_task
        return matrix

    def average_accuracy(self, logits):
        """A_k by these logits of the test images: mean over classes; None where a class has no test images."""
        confusion = self.confusion_of(logits)
        complete = not np.isnan(formulas.per_class_accuracy(confusion)).any()
        return float(formulas.macro_accuracy(confusion)) if complete else None

    @property
    def joint_classifier(self):
        """A two-headed network trained on the real images of all the stream's classes; None: its training diverged."""
        return self._judge.network(self.learner, self.trained)

    def joint_accuracies(self):
        """A_k after each task of `joint_classifier`, choosing among the classes then seen; None: it diverged."""
        return self._judge.accuracies(self.learner, self.trained)

    def fine_tuning_accuracies(self):
        """A_k after each task of a classifier that is only fine-tuned; see `bounds.fine_tuning_accuracies`."""
        return self._judge.fine_tuning_accuracies(self.learner)

    @functools.cached_property
    def generated_beside_real(self):
        """(GAN-test, fidelity) of generated images, see `gan_test.gan_test`; None where they cannot be judged."""
        judge = self.joint_classifier if self.stream.complete else None
        if judge is None:
            return None
        return gan_test.gan_test(judge, self.learner, self._tests, self.settings.gan_test_per_class)

    def trained(self, what, measure):
        """Returns the result of `measure`, or None if the classifier that it trains diverged, with one warning."""
        try:
            return measure()
        except Diverged as error:
            self._warn(f"{what} was not measured: {own_message(error)}")
            return None


class Judge:
    """The joint classifier of a run, trained when it is first needed, once.

    Args:
      stream, settings: of the run; cache_dir: folder that runs on the same data share.
    """

    def __init__(self, stream, settings, cache_dir):
        self._stream, self._settings, self._cache_dir = stream, settings, cache_dir
        self._asked, self._network = False, None

    def network(self, learner, trained):
        """The network; trained: `View.trained`."""
        if not self._asked:
            self._asked = True
            with learner.clock.measure("bounds"):
                self._network = trained("joint training", lambda: self._made(learner))
        return self._network

    def _made(self, learner):
        return bounds.joint_classifier(learner, self._stream, self._settings, self._cache_dir)

    def accuracies(self, learner, trained):
        """A_k after each task of the one classifier, choosing among the classes then seen; None: it diverged."""
        network, averages = self.network(learner, trained), []
        if network is None:
            return None
        for task in range(self._stream.num_tasks):
            images, labels = seen_test_images(self._stream, task)
            logits = network_logits(network, images)[:, : labels.max() + 1]
            averages.append(training.share_correct(np.argmax(logits, axis=1), labels))
        return averages

    def fine_tuning_accuracies(self, learner):
        """A_k after each task of a classifier that is only fine-tuned."""
        return bounds.fine_tuning_accuracies(learner, self._stream, self._settings, self._cache_dir)
