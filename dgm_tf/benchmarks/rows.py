"""A choice of the rows of an array that is not read before it is asked for."""

import numpy as np


class Rows:
    """Rows of an array on disk, in some order; choosing among them again reads nothing.

    An index array, a mask or a slice gives `Rows`; an integer gives the row itself. `np.asarray` reads all of them.

    Args:
        array: [N, ...], such as a `np.memmap`.
        indices: int [n] of its rows; None: all.
    """

    def __init__(self, array, indices=None):
        self._array = array
        self._indices = np.arange(len(array)) if indices is None else np.asarray(indices)

    @property
    def shape(self):
        """(n, ...)."""
        return (len(self._indices), *self._array.shape[1:])

    @property
    def ndim(self):
        """Number of dimensions."""
        return self._array.ndim

    @property
    def dtype(self):
        """Of the elements."""
        return self._array.dtype

    @property
    def nbytes(self):
        """Bytes that the rows would take in memory."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def __len__(self):
        return len(self._indices)

    def __getitem__(self, index):
        chosen = self._indices[index]
        return Rows(self._array, chosen) if np.ndim(chosen) else np.array(self._array[chosen])

    def __array__(self, dtype=None, copy=None):
        # In the order of the file, as a disk likes it.
        order = np.argsort(self._indices, kind="stable")
        result = np.empty(self.shape, self.dtype)
        result[order] = self._array[self._indices[order]]
        return result if dtype is None else result.astype(dtype, copy=False)
