"""Rows of an array on disk are chosen without being read."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.data.rows import Rows, concatenated


@pytest.fixture
def array(tmp_path):
    np.save(tmp_path / "a.npy", np.arange(60, dtype=np.uint8).reshape(10, 2, 3, 1))
    return np.load(tmp_path / "a.npy", mmap_mode="r")


@pytest.mark.parametrize("index", [slice(2, 7), np.array([5, 0, 5]), np.arange(10) % 3 == 0, [], np.array([], int)])
def test_choosing_is_that_of_arrays(array, index):
    index = np.asarray(index, int) if isinstance(index, list) else index
    rows = Rows([array])[index]
    assert isinstance(rows, Rows) and rows.shape == array[index].shape and rows.nbytes == array[index].nbytes
    np.testing.assert_array_equal(rows, array[index])
    np.testing.assert_array_equal(Rows([array])[::-1][index], array[::-1][index])


def test_one_row_is_an_array(array):
    row = Rows([array])[[4, 2]][-1]
    assert type(row) is np.ndarray
    np.testing.assert_array_equal(row, array[2])


def test_numpy_and_tensorflow_take_them_for_arrays(array):
    rows = Rows([array])[[3, 1]]
    assert np.ndim(rows) == 4 and rows.dtype == np.uint8 and len(rows) == 2
    for made in (np.array(rows), np.concatenate([rows, rows])[2:], tf.constant(rows), tf.cast(rows, tf.uint8)):
        np.testing.assert_array_equal(made, array[[3, 1]])
    assert np.asarray(rows, np.float32).dtype == np.float32


def test_what_is_chosen_is_read_from_the_array_at_that_time():
    base = np.zeros((3, 1))
    rows = Rows([base])[[2]]
    base[2] = 7
    assert np.asarray(rows).item() == 7, "nothing was copied"


def test_arrays_stand_end_to_end(array):
    whole = np.concatenate([array[5:], array[:3]])
    rows = concatenated([Rows([array])[5:], array[:3]])
    assert isinstance(rows, Rows) and rows.shape == whole.shape
    np.testing.assert_array_equal(rows, whole)
    np.testing.assert_array_equal(rows[[7, 0, 5, 4, 5]], whole[[7, 0, 5, 4, 5]])
    np.testing.assert_array_equal(rows[2:][::3], whole[2:][::3])
    assert type(concatenated([array[:1], array[1:]])) is not Rows
