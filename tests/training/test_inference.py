"""Running a function over many rows."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.inference import in_batches, network_features, network_logits


@pytest.mark.parametrize("count", [1, 3, 4, 9])
def test_rows_come_back_in_their_order(count):
    sizes = []

    def double(part):
        sizes.append(len(part))
        return 2 * part

    rows = np.arange(count * 2).reshape(count, 2)
    np.testing.assert_array_equal(in_batches(double, rows, (512, 512, 3)), 2 * rows)
    assert max(sizes) <= 4 and sum(sizes) == count


@pytest.mark.parametrize(
    ("shape", "at_once"), [((32, 32, 1), 1024), ((512, 512, 3), 4), ((1024, 1024, 3), 1), ((4096, 4096, 3), 1)]
)
def test_as_many_pixels_as_memory_stands_are_computed_at_once_and_one_image_at_least(shape, at_once):
    sizes = []
    in_batches(lambda part: sizes.append(len(part)) or part, np.zeros((1026, 1), np.uint8), shape)
    assert sizes == [at_once] * (1026 // at_once) + [1026 % at_once] * (1026 % at_once > 0)


def test_a_stop_is_heard_between_batches(monkeypatch):
    checked = []
    monkeypatch.setattr("dgm_tf.training.inference.stopping.check", lambda: checked.append(True))
    in_batches(lambda part: part, np.zeros((3, 1), np.uint8), (1024, 1024, 1))
    assert len(checked) == 3


def test_features_are_what_the_class_head_reads():
    network = DCGANDiscriminator(num_classes=3, filters=(2, 4, 6))
    levels = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1)).astype(np.uint8)
    features = network_features(network, levels)
    assert features.dtype == np.float32
    np.testing.assert_allclose(network.logits(features), network_logits(network, levels), atol=1e-6)
    np.testing.assert_allclose(network_logits(network, levels), network(levels / 127.5 - 1.0)[1], atol=1e-6)


def test_logits_are_the_class_heads_in_inference_mode():
    network = DCGANDiscriminator(num_classes=3, filters=(2, 4, 6))
    images = np.random.default_rng(0).uniform(-1, 1, (5, 32, 32, 1)).astype(np.float32)
    np.testing.assert_array_equal(network_logits(network, images), network(images, training=False)[1])


def test_no_images_give_no_outputs():
    network = DCGANDiscriminator(num_classes=3, filters=(2, 4, 6))
    assert network_logits(network, np.zeros((0, 32, 32, 1), np.uint8)).shape == (0, 3)


@pytest.mark.parametrize("before", [True, False])
def test_products_are_of_full_float32_and_the_users_choice_comes_back(before):
    settings, seen, rows = tf.config.experimental, [], np.ones((2, 1))
    settings.enable_tensor_float_32_execution(before)
    try:
        in_batches(lambda part: seen.append(settings.tensor_float_32_execution_enabled()) or part, rows, (1, 1))
        with pytest.raises(ZeroDivisionError):
            in_batches(lambda part: 1 / 0, rows, (1, 1))
        assert seen == [False] and settings.tensor_float_32_execution_enabled() == before
    finally:
        settings.enable_tensor_float_32_execution(True)
