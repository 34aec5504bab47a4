"""Linear classifiers in closed form from statistics of classes: ridge regression, linear discriminant, nearest mean."""

import dataclasses

import numpy as np
from scipy import linalg, optimize, special
from scipy.linalg import blas, lapack

from dgm_tf import stopping
from dgm_tf.errors import UserError
from dgm_tf.methods import triangles
from dgm_tf.methods.left_out import Metric, draw
from dgm_tf.training.randomness import numpy_generator

SHRINKAGES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)  # candidates
_MOST_FOLDS, _MOST_FEATURES = 5, 2048  # of leaving classes out, which takes an eigendecomposition a fold
RIDGES = tuple(10.0 ** (e / 2) for e in range(-10, 5))  # candidates, as shares of the mean diagonal
_LEAST_LEVEL = 1e-6  # of a mean variance, as a share of the mean square: less is rounding, as of a class of one image
_LEAST_RESIDUAL = 1e-12  # of a regression, as a share of what is to be explained: less is rounding
_SAMPLES = 200  # logits drawn of each class
_MOST_LOGITS = 2_000_000  # drawn in all: of more than 100 classes fewer samples each
_TEMPERATURES = (np.log(1e-3), np.log(1e3))  # logarithms of the least and the largest factor


@dataclasses.dataclass(frozen=True)
class LinearHead:
    """logits = vectors @ kernel + bias.

    kernel: float64 [D, classes]; bias: float64 [classes]; regularization: as it was chosen, or None.
    metric: `Metric` where logits are minus half the squared distances in it, but for what all classes share, and for
      `priors`, float64 [classes]; None of a regression.
    """

    kernel: np.ndarray
    bias: np.ndarray
    regularization: float | None = None
    metric: Metric | None = None
    priors: np.ndarray | float = 0.0

    def scaled(self, factor):
        """The same with logits times a factor."""
        return dataclasses.replace(self, kernel=self.kernel * factor, bias=self.bias * factor)


def nearest_mean(statistics, regularization=None, balanced=True):
    """The nearest class mean: minus half the squared distances to the means, but for what all classes share."""
    means = _means(statistics)
    return LinearHead(means.T.copy(), -0.5 * np.sum(means**2, axis=1), metric=Metric(None))


def lda(statistics, regularization=None, balanced=True):
    """Linear discriminant analysis: Gaussian classes of one covariance, which is shrunk towards a multiple of I.

    Args:
      statistics: `ClassStatistics`.
      regularization: share in (0, 1] of that multiple; None: what the statistics alone ask for. That is the one of
        `SHRINKAGES` by which the covariance of some classes makes the vectors of others most likely, see `held_out`;
        with a single class, a common Gram matrix or many features it is `oracle_shrinkage`.
      balanced: whether all classes are equally likely beforehand; else as likely as they were often.
    """
    means, total = _means(statistics), int(statistics.counts.sum())
    scatter = statistics.gram()
    squares = np.trace(scatter)
    _subtract_products(scatter, statistics.sums / np.sqrt(statistics.counts)[:, None])
    degrees = max(1, total - statistics.num_classes)
    share, others = regularization, statistics.per_class and statistics.num_classes > 1
    if share is None and others and statistics.num_features <= _MOST_FEATURES:
        share = held_out(statistics, scatter)
    scatter /= degrees
    share = oracle_shrinkage(scatter, degrees) if share is None else share
    level = _level(scatter, squares / degrees)
    scatter *= 1.0 - share
    _add_to_diagonal(scatter, share * level)
    factor = _factor(scatter)
    kernel = linalg.cho_solve(factor, means.T, check_finite=False)
    inverse, _ = lapack.dpotri(factor[0], lower=1, overwrite_c=1)
    priors = np.zeros(len(means)) if balanced else np.log(statistics.counts / total)
    metric = Metric(inverse, (1.0 - share) / degrees)
    return LinearHead(kernel, priors - 0.5 * np.sum(kernel.T * means, axis=1), share, metric, priors)


def ridge(statistics, regularization=None, balanced=True):
    """Ridge regression of one-hot labels, with an intercept that is not penalised.

    Args:
      statistics: `ClassStatistics`; balanced needs a Gram matrix of each class.
      regularization: penalty as a share of the covariance's mean diagonal; None: of `RIDGES` that with the least
        generalized cross-validation (Golub, Heath and Wahba, Technometrics 21, 1979), from the statistics alone.
      balanced: whether each class counts as much as any other, however many vectors it has.
    """
    _means(statistics)  # checks that each class has vectors
    counts, sums = statistics.counts.astype(float), statistics.sums
    weights = counts.sum() / (len(counts) * counts) if balanced else np.ones(len(counts))
    gram = statistics.gram(weights if balanced else None)
    counts, sums, total = counts * weights, sums * weights[:, None], counts.sum()
    mean, shares, squares = sums.sum(axis=0) / total, counts / total, np.trace(gram)
    _subtract_products(gram, np.sqrt(total) * mean[None])
    products = (sums - counts[:, None] * mean).T  # of centred vectors and one-hot labels
    level = _level(gram, squares)
    if regularization is None:
        regularization = _cross_validated(gram, products, level, shares, total)
    _add_to_diagonal(gram, regularization * level)
    kernel = _solved(gram, products)
    return LinearHead(kernel, shares - mean @ kernel, regularization)


HEADS = {"ridge": ridge, "lda": lda, "nearest_mean": nearest_mean}


def held_out(statistics, scatter):
    """The share of `SHRINKAGES` by which the other classes' covariance makes each class's vectors most likely.

    Classes are left out in at most five groups, which do not depend on their order. Vectors of a class resemble each
    other more than those of different classes do, so this asks for more shrinkage than leaving vectors out would.

    Args:
      statistics: `ClassStatistics` with a Gram matrix of each class.
      scatter: [D, D], lower triangle: of all vectors around their classes' means.
    """
    order = np.lexsort(
        (statistics.counts, statistics.traces() - np.sum(statistics.sums**2, axis=1) / statistics.counts)
    )
    likelihoods = np.zeros(len(SHRINKAGES))
    for fold in range(min(_MOST_FOLDS, len(order))):
        left_out = order[fold::_MOST_FOLDS]
        apart = _scatter_of(statistics, left_out)
        count = int(statistics.counts[left_out].sum())
        rest = int(statistics.counts.sum()) - count - (len(order) - len(left_out))
        others = (scatter - apart) / max(1, rest)
        values, vectors = linalg.eigh(others, lower=True, overwrite_a=True, check_finite=False)
        del others  # a matrix less in memory
        values = np.maximum(values, 0.0)
        products = blas.dsymm(1.0, np.asfortranarray(apart), vectors, lower=1)
        products *= vectors
        along = np.sum(products, axis=0)
        for i, share in enumerate(SHRINKAGES):
            shrunk = (1.0 - share) * values + share * (values.mean() or np.finfo(np.float32).tiny)
            likelihoods[i] -= (count - len(left_out)) * np.sum(np.log(shrunk)) + np.sum(along / shrunk)
    return SHRINKAGES[int(np.argmax(likelihoods))]


def _scatter_of(statistics, labels):
    """Scatter of some classes' vectors around the classes' means, lower triangle."""
    matrix = statistics.gram(labels=labels)
    _subtract_products(matrix, statistics.sums[labels] / np.sqrt(statistics.counts[labels])[:, None])
    return matrix


def oracle_shrinkage(covariance, degrees):
    """Share of the mean variance in a shrunk covariance of Gaussian vectors, from its trace and squares alone.

    Chen, Wiesel, Eldar and Hero, IEEE Transactions on Signal Processing 58, 2010, eq. 23.

    covariance: [D, D], its lower triangle; degrees: of freedom that it was estimated with.
    """
    size = len(covariance)
    trace, squares = np.trace(covariance), _squares(covariance)
    distance = squares - trace**2 / size
    if distance <= 0.0:
        return 1.0
    return float(min(1.0, ((1 - 2 / size) * squares + trace**2) / ((degrees + 1 - 2 / size) * distance)))


def temperature(head, statistics, seed=0):
    """Factor of a head's logits with which their softmax is most likely of vectors drawn of each class.

    Where logits are distances, these are as if the vector had been left out of the statistics, see `left_out`. Those of
    a regression are drawn from the Gaussian of the class's logits, which makes probabilities too sure where vectors are
    few. A class may be taken for another one even if that happens to none that is drawn: as after Platt, one image more
    than there are is taken to be of any class.
    """
    if statistics.num_classes == 1:
        return 1.0
    if head.metric is None:
        logits = _regressed(head, statistics, seed)
    else:
        logits = head.priors - 0.5 * draw(statistics, head.metric, seed).squares
    classes = np.arange(len(logits))
    logits = logits - logits[classes, :, classes][..., None]  # of the true class 0
    share = 1.0 / (1.0 + statistics.counts.sum())
    mean = share * np.mean(logits)

    def loss(logarithm):
        factor = np.exp(logarithm)
        return np.mean(special.logsumexp(factor * logits, axis=2)) - factor * mean

    return float(np.exp(optimize.minimize_scalar(loss, bounds=_TEMPERATURES, options={"xatol": 1e-8}).x))


def _regressed(head, statistics, seed):
    """Logits drawn of each class, [classes, samples, classes]; the classes are in an order of their own."""
    order = np.lexsort((np.sum(statistics.sums**2, axis=1), statistics.counts))
    means = (_means(statistics) @ head.kernel + head.bias)[np.ix_(order, order)]
    values, vectors = linalg.eigh(_logit_covariance(head, statistics)[np.ix_(order, order)])
    # The symmetric root, which is unique, as for a regression it is singular: its outputs sum to 1.
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    count = max(1, min(_SAMPLES, _MOST_LOGITS // len(means) ** 2))
    draws = numpy_generator(seed, "temperature").standard_normal((count, len(means)))
    return means[:, None] + (draws @ root.T)[None]


def _logit_covariance(head, statistics):
    """Covariance of the logits within classes, [classes, classes]."""
    total = int(statistics.counts.sum())
    products = sum(head.kernel.T @ triangles.product(triangle, head.kernel) for triangle in statistics.triangles)
    centres = (statistics.sums / np.sqrt(statistics.counts)[:, None]) @ head.kernel
    return (products - centres.T @ centres) / max(1, total - statistics.num_classes)


def _cross_validated(gram, products, level, shares, total):
    """The penalty of `RIDGES` with the least generalized cross-validation error."""
    all_squares, scores = total * np.sum(shares * (1 - shares)), []
    for ridge_share in RIDGES:
        penalty = ridge_share * level
        matrix = gram.copy(order="F")
        _add_to_diagonal(matrix, penalty)
        factor = _factor(matrix)
        kernel = linalg.cho_solve(factor, products, check_finite=False)
        degrees = len(gram) - penalty * _inverse_trace(factor)
        fitted = np.sum(kernel * products) - penalty * np.sum(kernel**2)  # kernel^T gram kernel
        residual = max(all_squares - 2 * np.sum(kernel * products) + fitted, _LEAST_RESIDUAL * all_squares)
        scores.append(residual / max(total - 1 - degrees, 1e-9 * total) ** 2)
    return RIDGES[int(np.argmin(scores))]


def _means(statistics):
    if not statistics.counts.all():
        raise UserError("closed form: expected vectors of each class, got a class without any")
    return statistics.sums / statistics.counts[:, None]


def _subtract_products(matrix, rows):
    """Subtracts rows^T rows from a lower triangle, in place."""
    blas.dsyrk(-1.0, np.ascontiguousarray(rows).T, beta=1.0, c=matrix, lower=1, overwrite_c=1)


def _level(matrix, squares):
    """Mean diagonal of a centred matrix, above 0 also where there is nothing but rounding in it.

    squares: trace of the same matrix before it was centred.
    """
    return max(np.trace(matrix), _LEAST_LEVEL * squares) / len(matrix) or 1.0


def _add_to_diagonal(matrix, value):
    matrix[np.diag_indices(len(matrix))] += value


def _squares(matrix):
    """Sum of squares of a symmetric matrix, of which the lower triangle is there."""
    diagonal = np.diag(matrix)
    return 2 * sum(float(column[i:] @ column[i:]) for i, column in enumerate(matrix.T)) - float(diagonal @ diagonal)


def _solved(matrix, right):
    """Solution of matrix @ x = right; matrix: positive definite, its lower triangle, and it is overwritten."""
    return linalg.cho_solve(_factor(matrix), right, check_finite=False)


def _inverse_trace(factor):
    """Trace of the inverse of a matrix; factor: as of `_factor`, and it is overwritten."""
    inverse, _ = lapack.dtrtri(factor[0], lower=1, overwrite_c=1)
    return sum(float(column[i:] @ column[i:]) for i, column in enumerate(inverse.T))


def _factor(matrix):
    """Cholesky factor, for `linalg.cho_solve`; matrix: as of `_solved`."""
    stopping.check()
    try:
        return linalg.cho_factor(matrix, lower=True, overwrite_a=True, check_finite=False)
    except linalg.LinAlgError as error:
        raise UserError(
            "closed form: expected a positive definite matrix, got one that is not; try a higher "
            "ClosedForm.regularization"
        ) from error
