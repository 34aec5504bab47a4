"""How far a vector may be from the known classes: relative Mahalanobis distance in few dimensions, and its limit."""

import dataclasses

import numpy as np
from scipy import linalg

from dgm_tf.methods.left_out import Metric, draw
from dgm_tf.training.randomness import numpy_generator

MOST_DIMENSIONS = 2048  # of the space of distances: an export holds a matrix of as many rows and columns
PROJECTED_TO = 512  # where there are more features
SHRINKAGE = 0.2  # of the covariance in it, towards a multiple of the unit matrix
SPREAD_SHRINKAGES = (SHRINKAGE, 0.8)  # of one class's covariance, and so that it is as smooth as that of many
_LEAST = 1e-9  # of a distance, as a share of the limit


@dataclasses.dataclass(frozen=True)
class KnownClasses:
    """A vector is of a known class if its distance is at most the limit.

    The distance is min_k |(x - m_k) whitening|^2 / |x - m_k| for projected vectors x and the means m_k of the classes.
    By the length below it an image of much contrast counts no more than one of little.

    Attributes:
      whitening: float64 [d, d]; means: float64 [classes, d]; limit: float.
    """

    whitening: np.ndarray
    means: np.ndarray
    limit: float


def projection(num_features):
    """Fixed random projection of features, float64 [D, d]; None where they are `MOST_DIMENSIONS` or fewer."""
    if num_features <= MOST_DIMENSIONS:
        return None
    values = numpy_generator(0, "known classes").standard_normal((num_features, PROJECTED_TO))
    return values / np.sqrt(PROJECTED_TO)


def known_classes(statistics, false_alarms):
    """`KnownClasses` of projected `ClassStatistics`.

    false_alarms: share of new vectors of the known classes that are beyond the limit, each class weighing as much as it
      has vectors. They are drawn from the statistics, see `left_out`.
    """
    total = int(statistics.counts.sum())
    degrees = max(1, total - statistics.num_classes)
    means = statistics.sums / statistics.counts[:, None]
    scatter = np.tril(statistics.gram())
    scatter = scatter + np.tril(scatter, -1).T
    squares = np.trace(scatter)
    scatter -= (means * statistics.counts[:, None]).T @ means
    scatter /= degrees
    level = max(np.trace(scatter), 1e-6 * squares / degrees) / len(scatter) or 1.0
    scatter *= 1.0 - SHRINKAGE
    scatter[np.diag_indices(len(scatter))] += SHRINKAGE * level
    root = linalg.cholesky(scatter, lower=True)
    whitening = linalg.solve_triangular(root, np.eye(len(root)), lower=True).T
    metric = Metric(np.asfortranarray(whitening @ whitening.T), (1.0 - SHRINKAGE) / degrees)
    drawn = draw(statistics, metric, by_length=True)
    distances = (drawn.squares / np.maximum(drawn.lengths, _LEAST)[:, None]).min(axis=2)
    limit = _quantile(distances, statistics.counts, 1.0 - false_alarms)
    return KnownClasses(whitening, means, limit)


def _quantile(distances, counts, share):
    """The quantile of distances [classes, n], each class weighing as its count."""
    weights = np.repeat(counts / distances.shape[1], distances.shape[1])
    order = np.argsort(distances, axis=None, kind="stable")
    passed = np.cumsum(weights[order]) / weights.sum()
    return max(float(distances.ravel()[order[min(np.searchsorted(passed, share), len(order) - 1)]]), _LEAST)
