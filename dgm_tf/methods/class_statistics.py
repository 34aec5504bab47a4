"""Statistics of classes of vectors: counts, sums and Gram matrices, which add up in any order."""

import numpy as np
from scipy.linalg import blas

from dgm_tf import stopping
from dgm_tf.errors import UserError

_EXACT = 2048  # features up to which products are computed in float64; beyond, batches in float32 add up in float64
_BATCH_BYTES = 2**27  # of vectors read at once


class ClassStatistics:
    """Count, sum and Gram matrix of the vectors of each class.

    Counts and sums are kept for each class. Gram matrices are kept for each class, so that a class can be taken out
    again or weighted, or summed over all classes.

    Args:
      num_features: D.
      per_class: whether each class has a Gram matrix of its own.
      kept_as: "float64" or "float32", to which sums and Gram matrices are rounded by `round`.

    Attributes:
      counts: int64 [classes].
      sums: float64 [classes, D].
      grams: list of float64 [D, D], of each class or of all; only their lower triangles are used.
    """

    def __init__(self, num_features, per_class, kept_as="float64"):
        self.num_features, self.per_class, self.kept_as = num_features, per_class, np.dtype(kept_as)
        self.counts, self.sums = np.zeros(0, np.int64), np.zeros((0, num_features))
        self.grams = [] if per_class else [_zeros(num_features)]

    @property
    def num_classes(self):
        """Number of classes seen."""
        return len(self.counts)

    def add_class(self):
        """Begins a new class; returns its label."""
        self.counts = np.append(self.counts, 0)
        self.sums = np.concatenate([self.sums, np.zeros((1, self.num_features))])
        if self.per_class:
            self.grams.append(_zeros(self.num_features))
        return self.num_classes - 1

    def add(self, label, vectors, make=np.asarray):
        """Adds vectors of a class that was begun.

        Args:
          label: of the class.
          vectors: float [n, d], an array or `Rows`; a part is read at a time.
          make: function from float [b, d] to float [b, D], what is added of them.

        Raises:
          UserError: if they are not finite.
        """
        size = max(1, min(8192, _BATCH_BYTES // (4 * self.num_features)))
        gram = self.grams[label if self.per_class else 0]
        for start in range(0, len(vectors), size):
            stopping.check()
            rows = np.ascontiguousarray(make(np.asarray(vectors[start : start + size])))
            self.counts[label] += len(rows)
            self.sums[label] += rows.sum(axis=0, dtype=np.float64)
            _add_products(gram, rows)
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
        self.grams = [self.grams[label] for label in kept]

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
        return self.counts.nbytes + self.kept_as.itemsize * (self.sums.size + triangle * len(self.grams))

    def round(self):
        """Rounds to what is kept, so that whoever goes on has the same statistics as who loads them."""
        if self.kept_as != np.float64:
            self.sums = self.sums.astype(self.kept_as).astype(np.float64)
            for gram in self.grams:
                for column in gram.T:
                    column[:] = column.astype(self.kept_as)

    def arrays(self):
        """Dict of arrays, lower triangles packed: [D (D + 1) / 2], in the type that is kept."""
        packed = {f"gram/{i:04d}": _packed(gram, self.kept_as) for i, gram in enumerate(self.grams)}
        return packed | {"counts": self.counts.copy(), "sums": self.sums.astype(self.kept_as)}

    @classmethod
    def from_arrays(cls, arrays, per_class):
        """The inverse of `arrays`; other keys are ignored.

        Raises:
          UserError: if a count is not positive.
        """
        if np.any(arrays["counts"] < 1):
            raise UserError(f"closed form: expected counts of at least 1, got {arrays['counts'].min()}")
        statistics = cls(arrays["sums"].shape[1], per_class, arrays["sums"].dtype)
        statistics.counts, statistics.sums = arrays["counts"].copy(), arrays["sums"].astype(np.float64)
        names = sorted((n for n in arrays if n.startswith("gram/")), key=lambda n: int(n.removeprefix("gram/")))
        statistics.grams = [_unpacked(arrays[name], statistics.num_features) for name in names]
        return statistics


def _zeros(size):
    return np.zeros((size, size), order="F")  # as BLAS updates in place


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
