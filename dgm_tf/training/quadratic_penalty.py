"""Quadratic penalty: a pull towards earlier weights, added to the loss of importance-regularised classifiers."""

import tensorflow as tf

from dgm_tf.training.classifier import ClassifierRules
from dgm_tf.training.distribution import apply_mean_gradients, mean_gradients


class QuadraticPenalty:
    """strength * sum_i importance_i (theta_i - anchor_i)^2.

    Args:
      strength: float >= 0.
      importances, anchors: lists of float32 arrays, one for each trained variable.
    """

    def __init__(self, strength, importances, anchors):
        self._strength = strength
        self._importances = [tf.constant(i) for i in importances]
        self._anchors = [tf.constant(a) for a in anchors]

    def value(self, variables):
        """The penalty, a scalar."""
        terms = zip(self._importances, self._anchors, variables, strict=True)
        return self._strength * tf.add_n([tf.reduce_sum(i * tf.square(v - a)) for i, a, v in terms])

    def gradients(self, variables):
        """2 * strength * importance * (theta - anchor), a list."""
        terms = zip(self._importances, self._anchors, variables, strict=True)
        return [2.0 * self._strength * i * (v - a) for i, a, v in terms]


class PenaltyRules(ClassifierRules):
    """Cross-entropy and a `QuadraticPenalty`; its gradient is added in closed form."""

    def __init__(self, penalty):
        self._penalty = penalty

    def apply(self, optimizer, gradients, variables):
        """One step down the sum of both gradients."""
        pulls = self._penalty.gradients(variables)
        apply_mean_gradients(optimizer, [g + p for g, p in zip(gradients, pulls, strict=True)], variables)


class PathRules(PenaltyRules):
    """Watches besides how each parameter's steps change the loss; the base of path integrals."""

    def apply(self, optimizer, gradients, variables):
        """The step, then `note_step`."""
        gradients = mean_gradients(gradients)
        before = [tf.identity(v) for v in variables]
        super().apply(optimizer, gradients, variables)
        steps = [v - b for v, b in zip(variables, before, strict=True)]
        self.note_step(gradients, steps, optimizer.iterations)

    def note_step(self, gradients, steps, count):
        """gradients: of the cross-entropy alone, over all replicas; steps: how the parameters moved; count: of steps.

        All three are lists parallel to the variables, but the last, which is a scalar.
        """
        raise NotImplementedError


def trace(initial):
    """A variable that training writes to besides the weights. Under several replicas each has its own, equal copy."""
    return tf.Variable(
        initial, trainable=False, synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
    )  # fmt: skip
