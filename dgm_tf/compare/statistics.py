"""Mean, standard deviation and the 95 % interval of a mean over seeds (Student's t)."""

import dataclasses
import math

CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What a few seeds say of a figure.

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
    mean = math.fsum(values) / n
    if n == 1:
        return Estimate(1, mean, None, None)
    sd = math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (n - 1))
    return Estimate(n, mean, sd, student_t(n - 1) * sd / math.sqrt(n))


def student_t(freedom, confidence=CONFIDENCE):
    """t with P(|T| < t) = confidence for `freedom` >= 1 degrees of freedom, such as 4.303 for 2."""
    low, high = 0.0, math.pi / 2  # of the angle atan(t / sqrt(freedom))
    for _ in range(80):
        angle = (low + high) / 2
        if _probability(angle, freedom) < confidence:
            low = angle
        else:
            high = angle
    return math.sqrt(freedom) * math.tan(low)


def _probability(angle, freedom):
    """P(|T| < t), exactly, for t = sqrt(freedom) tan(angle) (Abramowitz and Stegun, 26.7.3 and 26.7.4)."""
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2
    term, total = cosine if odd else 1.0, 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= cosine**2 * (k - 1) / k
    return 2 / math.pi * (angle + sine * total) if odd else sine * total
