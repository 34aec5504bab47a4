"""Known or unknown: whether images of classes that were not learned are told from those of the learned ones."""

import numpy as np
from scipy import stats

from dgm_tf.measures.measure import Better, Measure


def auroc(known, unknown):
    """Share of pairs of a known and an unknown image in which the known one has the higher score, ties half.

    Area under the ROC curve (Hanley and McNeil, 1982). known: float [n], unknown: float [m], scores; n, m >= 1.
    """
    ranks = stats.rankdata(np.concatenate([known, unknown]))
    count = len(known)
    return float((ranks[:count].sum() - count * (count + 1) / 2) / (count * len(unknown)))


class _OfScores(Measure):
    """Of methods that tell known from unknown images."""

    def applies(self, view):
        """Whether the method tells."""
        return view.learner.method.tells_known


class UnknownAUROC(_OfScores):
    """How well scores tell test images of the classes so far from those of the next task."""

    name, title = "unknown_auroc", "next classes known to be unknown (AUROC)"

    def after_task(self, view):
        """In [0, 1], 0.5 by chance; None after the last task, and where there are no test images."""
        unknown = None if view.is_last else view.stream.test_split(view.task + 1)
        if unknown is None or not len(unknown) or not len(view.known_scores):
            return None
        return auroc(view.known_scores, view.learner.known(unknown.images).score)

    def scalars(self, value, view):
        """Among the measures, as it is no accuracy."""
        return {f"measures/{self.name}": value}


class FalseAlarms(_OfScores):
    """Share of test images of earlier classes that are taken for unknown ones."""

    name, title, better = "false_alarms", "false alarms", Better.LOWER

    def after_task(self, view):
        """In [0, 1]: of the tasks before, after the first task of its own; None where there are no test images."""
        classes = [label for task in view.task_classes[: max(1, view.task)] for label in task]
        scores = view.known_scores[np.isin(view.test_labels, classes)]
        return float(np.mean(scores < 0)) if len(scores) else None
