"""EWC: elastic weight consolidation (Kirkpatrick et al., 2017)."""

import dataclasses

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.methods.regularized import RegularizedClassifier
from dgm_tf.registry import register
from dgm_tf.training.fisher import diagonal_fisher
from dgm_tf.training.pool import to_float
from dgm_tf.training.randomness import numpy_generator

EXPECTATIONS = ("model", "labels")


@gin.register
@register
@dataclasses.dataclass
class EWC(RegularizedClassifier):
    """Penalty sum over tasks k of strength / 2 * F_k (theta - theta_k)^2, F_k the diagonal Fisher information (eq. 3).

    One penalty a task, as published, is a sum of parabolas, so it is a parabola too: its factor is the sum of F_k, its
    anchor the mean of theta_k weighted by F_k. These two are kept, and memory does not grow with the tasks.

    Attributes:
      strength: lambda.
      expectation: over which labels the Fisher is taken: "model", the network's own distribution, by definition (what
        Kirkpatrick et al. state); "labels", the images' labels, the empirical Fisher that Chaudhry et al. (2018) use,
        from whom Table 1 has its figure.
      fisher_images: at most so many of a task's images, drawn at random.
      decay: None: one penalty a task; gamma in [0, 1]: online EWC (Schwarz et al., 2018), the last weights are
        the only anchor, and earlier tasks' Fisher is multiplied by gamma at each new one.
    """

    strength: float = 100.0
    expectation: str = "model"
    fisher_images: int = 200
    decay: float | None = None

    def __post_init__(self):
        super().__post_init__()
        checks.choice(self, "expectation", EXPECTATIONS)
        checks.integer(self, "fisher_images", "[1, inf)")
        if self.decay is not None:
            checks.number(self, "decay", "[0, 1]")

    def consolidate(self, context, weights):
        """Adds half the task's Fisher: eq. 3 has lambda / 2."""
        added = [0.5 * fisher for fisher in self._fisher(context)]
        old, anchors = self.importances, self.carried["anchors"]
        if self.decay is not None:
            return {"importances": [self.decay * o + a for o, a in zip(old, added, strict=True)], "anchors": weights}
        merged = [_sum_of_parabolas(*terms) for terms in zip(old, anchors, added, weights, strict=True)]
        return {"importances": [factor for factor, _ in merged], "anchors": [anchor for _, anchor in merged]}

    def _fisher(self, context):
        train = context.task.train
        order = numpy_generator(context.task_seed, "fisher").permutation(len(train))[: self.fisher_images]
        labels = train.labels[order] if self.expectation == "labels" else None
        return diagonal_fisher(self.networks.classifier, np.asarray(to_float(train.images[order])), labels)


def _sum_of_parabolas(factor, anchor, other_factor, other_anchor):
    """(factor, anchor) of the parabola factor * (x - anchor)^2 + other_factor * (x - other_anchor)^2 - constant."""
    total = factor + other_factor
    share = np.divide(factor, total, out=np.zeros_like(total), where=total > 0)
    return total, share * anchor + (1 - share) * other_anchor
