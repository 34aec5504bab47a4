"""Images at rest and in the step."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.data.rows import Rows
from dgm_tf.training.pool import Pool, RehearsalPool, merged, to_float, to_uint8

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
    pool = Pool([group(7, 3)], group(5, 2))
    assert (pool.replay, pool.current) == ([range(3)], range(3, 5)) and len(pool) == 5
    alone = Pool([], group(5, 2))
    assert (alone.replay, alone.current) == ([], range(2))
    np.testing.assert_array_equal(pool.labels, [7, 7, 7, 5, 5])
    assert pool.labels.dtype == np.int32


@pytest.mark.parametrize("kinds", [(np.uint8, np.uint8), (np.float32, np.uint8), (np.float32, np.float32)])
def test_gathered_images_are_floats_whatever_the_groups_hold(kinds):
    groups = [group(0, 3, kinds[0]), group(1, 2, kinds[1])]
    images, labels = Pool(groups[:1], groups[1]).gather(tf.constant([4, 0]))
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


def test_a_pass_takes_every_image_once_and_drops_the_rest():
    batches = Pool([group(0, 7)], group(1, 4)).epoch_batches(np.random.default_rng(0), 5)
    assert batches.shape == (2, 5) == (Pool([group(0, 7)], group(1, 4)).num_batches(5), 5)
    assert len(np.unique(batches)) == 10 and batches.max() < 11


@pytest.mark.parametrize(("share", "expected"), [(None, [0.25, 0.25, 0.25, 0.25]), (0.8, [0.1, 0.1, 0.4, 0.4])])
def test_few_stored_images_are_not_lost_among_many(share, expected):
    stored = tuple(np.concatenate(parts) for parts in zip(group(0, 20), group(1, 30), strict=True))
    current = tuple(np.concatenate(parts) for parts in zip(group(2, 900), group(3, 1100), strict=True))
    pool = RehearsalPool(stored, current, share)
    batches = pool.epoch_batches(np.random.default_rng(0), 20)
    assert batches.shape == (100, 20) == (pool.num_batches(20), 20), "as long as a pass over the current images"
    shares = np.bincount(pool.labels[batches].ravel()) / batches.size
    np.testing.assert_allclose(shares, expected, atol=0.04)


def test_merged_groups_stay_on_disk_if_one_is_there():
    groups = [group(3, 2), (Rows([group(1, 3)[0]]), group(1, 3)[1]), group(2, 1, np.float32)]
    for some in (groups[:2], groups):
        images, labels = merged(some)
        assert isinstance(images, Rows) and labels.tolist() == np.concatenate([of for _, of in some]).tolist()
        expected = np.concatenate([np.asarray(to_float(np.asarray(part))) for part, _ in some])
        np.testing.assert_array_equal(to_float(np.asarray(images)), expected)


class TestStreamedPool:
    """Images that stay on disk are gathered like those in memory."""

    @pytest.mark.parametrize("kinds", [(np.uint8, np.uint8, np.uint8), (np.float32, np.uint8, np.uint8)])
    def test_it_gathers_the_same_images(self, kinds):
        groups = [group(0, 3, kinds[0]), group(1, 4, kinds[1]), group(2, 3, kinds[2])]
        on_disk = [groups[0], (Rows([groups[1][0]]), groups[1][1]), groups[2]]
        pools = [Pool(each[:2], each[2]) for each in (groups, on_disk)]
        indices = tf.constant([9, 0, 3, 6, 3])
        for gather in (lambda pool: pool.gather(indices), lambda pool: tf.function(pool.gather)(indices)):
            (images, labels), (streamed, its_labels) = map(gather, pools)
            np.testing.assert_array_equal(images, streamed)
            np.testing.assert_array_equal(labels, its_labels)
            assert streamed.dtype == tf.float32 and streamed.shape == (5, 4, 4, 1)
        assert (pools[0].replay, pools[0].current) == (pools[1].replay, pools[1].current) and len(pools[1]) == 10

    def test_every_level_is_the_same_beside_generated_images(self):
        levels, floats = LEVELS.reshape(256, 1, 1, 1), np.zeros((1, 1, 1, 1), np.float32)
        labels = np.zeros(256, np.int32)
        pools = [Pool([(floats, labels[:1])], (images, labels)) for images in (levels, Rows([levels]))]
        gathered = [pool.gather(tf.range(257))[0] for pool in pools]
        np.testing.assert_array_equal(*gathered)

    def test_labels_alone_read_nothing(self):
        class Unread(Rows):
            def __getitem__(self, index):
                raise AssertionError("read")

        pool = Pool([], (Unread([group(0, 3)[0]]), group(0, 3)[1]))
        np.testing.assert_array_equal(tf.function(lambda i: pool.gather(i)[1])(tf.constant([2])), [0])
