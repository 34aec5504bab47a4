"""Specification of a saved array: shape, type, and whether it is required."""

from typing import NamedTuple

import numpy as np


class ArraySpec(NamedTuple):
    """shape: sizes, None where any will do; dtype: NumPy's; required: whether the array must be there."""

    shape: tuple
    dtype: np.dtype = np.dtype(np.float32)
    required: bool = True

    def admits(self, shape, dtype):
        """Whether an array of that shape and dtype matches."""
        same_rank = len(shape) == len(self.shape)
        return dtype == self.dtype and same_rank and all(e in (None, n) for n, e in zip(shape, self.shape, strict=True))

    def __str__(self):
        return f"{self.dtype} [{', '.join('?' if n is None else str(n) for n in self.shape)}]"
