"""Test images for people's own data sets: a share of each class, the same wherever and whenever the class comes."""

import zlib

import numpy as np


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
