"""Distances of vectors of known classes to the classes' means, as if they had been left out of the statistics.

Vectors that statistics hold are closer to their class's mean, in the metric of the inverse covariance, than new ones:
they made the covariance large where they are. What a vector's distances would be without it follows from what they are
(Sherman and Morrison). So no vector is needed: its length, and its projections on what separates the classes, are drawn
from the statistics of its class. A vector is a Gaussian one, stretched by a factor of its own, so that squared lengths
vary as much as those of the class's vectors did.
"""

import dataclasses

import numpy as np
from scipy import linalg, optimize, special
from scipy.linalg import blas

from dgm_tf.methods import triangles
from dgm_tf.training.randomness import numpy_generator

_SAMPLES = 500  # drawn of each class
_MOST_DISTANCES = 20_000_000  # drawn in all
_MOST_OPTIMISM = 1e3  # by which a squared length may be larger than it was in the sample


@dataclasses.dataclass(frozen=True)
class Metric:
    """Squared distances (x - m)^T inverse (x - m) to the means of classes.

    inverse: float64 [D, D], symmetric, of which the lower triangle counts; None: the unit matrix.
    weight: what a vector's own product adds to the matrix whose inverse that is; 0: nothing.
    """

    inverse: np.ndarray | None
    weight: float = 0.0

    def times(self, columns):
        """inverse @ columns; columns: float64 [D, n]."""
        return columns if self.inverse is None else blas.dsymm(1.0, self.inverse, np.asfortranarray(columns), lower=1)


@dataclasses.dataclass(frozen=True)
class Drawn:
    """What was drawn of each class; n of each.

    Attributes:
      squares: float64 [classes, n, classes], squared distances to all means in the metric.
      lengths: float64 [classes, classes], of vectors of a class (row) typical plain distances to all means.
    """

    squares: np.ndarray
    lengths: np.ndarray


def draw(statistics, metric, seed=0, by_length=False):
    """`Drawn` of the classes of `ClassStatistics`. The order of the classes makes no difference.

    Where vectors come in pairs, both are left out, and the mean over the two is what is drawn.

    by_length: whether squared distances will be divided by lengths. Then they vary as these quotients did among the
      class's vectors: the less, the more other vectors the metric is from.
    """
    order = np.lexsort((np.sum(statistics.sums**2, axis=1), statistics.counts))
    count = max(10, min(_SAMPLES, _MOST_DISTANCES // len(order) ** 2))
    normal = numpy_generator(seed, "left out").standard_normal((count, len(order)))
    shares = (np.arange(count) + 0.5) / count
    model, spreads = _Model(statistics, metric, order), _spreads(statistics, by_length)
    squares, lengths = np.empty((len(order), count, len(order))), np.empty((len(order), len(order)))
    for place, label in enumerate(order):
        shape = 1.0 / spreads[label]
        stretch = special.gammaincinv(shape, shares) / shape  # squared, of mean about 1
        squares[label][:, order], lengths[label][order] = model.drawn(place, normal, stretch)
    return Drawn(squares, lengths)


def _spreads(statistics, by_length):
    """float64 [classes], of squared distances, or of their quotients by lengths."""
    plain, alone, shared = statistics.known_spreads().T
    if not by_length:
        return plain
    return shared + np.maximum(alone - shared, 0.0) * statistics.counts / statistics.counts.sum()


class _Model:
    """Classes in a metric; they are numbered as in `order`."""

    def __init__(self, statistics, metric, order):
        self._statistics, self._metric, self._order = statistics, metric, order
        self._means = (statistics.sums / statistics.counts[:, None])[order]
        self._columns = np.ascontiguousarray(metric.times(self._means.T))  # [D, classes]
        self._pooled = None if statistics.per_class else self._moments_of(0, None)

    def drawn(self, place, normal, stretch):
        """(squared distances [n, classes], lengths [classes]) of a class's vectors, by numbers drawn and factors."""
        statistics, label = self._statistics, self._order[place]
        images = max(2, int(statistics.images[label]))
        square, length, products = self._pooled or self._moments_of(label, place)
        apart = self._means - self._means[place]
        onto = np.eye(len(self._order))
        onto[place] -= 1.0
        covariance = onto.T @ products @ onto  # of the projections on the means' differences
        within, share = self._within_pairs(label, onto, covariance)
        larger = images / (images - 1)  # a vector's distance to the mean of the others
        weight = self._metric.weight * statistics.counts[label] / max(1, statistics.images[label]) * larger
        within = min(within, square)
        between = (_without(square - within, weight, stretch) * stretch)[:, None]
        within = (_without(within, weight, stretch) * stretch)[:, None]
        optimism = np.mean(stretch / (1.0 + weight * between[:, 0]) ** 2)
        along = (normal @ _root(covariance)) * np.sqrt(stretch * (1.0 - share) / optimism)[:, None]
        gaps = np.sum(apart.T * self._metric.times(apart.T), axis=0)
        squares = between + within - 2.0 * along + gaps + weight * along**2 / (1.0 + weight * between)
        squares[:, place] = (between * larger**2 + within)[:, 0]
        return np.maximum(squares, 0.0), np.sqrt(length * larger**2 + np.sum(apart**2, axis=1))

    def _moments_of(self, index, place):
        """(mean squared distance, mean squared length, covariance of `_columns`) of vectors of a class or of all."""
        counts, means, gram = self._statistics.counts[self._order], self._means, self._statistics.triangle(index)
        counts, means = (counts, means) if place is None else (counts[[place]], means[[place]])
        total = counts.sum()
        products = self._columns.T @ triangles.product(gram, self._columns)
        centres = np.sqrt(counts)[:, None] * (means @ self._columns)
        covariance = (products - centres.T @ centres) / total
        length = triangles.trace(gram, means.shape[1]) - counts @ np.sum(means**2, axis=1)
        square = length
        if self._metric.inverse is not None:
            square = triangles.trace_of_product(self._metric.inverse, gram)
            square -= counts @ np.sum(means.T * self._metric.times(means.T), axis=0)
        return max(square, 0.0) / total, max(length, 0.0) / total, covariance

    def _within_pairs(self, label, onto, covariance):
        """What differences within pairs make of (the squared distance, the share of the projections' variance)."""
        sketches, images = self._statistics.sketches[label], max(1, self._statistics.images[label])
        if not len(sketches):
            return 0.0, 0.0
        square = np.sum(sketches.T * self._metric.times(sketches.T)) / (len(sketches) * images)
        projected = np.sum((sketches @ self._columns @ onto) ** 2) / (len(sketches) * images)
        all_of_it = np.trace(covariance)
        return square, min(1.0, projected / all_of_it) if all_of_it > 0.0 else 0.0


def _without(mean, weight, stretch):
    """Scale of squared distances, whose mean in the sample is given, where a vector's own product is left out.

    In the sample q / (1 + weight q) is what is q without it.
    """
    if mean <= 0.0 or weight <= 0.0:
        return mean / np.mean(stretch)

    def excess(logarithm):
        squares = mean * np.exp(logarithm) * stretch
        return np.mean(squares / (1.0 + weight * squares)) - mean

    most = np.log(_MOST_OPTIMISM)
    if excess(most) <= 0.0:
        return mean * _MOST_OPTIMISM
    return mean * np.exp(optimize.brentq(excess, -1.0, most, xtol=1e-12))


def _root(covariance):
    """Symmetric root, which is unique; covariances of projections may be singular."""
    values, vectors = linalg.eigh(covariance)
    return (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
