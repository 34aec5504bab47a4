"""Base class for images without an official split: held-out test images, memory limit, cache."""

from dgm_tf import checks
from dgm_tf.data.holdout import split_rows
from dgm_tf.data.source import Source


class OwnImages(Source):
    """Images without an official split.

    Args:
        channels: 1 (grey), 3 (RGB) or None: as they are.
        test_fraction, seed: of `holdout.split_rows`.
        memory_limit: bytes; images that take more stay on disk.
        cache_dir: folder for what is made of the files; None: the one of `keep_in`.

    Raises:
        UserError: an argument is not as described.
    """

    def __init__(self, channels, test_fraction, seed, memory_limit, cache_dir):
        owner = type(self).__name__
        fits = channels in (None, 1, 3) and not isinstance(channels, bool)
        checks.argument(f"{owner}.channels", channels, fits, "1, 3 or None")
        checks.number_in(f"{owner}.test_fraction", test_fraction, "(0, 1)")
        checks.integer_in(f"{owner}.seed", seed, checks.SEEDS)
        checks.number_in(f"{owner}.memory_limit", memory_limit, "[0, inf]")
        self._channels, self._memory_limit, self.cache_dir = channels, memory_limit, cache_dir
        self._test_fraction, self._seed = test_fraction, seed

    def keep_in(self, folder):
        """Uses the folder as cache unless another one was set."""
        if self.cache_dir is None:
            self.cache_dir = folder

    def _split_rows(self, rows, name):
        """Splits the rows of a class into (train, test)."""
        return split_rows(rows, name, self._test_fraction, self._seed)
