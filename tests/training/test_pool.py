"""Images at rest and in the step."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.training.pool import ImagePool, merged, to_float, to_uint8

LEVELS = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)


@pytest.mark.parametrize("convert", [np.asarray, tf.constant])
def test_levels_become_floats_between_minus_one_and_one(convert):
    images = np.asarray(to_float(convert(LEVELS)))
    assert images.dtype == np.float32 and images.min() == -1.0 and images.max() == 1.0
    assert to_float(images) is images


def test_levels_survive_the_way_there_and_back():
    np.testing.assert_array_equal(to_uint8(to_float(LEVELS)), LEVELS)


def test_floats_beyond_the_range_are_clipped():
    np.testing.assert_array_equal(to_uint8(np.array([-1.5, 1.5, 0.0])), [0, 255, 128])


def group(label, count, dtype=np.uint8):
    images = np.random.default_rng(label).integers(0, 256, (count, 4, 4, 1)).astype(np.uint8)
    images = images if dtype == np.uint8 else np.asarray(to_float(images))
    return images, np.full(count, label, np.int64)


def test_groups_keep_their_places():
    pool = ImagePool([group(7, 3), group(5, 2)])
    assert pool.ranges == [(0, 3), (3, 5)] and len(pool) == 5
    np.testing.assert_array_equal(pool.labels, [7, 7, 7, 5, 5])
    assert pool.labels.dtype == np.int32


@pytest.mark.parametrize("kinds", [(np.uint8, np.uint8), (np.float32, np.uint8), (np.float32, np.float32)])
def test_gathered_images_are_floats_whatever_the_groups_hold(kinds):
    groups = [group(0, 3, kinds[0]), group(1, 2, kinds[1])]
    images, labels = ImagePool(groups).gather(tf.constant([4, 0]))
    expected = [to_float(groups[1][0])[1], to_float(groups[0][0])[0]]
    np.testing.assert_allclose(images, expected, atol=1e-6)
    assert images.dtype == tf.float32 and labels.dtype == tf.int32
    np.testing.assert_array_equal(labels, [1, 0])


@pytest.mark.parametrize(("kinds", "dtype"), [((np.uint8,) * 2, np.uint8), ((np.uint8, np.float32), np.float32)])
def test_merged_groups_stay_levels_if_all_are(kinds, dtype):
    groups = [group(3, 2, kinds[0]), group(1, 1, kinds[1])]
    images, labels = merged(groups)
    assert images.dtype == dtype and labels.dtype == np.int32 and labels.tolist() == [3, 3, 1]
    np.testing.assert_array_equal(to_float(images), np.concatenate([to_float(i) for i, _ in groups]))
