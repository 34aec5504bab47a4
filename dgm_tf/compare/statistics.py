"""Mean, standard deviation and the 95 % interval of a mean over seeds (Student's t)."""

import dataclasses
import math
import statistics

from scipy import special

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """Estimate of a score from a few seeds.

    Attributes:
      n: number of values.
      mean: their mean.
      sd: sample standard deviation (n - 1); None for one value.
      half: half the width of the 95 % interval of the mean; None for one value.
    """

    n: int
    mean: float
    sd: float | None
    half: float | None

    @property
    def interval(self):
        """(low, high) or None."""
        return None if self.half is None else (self.mean - self.half, self.mean + self.half)


def estimate(values):
    """The `Estimate` of a list of numbers; None for an empty one."""
    n = len(values)
    if not n:
        return None
    mean = statistics.fmean(values)
    if n == 1:
        return Estimate(1, mean, None, None)
    sd = statistics.stdev(values)
    return Estimate(n, mean, sd, float(special.stdtrit(n - 1, (1 + CONFIDENCE) / 2)) * sd / math.sqrt(n))
