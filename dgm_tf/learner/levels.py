"""Check of float images: values must be in [-1, 1], not in another common range."""

import warnings

import numpy as np

from dgm_tf.data.rows import Rows
from dgm_tf.errors import UserError

_ROUNDING = 1e-4  # beyond the range, by which arithmetic on levels may be off
_WAY_OUT = "divide levels from 0 to 255 by 127.5 and subtract 1, or pass uint8"


class FloatLevels:
    """Checks batches of float images, and remembers their least value.

    Attributes:
      least: the least value seen; infinite, if none was.
    """

    def __init__(self):
        self.least = np.inf

    def checked(self, images):
        """Returns the checked images as float32.

        Raises:
          UserError: where a value is outside [-1, 1] or not finite.
        """
        if not images.size:
            return images.astype(np.float32)
        low, high = images.min(), images.max()
        if not (np.isfinite(low) and np.isfinite(high)):
            raise UserError("images: expected floats in [-1, 1], got values that are not finite (NaN or infinite)")
        if low < -1 - _ROUNDING or high > 1 + _ROUNDING:
            raise UserError(f"images: expected floats in [-1, 1], got values from {low:g} to {high:g}; {_WAY_OUT}")
        self.least = min(self.least, float(low))
        return images.astype(np.float32, copy=False)

    def of_rows(self, rows):
        """Returns `Rows` that are checked when they are read."""
        return Rows([_Checked(rows, self)])

    def tell_unit_range(self, stacklevel):
        """Warns if no value below 0 was seen, and returns whether it did: such images are probably in [0, 1]."""
        suspect = 0 <= self.least < np.inf
        if suspect:
            text = "images: expected floats in [-1, 1], and all of these lie in [0, 1]; if that is their range, "
            warnings.warn(text + _WAY_OUT, stacklevel=stacklevel + 1)
        return suspect


class _Checked:
    """Float `Rows` whose values are checked when they are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, rows, levels):
        self._rows, self._levels, self.shape = rows, levels, rows.shape

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, indices):
        return self._levels.checked(np.asarray(self._rows[indices]))
