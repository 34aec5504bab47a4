"""Statistics of classes of vectors: counts, sums and Gram matrices, which add up in any order."""

import numpy as np
from scipy.linalg import blas

from dgm_tf import stopping
from dgm_tf.errors import UserError
from dgm_tf.methods import triangles
from dgm_tf.methods.spreads import MOST_SPREAD
from dgm_tf.training.randomness import numpy_generator

_EXACT = 2048  # features up to which products are computed in float64; beyond, batches in float32 add up in float64
_BATCH_BYTES = 2**27  # of vectors read at once
_SKETCHES = 16  # weighted sums of differences within pairs
_USUAL_SPREAD = 0.06  # of classes that say nothing of it


class ClassStatistics:
    """Count, sum and Gram matrix of the vectors of each class.

    Counts, sums and spreads are kept for each class. Gram matrices are kept for each class, so that it can be taken out
    again or weighted, or summed over all classes.

    Args:
      num_features: D.
      per_class: whether each class has a Gram matrix of its own.
      kept_as: "float64" or "float32", to which sums and Gram matrices are rounded by `close`.

    Attributes:
      counts: int64 [classes].
      sums: float64 [classes, D].
      triangles: list of arrays [D (D + 1) / 2] of the type that is kept, the lower triangles of the Gram matrices of
        each class or of all. None is ever changed: another takes its place.
      images: int64 [classes], of which vectors were made: half as many as vectors where these come in pairs.
      spreads: float64 [classes, 3], squared coefficients of variation of distances to the class's mean, see `spreads`;
        0: not known, as of memories of earlier versions.
      sketches: float64 [classes, S, D], sums of half the differences within pairs with random signs. Their products
        estimate the scatter of these differences. S is 0 where vectors come alone.
    """

    def __init__(self, num_features, per_class, kept_as="float64"):
        self.num_features, self.per_class, self.kept_as = num_features, per_class, np.dtype(kept_as)
        self.counts, self.sums = np.zeros(0, np.int64), np.zeros((0, num_features))
        self.triangles = [] if per_class else [self._no_triangle()]
        self._open: tuple[int, np.ndarray] | None = None  # the Gram matrix that vectors are added to, and which it is
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
            self.triangles.append(self._no_triangle())
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
        gram = self._opened(label if self.per_class else 0)
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
        self._pack()
        self.triangles = [self.triangles[label] for label in kept]

    def _no_triangle(self):
        return np.zeros(triangles.length(self.num_features), self.kept_as)

    def _opened(self, index):
        if self._open is None or self._open[0] != index:
            self._pack()
            self._open = index, triangles.unpacked(self.triangles[index], self.num_features)
        return self._open[1]

    def _pack(self):
        if self._open is not None:
            index, gram = self._open
            self.triangles[index], self._open = triangles.packed(gram, self.kept_as), None

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
        done = earlier.triangles if earlier is not None and self.per_class else []
        self._pack()
        new = self.triangles[len(done) :]
        found.triangles = [*done, *(triangles.packed(matrix.T @ triangles.product(t, matrix)) for t in new)]
        return found

    def triangle(self, label):
        """Of the Gram matrix of a class or, where there is one of all, of that."""
        self._pack()
        return self.triangles[label if self.per_class else 0]

    def gram(self, weights=None, labels=None):
        """The sum of Gram matrices, float64 [D, D] in Fortran's order, of which the lower triangle counts.

        Args:
          weights: float [classes], of each class's matrix; None: 1.
          labels: of the classes whose matrices are added up; None: all.
        """
        self._pack()
        chosen = range(len(self.triangles)) if labels is None else labels
        total = triangles.zeros(self.num_features)
        for label in chosen:
            triangles.add_to(total, self.triangles[label], 1.0 if weights is None else weights[label])
        return total

    def traces(self):
        """float64 [matrices], traces of the Gram matrices."""
        self._pack()
        return np.array([triangles.trace(triangle, self.num_features) for triangle in self.triangles])

    @property
    def nbytes(self):
        """Bytes of what is kept, one triangle of each Gram matrix."""
        numbers = self.sums.size + self.sketches.size + triangles.length(self.num_features) * len(self.triangles)
        return self.counts.nbytes + self.images.nbytes + self.spreads.nbytes + self.kept_as.itemsize * numbers

    def close(self):
        """Rounds to what is kept, so that whoever goes on has the same statistics as who loads them."""
        self._pack()
        if self.kept_as != np.float64:
            self.sums = self.sums.astype(self.kept_as).astype(np.float64)
            self.sketches = self.sketches.astype(self.kept_as).astype(np.float64)

    def arrays(self):
        """Dict of arrays in the type that is kept; the triangles are no copies."""
        self._pack()
        packed = {f"gram/{i:04d}": triangle for i, triangle in enumerate(self.triangles)}
        lengths = {"images": self.images.copy(), "spreads": self.spreads.copy()}
        sums = {"sums": self.sums.astype(self.kept_as), "sketches": self.sketches.astype(self.kept_as)}
        return packed | {"counts": self.counts.copy()} | lengths | sums

    @classmethod
    def from_arrays(cls, arrays, per_class):
        """The inverse of `arrays`, of which it takes the triangles; other keys are ignored.

        Earlier versions kept counts, sums and Gram matrices.

        Raises:
          UserError: if a count is not positive, or a spread is none.
        """
        if np.any(arrays["counts"] < 1):
            raise UserError(f"closed form: expected counts of at least 1, got {arrays['counts'].min()}")
        found = arrays.get("spreads", np.zeros(1))
        if found.min() < 0.0 or found.max() > MOST_SPREAD or np.any(arrays.get("images", arrays["counts"]) < 1):
            raise UserError(f"closed form: expected spreads from 0 to {MOST_SPREAD:.0f} and images, got others")
        statistics = cls(arrays["sums"].shape[1], per_class, arrays["sums"].dtype)
        statistics.counts, statistics.sums = arrays["counts"].copy(), arrays["sums"].astype(np.float64)
        statistics.images = arrays.get("images", statistics.counts).copy()
        statistics.spreads = arrays.get("spreads", np.zeros((len(statistics.counts), 3))).copy()
        none = np.zeros((len(statistics.counts), 0, statistics.num_features))
        statistics.sketches = arrays.get("sketches", none).astype(np.float64)
        names = sorted((n for n in arrays if n.startswith("gram/")), key=lambda n: int(n.removeprefix("gram/")))
        statistics.triangles = [arrays[name] for name in names]
        return statistics


def _signs(count, seen):
    """Half of random signs for each image after `seen` others, those of its mirrored copy the opposite, [count, S]."""
    signs = numpy_generator(seen, "pairs").choice([-0.5, 0.5], (count // 2, _SKETCHES))
    return np.concatenate([signs, -signs])


def _add_products(gram, rows):
    """Adds rows^T rows to the lower triangle, in place."""
    if rows.dtype == np.float64 or rows.shape[1] <= _EXACT:
        blas.dsyrk(1.0, rows.astype(np.float64, copy=False).T, beta=1.0, c=gram, lower=1, overwrite_c=1)
    else:
        gram += blas.ssyrk(1.0, rows.astype(np.float32, copy=False).T, lower=1)
