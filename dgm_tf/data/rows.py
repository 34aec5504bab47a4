"""Lazy rows of arrays that may be larger than memory."""

import numpy as np


class Rows:
    """Selected rows of one or several concatenated arrays. They are read on access.

    An index array, a mask or a slice gives `Rows`, and reads nothing; an integer gives the row itself. NumPy and
    TensorFlow take `Rows` for an array, and then all of them are read: choose a batch first.

    Args:
        parts: arrays [N, ...] of one dtype and row shape, such as `np.memmap` or other `Rows`.
        indices: int [n], rows of the parts one after the other; None: all.
    """

    def __init__(self, parts, indices=None):
        self._parts = list(parts)
        self._stops = np.cumsum([len(part) for part in self._parts])
        self._indices = np.arange(self._stops[-1]) if indices is None else np.asarray(indices)

    @property
    def shape(self):
        """(n, ...)."""
        return (len(self._indices), *self._parts[0].shape[1:])

    @property
    def ndim(self):
        """Number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self):
        """Type of the elements."""
        return self._parts[0].dtype

    @property
    def nbytes(self):
        """Bytes of the rows in memory, once read."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, index):
        chosen = self._indices[index]
        return Rows(self._parts, chosen) if np.ndim(chosen) else np.asarray(Rows(self._parts, [chosen]))[0]

    def __array__(self, dtype=None, copy=None):
        result = np.empty(self.shape, self.dtype)
        order = np.argsort(self._indices, kind="stable")  # in the order of the file, as a disk likes it
        indices = self._indices[order]
        part_of = np.searchsorted(self._stops, indices, side="right")
        for p in np.unique(part_of):
            mine, part = part_of == p, self._parts[p]
            result[order[mine]] = part[indices[mine] - (self._stops[p] - len(part))]
        return result if dtype is None else result.astype(dtype, copy=False)


Images = np.ndarray | Rows  # what a data set's images may be


def concatenated(parts):
    """Like `np.concatenate`, but returns `Rows` if one of the arrays is `Rows`."""
    return Rows(parts) if any(isinstance(part, Rows) for part in parts) else np.concatenate(parts)
