"""Stored images: budgets, order, and a round trip through saving."""

import types

import numpy as np

from dgm_tf.methods.exemplars import ExemplarMemory, herding_order, normalized_features, random_order


def images(label, count):
    return np.full((count, 4, 4, 1), label, np.uint8) + np.arange(count, dtype=np.uint8)[:, None, None, None]


def memory():
    memory = ExemplarMemory()
    memory.add(0, images(0, 5))
    memory.add(1, images(100, 3))
    return memory


def test_truncation_drops_from_the_tail_of_each_class():
    kept = memory()
    kept.truncate(4)
    assert len(kept) == 7 and kept.nbytes == 7 * 16
    np.testing.assert_array_equal(kept.images_of(0), images(0, 4))
    np.testing.assert_array_equal(kept.images_of(1), images(100, 3))


def test_the_group_pairs_images_with_labels():
    stored, labels = memory().group()
    assert labels.dtype == np.int32 and labels.tolist() == [0] * 5 + [1] * 3
    assert np.all((stored[:, 0, 0, 0] >= 100) == (labels == 1))


def test_arrays_restore_the_memory():
    restored = ExemplarMemory()
    restored.restore(memory().arrays() | {"something else": np.zeros(2)})
    assert restored.classes == [0, 1]
    np.testing.assert_array_equal(restored.images_of(1), images(100, 3))


def test_herding_of_six_points_by_hand():
    # Mean 4: first the point at 4; then the one that brings (4 + x) / 2 closest to 4, and so on.
    features = np.array([[0.0], [1.0], [3.0], [4.0], [6.0], [10.0]])
    assert features.mean() == 4.0
    # k=1: 4. k=2: 3 (3.5 from 4: 0.5; 6 -> 5: 1). k=3: total 7; 6 -> 13/3 (0.33), 4 is taken; 1 -> 8/3. So 6.
    # k=4: total 13; 1 -> 3.5, 0 -> 3.25, 10 -> 5.75. So 1. k=5: total 14; 0 -> 2.8 (1.2), 10 -> 4.8 (0.8). So 10.
    assert herding_order(features, 6).tolist() == [3, 2, 4, 1, 5, 0]
    assert herding_order(features, 2).tolist() == [3, 2]
    assert len(herding_order(features, 9)) == 6


def test_random_order_repeats_no_image_and_takes_what_there_is():
    chosen = random_order(np.random.default_rng(0), images(0, 5), 9)
    assert sorted(chosen) == [0, 1, 2, 3, 4]


def test_each_images_features_have_length_one():
    network = types.SimpleNamespace(features=lambda images, training: images[:, :, 0, 0] * [[1.0, 2.0, 2.0, 4.0]])
    found = np.asarray(
        normalized_features(network, np.stack([np.full((4, 4, 1), level) for level in (0.25, 0.5, 1.0)]))
    )
    np.testing.assert_allclose(found, np.tile([0.2, 0.4, 0.4, 0.8], (3, 1)), rtol=1e-6)
