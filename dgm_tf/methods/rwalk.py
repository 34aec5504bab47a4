"""RWalk: Riemannian walk (Chaudhry et al., 2018)."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.methods.regularized import RegularizedClassifier
from dgm_tf.registry import register
from dgm_tf.training.classifier import CLASSIFIER_LOSS
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.quadratic_penalty import PathRules

# Within a task, per parameter: online Fisher, score, and of the interval in hand the decrease of the loss, the sum of
# squared gradients and the way gone.
TRACES = ("fisher", "scores", "decrease", "squares", "moved")


class WalkRules(PathRules):
    """The online Fisher (eq. 6) and the score of each parameter's walk (eq. 7), both once an interval.

    Args:
      penalty: `QuadraticPenalty`.
      traces: dict of the lists of variables `TRACES`.
      settings: `RWalk`.
    """

    def __init__(self, penalty, traces, settings):
        super().__init__(penalty)
        self._traces, self._settings = [traces[name] for name in TRACES], settings

    def note_step(self, gradients, steps, count):
        """Adds to the interval; at its end, to Fisher and score."""
        _, _, *interval = self._traces
        for gradient, step, decrease, squares, moved in zip(gradients, steps, *interval, strict=True):
            decrease.assign_sub(gradient * step)
            squares.assign_add(tf.square(gradient))
            moved.assign_add(step)
        ends = tf.equal(tf.cast(count, tf.int32) % self._settings.interval, 0)
        tf.cond(ends, self._end_interval, lambda: None)

    def _end_interval(self):
        settings = self._settings
        for fisher, scores, decrease, squares, moved in zip(*self._traces, strict=True):
            # The interval's own gradients count in its distance: in a parameter's first interval there are no others.
            fisher.assign(settings.rate * squares / settings.interval + (1.0 - settings.rate) * fisher)
            distance = 0.5 * fisher * tf.square(moved)
            scores.assign_add(tf.nn.relu(decrease / (distance + settings.damping)))
            for variable in (decrease, squares, moved):
                variable.assign(tf.zeros_like(variable))


@gin.register
@register
@dataclasses.dataclass
class RWalk(RegularizedClassifier):
    """Penalty strength * (F + s) (theta - theta*)^2, F the online Fisher and s the scores, each in [0, 1] (eq. 8).

    F is a moving average of squared gradients of batches, as its authors compute it. A score adds up over intervals by
    how much a parameter lowered the loss for each unit of distance that it moved the network's distribution by (KL
    divergence: half of F times the squared way); negative terms count as 0. At the end of each task but the first
    the scores are averaged with those of the tasks before, lest they pile up. Steps after the last whole interval are
    left out.

    Attributes:
      strength: lambda.
      interval: Delta t, steps; the authors' is 10 on MNIST, 50 on CIFAR.
      rate: alpha in (0, 1], the share of the latest interval in the moving average; the authors' is 0.9.
      damping: epsilon > 0 of eq. 7.
    """

    strength: float = 10.0
    interval: int = 10
    rate: float = 0.9
    damping: float = 1e-3

    remedies = (*RegularizedClassifier.remedies, Remedy("classifier", CLASSIFIER_LOSS, "a higher", "damping"))
    carried_names = ("anchors", "fisher", "scores")

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self, "interval", "[1, inf)")
        checks.number(self, "rate", "(0, 1]")
        checks.number(self, "damping", "(0, inf)")

    @property
    def importances(self):
        """F + s, both normalised."""
        fisher, scores = (_normalized(self.carried[name]) for name in ("fisher", "scores"))
        return [f + s for f, s in zip(fisher, scores, strict=True)]

    def first_traces(self, weights):
        """The Fisher goes on from the task before; all else begins with zeros."""
        return {name: [np.zeros_like(w) for w in weights] for name in TRACES} | {"fisher": self.carried["fisher"]}

    def rules(self):
        """The penalty, and Fisher and scores."""
        return WalkRules(self.penalty(), self.traces, self)

    def consolidate(self, context, weights):
        """The Fisher as it is, the scores averaged."""
        fisher, scores = ([np.asarray(v) for v in self.traces[name]] for name in ("fisher", "scores"))
        if context.index:
            scores = [(old + new) / 2 for old, new in zip(self.carried["scores"], scores, strict=True)]
        return {"anchors": weights, "fisher": fisher, "scores": scores}


def _normalized(arrays):
    """Arrays scaled alike, so that the least of all entries is 0 and the greatest 1; zeros where all are equal."""
    low, high = min(a.min() for a in arrays), max(a.max() for a in arrays)
    return [(a - low) / (high - low) if high > low else np.zeros_like(a) for a in arrays]
