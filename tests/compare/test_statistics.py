"""Statistics over seeds, against tables and hand-computed values."""

import math

import pytest

from dgm_tf.compare.statistics import estimate


@pytest.mark.parametrize(("n", "t"), [(2, 12.7062), (3, 4.3027), (5, 2.7764), (10, 2.2622), (31, 2.0423)])
def test_the_interval_is_that_of_the_tables(n, t):
    found = estimate([0.0, 1.0] * (n // 2) + [0.5] * (n % 2))
    assert found.half == pytest.approx(t * found.sd / math.sqrt(n), abs=5e-5)


def test_three_values_by_hand():
    found = estimate([96.0, 97.0, 99.0])
    assert found.n == 3 and found.mean == pytest.approx(97.3333333)
    assert found.sd == pytest.approx(math.sqrt((1.3333333**2 + 0.3333333**2 + 1.6666667**2) / 2))  # 1.5275
    assert found.half == pytest.approx(4.3026527 * 1.5275252 / math.sqrt(3), abs=1e-5)
    assert found.interval == pytest.approx((97.3333333 - 3.7945834, 97.3333333 + 3.7945834), abs=1e-5)


def test_one_value_has_no_spread():
    found = estimate([50.0])
    assert (found.mean, found.sd, found.half, found.interval) == (50.0, None, None, None)


def test_no_value_is_no_estimate():
    assert estimate([]) is None


def test_equal_values_have_none_left():
    found = estimate([0.1] * 3)
    assert found.sd == pytest.approx(0.0, abs=1e-15) and found.mean == pytest.approx(0.1)
