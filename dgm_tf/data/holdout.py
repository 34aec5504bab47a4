"""Test images for people's own data sets: a share of each class, the same wherever and whenever the class comes."""

import numbers
import zlib

import numpy as np

from dgm_tf.errors import UserError


def class_key(name):
    """uint32 that a class's splits are drawn by: of its name alone, whatever place it has among others."""
    return zlib.crc32(name.encode())


def split_rows(rows, name, fraction, seed):
    """(train, test): a class's rows, int [n] each, in their order.

    At least one goes to each part where there are two rows; a single one is for training.

    Args:
        rows: int [N].
        name: of the class.
        fraction: of the rows that are for the test, in (0, 1).
        seed: in [0, 2**32).
    """
    rows = np.asarray(rows, int)
    count = min(max(1, round(fraction * len(rows))), max(0, len(rows) - 1))
    is_test = np.zeros(len(rows), bool)
    is_test[np.random.RandomState([seed, class_key(name), 1]).permutation(len(rows))[:count]] = True
    return rows[~is_test], rows[is_test]


def check_split(owner, test_fraction, seed):
    """Raises UserError, naming the owner's argument, for what is no fraction or seed."""
    check_number(owner, "test_fraction", test_fraction, lambda v: 0 < v < 1, "a number in (0, 1)")
    check_number(owner, "seed", seed, lambda v: isinstance(v, numbers.Integral) and 0 <= v < 2**32, "an integer >= 0")


def check_number(owner, argument, value, fits, expected):
    """Raises UserError for a value that is no number or does not fit."""
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not fits(value):
        raise UserError(f"{owner}.{argument}: expected {expected}, got {value!r}")


def check_channels(owner, channels):
    """Raises UserError for another number of channels than 1, 3 or None."""
    if isinstance(channels, bool) or channels not in (None, 1, 3):
        raise UserError(f"{owner}.channels: expected 1, 3 or None, got {channels!r}")
