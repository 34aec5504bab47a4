"""Calibration: whether the classifier's confidence matches its accuracy."""

import dataclasses

import numpy as np
import scipy.special
from matplotlib.figure import Figure

from dgm_tf.measures.measure import Better, Detail, Kept, Measure

BINS = 15


@dataclasses.dataclass(frozen=True)
class Reliability:
    """Predictions in bins of equal width by their confidence.

    Attributes:
      counts: int [bins]; confidence, accuracy: float [bins], means in each, NaN in an empty one.
    """

    counts: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray

    @property
    def error(self):
        """Mean of |accuracy - confidence| over the predictions (Guo et al., 2017)."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(np.sum(self.counts * gaps) / np.sum(self.counts))


def reliability(logits, labels, bins=BINS):
    """`Reliability` of the most probable class.

    Args:
      logits: float [N, classes], N >= 1; labels: int [N]; bins: of confidence in [0, 1].
    """
    shares = scipy.special.softmax(np.asarray(logits, np.float64), axis=1)
    confidence, hits = shares.max(axis=1), np.argmax(shares, axis=1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    counts = np.bincount(index, minlength=bins)
    with np.errstate(invalid="ignore"):
        means = [np.bincount(index, weights=values, minlength=bins) / counts for values in (confidence, hits)]
    return Reliability(counts, *means)


class ExpectedCalibrationError(Measure):
    """How far the classifier's confidence is from its accuracy on the test images of all classes seen so far."""

    name, title, better = "expected_calibration_error", "calibration error", Better.LOWER

    def after_task(self, view):
        """In [0, 1]; None where a class has no test images."""
        return reliability(view.logits, view.test_labels).error if view.is_tested else None


class UncalibratedError(Measure):
    """The same with the logits as they were before a temperature was chosen for them."""

    name, title, better = "uncalibrated_error", "calibration error before", Better.LOWER
    compared = False

    def applies(self, view):
        """Of methods that choose a temperature."""
        return "temperature" in view.outcome

    def after_task(self, view):
        """In [0, 1]; None where a class has no test images."""
        if not view.is_tested:
            return None
        return reliability(view.logits * view.outcome["temperature"], view.test_labels).error


class ReliabilityDiagram(Detail):
    """Confidence and accuracy in each bin, as a figure at the run's end."""

    name, kept = "reliability", Kept.LAST

    def after_task(self, view):
        """{"counts", "confidence", "accuracy"}: [bins], None in an empty one; None where a class has no test images."""
        if not view.is_tested:
            return None
        found = reliability(view.logits, view.test_labels)
        return {name: getattr(found, name) for name in ("counts", "confidence", "accuracy")}

    def figures(self, record, view):
        """The diagram (DeGroot and Fienberg, 1983): on the diagonal where the classifier knows how sure it is."""
        entry, error = record.last.get(self.name), record.final(ExpectedCalibrationError.name)
        if entry is None or error is None:
            return {}
        accuracy, counts = np.array(entry["accuracy"], float), np.array(entry["counts"])
        figure = Figure(figsize=(4.8, 4.4), layout="constrained")
        axes = figure.subplots()
        edges = np.linspace(0, 1, len(counts) + 1)
        axes.bar(edges[:-1], np.nan_to_num(accuracy), width=1 / len(counts), align="edge", color="#2f6db3", alpha=0.85)
        axes.plot([0, 1], [0, 1], color="#6b7280", linestyle="--", linewidth=1)
        for left, share, count in zip(edges, accuracy, counts, strict=False):
            if count:
                text = f"{count / counts.sum():.0%}"
                axes.annotate(text, (left + 0.5 / len(counts), share), ha="center", va="bottom", fontsize=7)
        title = f"Is it as often right as it says? Error {100 * error:.1f} %"
        axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1.06), title=title)
        return {"reliability": figure}
