"""Class-incremental accuracy: of all classes seen so far together, of each task, of each class."""

import numpy as np

from dgm_tf.data.class_names import task_names
from dgm_tf.measures import formulas
from dgm_tf.measures.measure import Detail, Kept, Large, Measure, Shown, as_json
from dgm_tf.text import NAME_BYTES, shown

TOP = 5


class AccuracyMatrix(Detail):
    """Accuracy on the test images of each task, in the order of learning, after the last epoch."""

    name = "accuracy_matrix"

    def after_task(self, view):
        """[tasks of the stream] fractions, None for those that were not learned or have no test images."""
        return as_json(view.per_task) + [None] * (view.stream.num_tasks - len(view.task_classes))

    def scalars(self, value, view):
        """Accuracy of each task."""
        digits = len(str(view.stream.num_tasks))  # TensorBoard sorts by letters
        names = task_names(view.learner.class_names, view.task_classes)
        return {
            f"accuracy_per_task/task {task + 1:0{digits}d} ({shown(name, most=NAME_BYTES)})": accuracy
            for task, (name, accuracy) in enumerate(zip(names, value, strict=False))
            if accuracy is not None
        }


class AverageAccuracy(Measure):
    """A_k: the mean over the k classes seen so far of the accuracy on their test images, after the last epoch."""

    name, title, shown, compared = (
        "average_accuracy",
        "A_k",
        Shown.COLUMN,
        False,
    )  # a comparison has it at the k it is asked for

    def after_task(self, view):
        """A fraction."""
        return view.average_accuracy(view.logits)


class MicroAccuracy(Measure):
    """Share of all test images that are classified correctly: a mean over images instead of classes."""

    name, title, shown, compared = "micro_accuracy", "accuracy over images", Shown.NOWHERE, False

    def after_task(self, view):
        """A fraction."""
        return float(formulas.micro_accuracy(view.confusion)) if view.is_tested else None


class Top5Accuracy(Measure):
    """A_k if five guesses are allowed, as ImageNet's top-5; of more than five classes."""

    name, title, shown, compared = "top5_average_accuracy", "top-5", Shown.COLUMN, False

    def after_task(self, view):
        """A fraction."""
        if not view.is_tested or view.logits.shape[1] <= TOP:
            return None
        return float(formulas.macro_top_k_accuracy(view.logits, view.test_labels, TOP))


class PerClassAccuracy(Detail):
    """Accuracy on the test images of each class, after the last epoch."""

    name, large = "per_class_accuracy", Large.ROWS

    def after_task(self, view):
        """[classes] fractions, None without test images."""
        return as_json(view.per_class)


class Confusion(Detail):
    """Test images by their class (rows) and the class that they are taken for (columns), after the last epoch."""

    name, kept, large = "confusion", Kept.LAST, Large.MATRIX

    def after_task(self, view):
        """[classes, classes] counts."""
        return view.confusion


class Readings(Detail):
    """A_k of other ways of classifying that a method offers, such as iCaRL's class head."""

    name, kept = "readings", Kept.LAST

    def after_task(self, view):
        """{way: a fraction after each task}."""
        before = view.record.last.get(self.name) or {}
        now = view.learner.method.readings(view.test_images)
        return {name: [*before.get(name, []), view.average_accuracy(logits)] for name, logits in now.items()}


class AccuracyOnReplay(Detail):
    """Accuracy on replayed images of classes whose test images are gone, as in a run that learns more classes."""

    name, large = "accuracy_on_replay", Large.ROWS

    def applies(self, view):
        """Only in a run that learns more classes later."""
        return bool(view.record.later)

    def after_task(self, view):
        """[classes] fractions, None for classes with test images; None where all have some, or nothing is replayed."""
        untested = np.flatnonzero(np.isnan(view.per_class)).tolist()
        if not (untested and view.learner.method.replays):
            return None
        measured = replay_accuracies(view.learner, untested, view.settings.validation_per_class)
        return [measured.get(label) for label in range(len(view.per_class))]


def replay_accuracies(learner, classes, per_class):
    """{label: share of `per_class` replayed images that the learner takes for their class}; no measure of real ones."""
    labels = np.repeat(np.asarray(classes, np.int32), per_class)
    replayed = learner.method.replay(labels, seed=learner.seed)
    hits = np.argmax(learner.method.replay_logits(replayed), axis=1) == labels
    return {label: float(np.mean(hits[labels == label])) for label in classes}
