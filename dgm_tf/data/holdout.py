"""Held-out test images of data sets without a split: a fixed share of each class."""

import zlib

import numpy as np


def class_key(name):
    """Seed (uint32) of a class's splits. It depends on the class's name alone."""
    return zlib.crc32(name.encode())


def split_rows(rows, name, fraction, seed):
    """Splits a class's rows into (train, test), int [n] each, sorted.

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
