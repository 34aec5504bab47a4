"""PI: path integrals of the gradient, or synaptic intelligence (Zenke et al., 2017)."""

import dataclasses

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.methods.regularized import RegularizedClassifier
from dgm_tf.registry import register
from dgm_tf.training.classifier import CLASSIFIER_LOSS
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.quadratic_penalty import PathRules


class PathIntegralRules(PathRules):
    """w_k: what each parameter's steps have lowered the task's loss by, to first order (Zenke et al., section 3).

    Args:
      penalty: `QuadraticPenalty`.
      paths: list of variables, w_k.
    """

    def __init__(self, penalty, paths):
        super().__init__(penalty)
        self._paths = paths

    def note_step(self, gradients, steps, count):
        """w_k -= gradient * step."""
        for path, gradient, step in zip(self._paths, gradients, steps, strict=True):
            path.assign_sub(gradient * step)


@gin.register
@register
@dataclasses.dataclass
class SynapticIntelligence(RegularizedClassifier):
    """Penalty strength * Omega (theta - theta*)^2, Omega = sum over tasks of w / (Delta^2 + damping) (eq. 4 and 5).

    Delta is how far the parameter went in the task. A negative w, of steps that raised the loss, counts as 0: a
    parameter must not be driven away from its anchor.

    Attributes:
      strength: c.
      damping: xi > 0.
    """

    strength: float = 10.0
    damping: float = 0.1

    remedies = (*RegularizedClassifier.remedies, Remedy("classifier", CLASSIFIER_LOSS, "a higher", "damping"))

    def __post_init__(self):
        super().__post_init__()
        checks.number(self, "damping", "(0, inf)")

    def first_traces(self, weights):
        """Paths of length 0, from where the weights stand."""
        return {"path": [np.zeros_like(w) for w in weights], "start": weights}

    def rules(self):
        """The penalty, and the path integrals."""
        return PathIntegralRules(self.penalty(), self.traces["path"])

    def consolidate(self, context, weights):
        """Adds the task's Omega."""
        paths, starts = ([np.asarray(v) for v in self.traces[name]] for name in ("path", "start"))
        added = [
            np.maximum(path, 0) / ((weight - start) ** 2 + np.float32(self.damping))
            for path, weight, start in zip(paths, weights, starts, strict=True)
        ]
        return {"importances": [o + a for o, a in zip(self.importances, added, strict=True)], "anchors": weights}
