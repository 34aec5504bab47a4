"""Statistics of classes of vectors: counts, sums and Gram matrices, which add up in any order."""

import numpy as np
from scipy import linalg
from scipy.linalg import blas

from dgm_tf import stopping
from dgm_tf.errors import UserError
from dgm_tf.training.randomness import numpy_generator

_EXACT = 2048  # features up to which products are computed in float64; beyond, batches in float32 add up in float64
_BATCH_BYTES = 2**27  # of vectors read at once
_SKETCHES = 16  # weighted sums of differences within pairs
_LEAST_IMAGES = 5  # of a class that says something of its spreads
_LEAST_SQUARE = 1e-12  # of a squared distance, as a share of the vectors' squares: less is rounding
_LEAST_SPREAD, _MOST_SPREAD = 1e-4, 10.0
_USUAL_SPREAD = 0.06  # of classes that say nothing of it


class ClassStatistics:
    """Count, sum and Gram matrix of the vectors of each class.

    Counts, sums and spreads are kept for each class. Gram matrices are kept for each class, so that it can be taken out
    again or weighted, or summed over all classes.

    Args:
      num_features: D.
      per_class: whether each class has a Gram matrix of its own.
      kept_as: "float64" or "float32", to which sums and Gram matrices are rounded by `round`.

    Attributes:
      counts: int64 [classes].
      sums: float64 [classes, D].
      grams: list of float64 [D, D], of each class or of all; only their lower triangles are used.
      images: int64 [classes], of which vectors were made: half as many as vectors where these come in pairs.
      spreads: float64 [classes, 3], squared coefficients of variation of distances to the class's mean, see `spreads`;
        0: not known, as of memories of earlier versions.
      sketches: float64 [classes, S, D], sums of half the differences within pairs with random signs. Their products
        estimate the scatter of these differences. S is 0 where vectors come alone.
    """

    def __init__(self, num_features, per_class, kept_as="float64"):
        self.num_features, self.per_class, self.kept_as = num_features, per_class, np.dtype(kept_as)
        self.counts, self.sums = np.zeros(0, np.int64), np.zeros((0, num_features))
        self.grams = [] if per_class else [_zeros(num_features)]
        self.images, self.spreads = np.zeros(0, np.int64), np.zeros((0, 3))
        self.sketches = np.zeros((0, 0, num_features))

    @property
    def num_classes(self):
        """Number of classes seen."""
        return len(self.counts)

    def add_class(self):
        """Begins a new class; returns its label."""
        self.counts = np.append(self.counts, 0)
        self.sums = np.concatenate([self.sums, np.zeros((1, self.num_features))])
        self.images, self.spreads = np.append(self.images, 0), np.append(self.spreads, np.zeros((1, 3)), axis=0)
        self.sketches = np.concatenate([self.sketches, np.zeros((1, *self.sketches.shape[1:]))])
        if self.per_class:
            self.grams.append(_zeros(self.num_features))
        return self.num_classes - 1

    def add(self, label, vectors, make=np.asarray, views=1):
        """Adds vectors of a class that was begun.

        Args:
          label: of the class.
          vectors: float [n, d], an array or `Rows`; a part is read at a time.
          make: function from float [b, d] to float [b, D], what is added of them.
          views: 2 where the second half are mirrored copies of the first, in the same order.

        Raises:
          UserError: if they are not finite.
        """
        size = max(1, min(8192, _BATCH_BYTES // (4 * self.num_features)))
        gram = self.grams[label if self.per_class else 0]
        signs = _signs(len(vectors), int(self.images[label])) if views == 2 else None
        for start in range(0, len(vectors), size):
            stopping.check()
            rows = np.ascontiguousarray(make(np.asarray(vectors[start : start + size])))
            self.counts[label] += len(rows)
            self.sums[label] += rows.sum(axis=0, dtype=np.float64)
            _add_products(gram, rows)
            if signs is not None:
                self._sketch(label, signs[start : start + size], rows)
        self.images[label] += len(vectors) // views
        if not np.isfinite(self.sums[label]).all():
            raise UserError(
                f"closed form: expected finite features, got NaN or infinity among those of class {label}; check the "
                "extractor's weights and input range"
            )

    def remove(self, labels):
        """Takes classes out, which needs a Gram matrix of each; those that stay are numbered anew in their order."""
        if not self.per_class:
            raise ValueError("expected a Gram matrix of each class, got one of all")
        kept = [label for label in range(self.num_classes) if label not in set(labels)]
        self.counts, self.sums = self.counts[kept], self.sums[kept]
        self.images, self.spreads, self.sketches = self.images[kept], self.spreads[kept], self.sketches[kept]
        self.grams = [self.grams[label] for label in kept]

    def _sketch(self, label, signs, rows):
        if not self.sketches.shape[1]:
            self.sketches = np.zeros((self.num_classes, _SKETCHES, self.num_features))
        self.sketches[label] += signs.T @ rows.astype(np.float64)

    def known_spreads(self):
        """`spreads`, the mean of the others' where one is not known."""
        known = self.spreads > 0.0
        usual = np.sum(self.spreads, axis=0) / np.maximum(np.sum(known, axis=0), 1)
        return np.where(known, self.spreads, np.where(usual > 0.0, usual, _USUAL_SPREAD))

    def projected(self, matrix, earlier=None):
        """`ClassStatistics` of vectors @ matrix, float64 [D, d].

        earlier: the same before more classes were learned, or None; it saves time.
        """
        found = ClassStatistics(matrix.shape[1], self.per_class)
        found.counts, found.images, found.spreads = self.counts, self.images, self.spreads
        found.sums, found.sketches = self.sums @ matrix, self.sketches @ matrix
        right, done = np.asfortranarray(matrix), earlier.grams if earlier is not None and self.per_class else []
        new = [np.asfortranarray(matrix.T @ blas.dsymm(1.0, gram, right, lower=1)) for gram in self.grams[len(done) :]]
        found.grams = [*done, *new]
        return found

    def gram(self, weights=None):
        """The sum of all Gram matrices, float64 [D, D], a copy of which the lower triangle counts.

        weights: float [classes], of each class's matrix; None: 1.
        """
        if weights is None and len(self.grams) == 1:
            return self.grams[0].copy(order="F")
        total = _zeros(self.num_features)
        for gram, weight in zip(self.grams, [1.0] * len(self.grams) if weights is None else weights, strict=True):
            total += weight * gram
        return total

    @property
    def nbytes(self):
        """Bytes of what is kept, one triangle of each Gram matrix."""
        triangle = self.num_features * (self.num_features + 1) // 2
        of_classes = self.counts.nbytes + self.images.nbytes + self.spreads.nbytes
        return of_classes + self.kept_as.itemsize * (self.sums.size + self.sketches.size + triangle * len(self.grams))

    def round(self):
        """Rounds to what is kept, so that whoever goes on has the same statistics as who loads them."""
        if self.kept_as != np.float64:
            self.sums = self.sums.astype(self.kept_as).astype(np.float64)
            self.sketches = self.sketches.astype(self.kept_as).astype(np.float64)
            for gram in self.grams:
                for column in gram.T:
                    column[:] = column.astype(self.kept_as)

    def arrays(self):
        """Dict of arrays, lower triangles packed: [D (D + 1) / 2], in the type that is kept."""
        packed = {f"gram/{i:04d}": _packed(gram, self.kept_as) for i, gram in enumerate(self.grams)}
        lengths = {"images": self.images.copy(), "spreads": self.spreads.copy()}
        sums = {"sums": self.sums.astype(self.kept_as), "sketches": self.sketches.astype(self.kept_as)}
        return packed | {"counts": self.counts.copy()} | lengths | sums

    @classmethod
    def from_arrays(cls, arrays, per_class):
        """The inverse of `arrays`; other keys are ignored. Earlier versions kept counts, sums and Gram matrices.

        Raises:
          UserError: if a count is not positive, or a spread is none.
        """
        if np.any(arrays["counts"] < 1):
            raise UserError(f"closed form: expected counts of at least 1, got {arrays['counts'].min()}")
        found = arrays.get("spreads", np.zeros(1))
        if found.min() < 0.0 or found.max() > _MOST_SPREAD or np.any(arrays.get("images", arrays["counts"]) < 1):
            raise UserError(f"closed form: expected spreads from 0 to {_MOST_SPREAD:.0f} and images, got others")
        statistics = cls(arrays["sums"].shape[1], per_class, arrays["sums"].dtype)
        statistics.counts, statistics.sums = arrays["counts"].copy(), arrays["sums"].astype(np.float64)
        statistics.images = arrays.get("images", statistics.counts).copy()
        statistics.spreads = arrays.get("spreads", np.zeros((len(statistics.counts), 3))).copy()
        none = np.zeros((len(statistics.counts), 0, statistics.num_features))
        statistics.sketches = arrays.get("sketches", none).astype(np.float64)
        names = sorted((n for n in arrays if n.startswith("gram/")), key=lambda n: int(n.removeprefix("gram/")))
        statistics.grams = [_unpacked(arrays[name], statistics.num_features) for name in names]
        return statistics


def _zeros(size):
    return np.zeros((size, size), order="F")  # as BLAS updates in place


def _signs(count, seen):
    """Half of random signs for each image after `seen` others, those of its mirrored copy the opposite, [count, S]."""
    signs = numpy_generator(seen, "pairs").choice([-0.5, 0.5], (count // 2, _SKETCHES))
    return np.concatenate([signs, -signs])


def spreads(vectors, views, shrinkages):
    """Squared coefficients of variation of a class's vectors, float64 [3]; 0 where they are too few or all the same.

    The first is that of the squared distance to the class's mean. The others are those of the squared Mahalanobis
    distance divided by the plain one. The covariance is the class's, shrunk, and each image is left out of it in turn.

    Args:
      vectors: float64 [views * n, d], all first views first; views: 1 or 2.
      shrinkages: two shares of a multiple of the unit matrix.
    """
    apart = vectors - vectors.mean(axis=0)
    squares, images = np.sum(apart**2, axis=1), len(vectors) // views
    if images < _LEAST_IMAGES or squares.mean() <= _LEAST_SQUARE * np.mean(np.sum(vectors**2, axis=1)):
        return np.zeros(3)
    lengths = np.sqrt(np.maximum(squares, _LEAST_SQUARE * squares.mean())).reshape(views, images).T
    distances = [np.mean(_left_out(apart, views, share) / lengths, axis=1) for share in shrinkages]
    found = [np.var(values) / np.mean(values) ** 2 for values in (squares, *distances)]
    return np.clip(found, _LEAST_SPREAD, _MOST_SPREAD)


def _left_out(apart, views, shrinkage):
    """Squared Mahalanobis distances [n, views], each image left out of the covariance of centred vectors in turn."""
    covariance = (1.0 - shrinkage) / len(apart) * (apart.T @ apart)
    covariance[np.diag_indices(len(covariance))] += shrinkage * np.mean(apart**2)
    white = linalg.solve_triangular(linalg.cholesky(covariance, lower=True), apart.T, lower=True).T
    of_images = white.reshape(views, len(apart) // views, -1).transpose(1, 0, 2)
    products = of_images @ of_images.transpose(0, 2, 1)  # of the views of an image, [n, views, views]
    left_out = np.linalg.solve(np.eye(views) - (1.0 - shrinkage) / len(apart) * products, products)
    return np.diagonal(left_out, axis1=1, axis2=2)


def _add_products(gram, rows):
    """Adds rows^T rows to the lower triangle, in place."""
    if rows.dtype == np.float64 or rows.shape[1] <= _EXACT:
        blas.dsyrk(1.0, rows.astype(np.float64, copy=False).T, beta=1.0, c=gram, lower=1, overwrite_c=1)
    else:
        gram += blas.ssyrk(1.0, rows.astype(np.float32, copy=False).T, lower=1)


def _packed(gram, kept_as):
    size, packed, start = len(gram), np.empty(len(gram) * (len(gram) + 1) // 2, kept_as), 0
    for row in range(size):  # without an array of indices, which would be larger than the matrix
        packed[start : start + row + 1] = gram[row, : row + 1]
        start += row + 1
    return packed


def _unpacked(packed, size):
    gram, start = _zeros(size), 0
    for row in range(size):
        gram[row, : row + 1] = packed[start : start + row + 1]
        start += row + 1
    return gram
