"""Spreads of a class's vectors around its mean: how much their distances to it vary."""

import numpy as np
from scipy import linalg

MOST_SPREAD = 10.0
_LEAST_SPREAD = 1e-4
_LEAST_IMAGES = 5  # of a class that says something of its spreads
_LEAST_SQUARE = 1e-12  # of a squared distance, as a share of the vectors' squares: less is rounding
_MOST_NUMBERS = 2**22  # in the vectors that spreads are computed of
_ROWS = 1024  # squared at once


class Sample:
    """Vectors of a class that `spreads` is computed of, taken while all pass by.

    They are those of all images or, where these would take too much memory, of images that are evenly spaced.

    Args:
      images: how many there are.
      views: vectors of each, 1 or 2.
      size: length of a vector.
    """

    def __init__(self, images, views, size):
        self._views, self._parts, self._first = views, [], 0
        most = max(_LEAST_IMAGES, _MOST_NUMBERS // (views * size))
        self._chosen = np.ones(images, bool)
        if images > most:
            self._chosen[:] = False
            self._chosen[np.linspace(0, images - 1, most).astype(int)] = True

    def begin(self, images):
        """The next ones are vectors of so many images: all first views, then all second ones."""
        chosen = self._chosen[self._first : self._first + images]
        self._first += images
        self._coming = np.tile(chosen, self._views)
        self._parts.append([])

    def next(self, count):
        """Which of the next vectors are to be added, a slice or bool [count]."""
        chosen, self._coming = self._coming[:count], self._coming[count:]
        return slice(None) if chosen.all() else chosen

    def add(self, vectors):
        """Takes vectors that were chosen."""
        self._parts[-1].append(vectors)

    def vectors(self):
        """float64 [views * n, size], all first views first."""
        parts = [np.concatenate(part).reshape(self._views, -1, part[0].shape[1]) for part in self._parts if part]
        return np.concatenate(parts, axis=1).reshape(-1, parts[0].shape[2]).astype(np.float64)


def spreads(vectors, views, shrinkages):
    """Squared coefficients of variation of a class's vectors, float64 [3]; 0 where they are too few or all the same.

    The first is that of the squared distance to the class's mean. The others are those of the squared Mahalanobis
    distance divided by the plain one. The covariance is the class's, shrunk, and each image is left out of it in turn.

    Args:
      vectors: float64 [views * n, d], all first views first; views: 1 or 2.
      shrinkages: two shares of a multiple of the unit matrix.
    """
    apart = vectors - vectors.mean(axis=0)
    squares, images = _squares(apart), len(vectors) // views
    if images < _LEAST_IMAGES or squares.mean() <= _LEAST_SQUARE * np.mean(_squares(vectors)):
        return np.zeros(3)
    lengths = np.sqrt(np.maximum(squares, _LEAST_SQUARE * squares.mean())).reshape(views, images).T
    distances = [np.mean(_left_out(apart, views, share) / lengths, axis=1) for share in shrinkages]
    found = [np.var(values) / np.mean(values) ** 2 for values in (squares, *distances)]
    return np.clip(found, _LEAST_SPREAD, MOST_SPREAD)


def _left_out(apart, views, shrinkage):
    """Squared Mahalanobis distances [n, views], each image left out of the covariance of centred vectors in turn."""
    covariance = apart.T @ apart  # exactly symmetric, so that its transpose, which LAPACK overwrites, is the same
    covariance *= (1.0 - shrinkage) / len(apart)
    covariance[np.diag_indices(len(covariance))] += shrinkage * np.mean(apart**2)
    root = linalg.cholesky(covariance.T, lower=True, overwrite_a=True)
    white = linalg.solve_triangular(root, apart.T, lower=True).T
    of_images = white.reshape(views, len(apart) // views, -1).transpose(1, 0, 2)
    products = of_images @ of_images.transpose(0, 2, 1)  # of the views of an image, [n, views, views]
    left_out = np.linalg.solve(np.eye(views) - (1.0 - shrinkage) / len(apart) * products, products)
    return np.diagonal(left_out, axis1=1, axis2=2)


def _squares(vectors):
    """Squared lengths."""
    parts = [np.sum(vectors[start : start + _ROWS] ** 2, axis=1) for start in range(0, len(vectors), _ROWS)]
    return np.concatenate(parts) if parts else np.zeros(0)
