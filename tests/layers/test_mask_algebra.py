"""Equations 2-6, the compensation of HAT and the arithmetic of growth, against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import mask_algebra


def test_mask_is_the_sigmoid_of_the_scaled_embedding():
    mask = mask_algebra.soft_mask(tf.constant([0.0, 0.5, -2.0]), tf.constant(2.0))
    np.testing.assert_allclose(mask, [0.5, 1 / (1 + np.exp(-1)), 1 / (1 + np.exp(4))], rtol=1e-6)


@pytest.mark.parametrize("exponent", [0.0, 0.3, -3.0, 10.0])
def test_mask_has_the_gradient_of_the_sigmoid(exponent):
    embedding, scale = tf.Variable(exponent / 4.0), tf.constant(4.0)
    with tf.GradientTape(persistent=True) as tape:
        ours = mask_algebra.soft_mask(embedding, scale)
        plain = tf.sigmoid(scale * embedding)
    np.testing.assert_allclose(tape.gradient(ours, embedding), tape.gradient(plain, embedding), rtol=1e-3)


def test_mask_passes_the_upstream_gradient_on():
    embedding = tf.Variable([0.0, 0.0])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(mask_algebra.soft_mask(embedding, tf.constant(8.0)) * [1.0, -3.0])
    np.testing.assert_allclose(tape.gradient(loss, embedding), [2.0, -6.0])  # s m (1 - m) = 8 / 4


@pytest.mark.parametrize("sign", [1.0, -1.0])
@pytest.mark.parametrize("exponent", [0.0, 1.0, 16.0, 30.0, 49.0])
def test_compensated_gradient_does_not_depend_on_the_saturation(exponent, sign):
    # dm/de = s m (1 - m) = s / (2 (cosh(s e) + 1)), so the compensation leaves s_max^i / (2 (cosh e + 1)).
    scale, epoch_scale = 100.0, 250.0
    embedding = tf.Variable(sign * exponent / scale)
    with tf.GradientTape() as tape:
        mask = mask_algebra.soft_mask(embedding, tf.constant(scale))
    compensated = mask_algebra.compensate(tape.gradient(mask, embedding), embedding, scale, epoch_scale)
    expected = epoch_scale / (2 * (np.cosh(exponent / scale) + 1))
    np.testing.assert_allclose(compensated, expected, rtol=1e-3)


def test_a_plain_sigmoid_would_lose_the_gradient_that_is_compensated():
    mask = tf.sigmoid(tf.constant(30.0))
    assert float(mask * (1.0 - mask)) == 0.0


@pytest.mark.parametrize("exponent", [60.0, -60.0, 1e4, -1e4, 1e30])
def test_compensation_stays_finite_beyond_the_clip(exponent):
    embedding = tf.Variable(exponent / 1e4)
    with tf.GradientTape() as tape:
        mask = mask_algebra.soft_mask(embedding, tf.constant(1e4))
    compensated = mask_algebra.compensate(tape.gradient(mask, embedding), embedding, 1e4, 1e4)
    # Beyond the clip it only fades: never more than the analytic value at the clip.
    assert np.isfinite(compensated) and abs(compensated) <= 1e4 / 4


def test_epoch_scale_runs_linearly_between_its_ends():
    scales = [mask_algebra.epoch_mask_scale(i, 5, 1000.0) for i in range(5)]
    assert scales[0] == 0.001 and scales[-1] == 1000.0
    np.testing.assert_allclose(np.diff(scales), (1000.0 - 0.001) / 4)


def test_batch_scale_runs_linearly_between_its_ends():
    scales = [mask_algebra.batch_mask_scale(b, 4, 50.0) for b in range(4)]
    assert scales[0] == 0.02 and scales[-1] == 50.0
    np.testing.assert_allclose(np.diff(scales), (50.0 - 0.02) / 3)


def test_scale_falls_within_the_first_epoch():
    first = mask_algebra.epoch_mask_scale(0, 100, 1e4)
    scales = [mask_algebra.batch_mask_scale(b, 10, first) for b in range(10)]
    assert scales[0] == 1e4 and scales[-1] == pytest.approx(1e-4)
    assert np.all(np.diff(scales) < 0)


def test_single_epoch_and_single_batch_take_the_end_value():
    assert mask_algebra.epoch_mask_scale(0, 1, 1e4) == 1e4
    assert mask_algebra.batch_mask_scale(0, 1, 300.0) == 300.0


def test_binary_mask_is_one_from_zero_on():
    # sigmoid(s_max * 0) = 0.5, and eq. 5's mask is [sigmoid(s_max e) >= 0.5].
    np.testing.assert_array_equal(mask_algebra.binarize([-1e-9, 0.0, 1e-9]), [False, True, True])


def test_a_weight_is_blocked_between_two_reserved_units():
    blocked = mask_algebra.blocked_by_units(tf.constant([1.0, 0.0]), tf.constant([1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(blocked, [[1, 0, 1], [0, 0, 0]])


def test_sparsity_counts_what_is_free_alone():
    masks = [tf.constant([1.0, 0.5]), tf.constant([[0.2], [0.4]])]
    reserved = [tf.constant([1.0, 0.0]), tf.constant([[0.0], [0.0]])]
    assert float(mask_algebra.sparsity(masks, reserved)) == pytest.approx((0.5 + 0.2 + 0.4) / 3)


def test_sparsity_is_zero_where_nothing_is_free():
    assert float(mask_algebra.sparsity([tf.ones(3)], [tf.ones(3)])) == 0.0


@pytest.mark.parametrize(
    ("free", "target", "fan_in", "added"),
    [(90, 100, 10, 1), (91, 100, 10, 1), (89, 100, 10, 2), (100, 100, 10, 0), (130, 100, 10, 0), (0, 100, 7, 15)],
)
def test_additional_outputs(free, target, fan_in, added):
    assert mask_algebra.additional_outputs(free, target, fan_in) == added


@pytest.mark.parametrize("seed", range(20))
def test_additional_outputs_restore_the_target_with_less_than_one_output_to_spare(seed):
    rng = np.random.default_rng(seed)
    target, fan_in = (int(n) for n in rng.integers(1, 500, 2))
    free = int(rng.integers(0, target))
    after = free + fan_in * mask_algebra.additional_outputs(free, target, fan_in)
    assert target <= after < target + fan_in


@pytest.mark.parametrize("shape", [(1,), (8,), (9,), (3, 5), (4, 4, 2, 3), (0,)])
def test_packing_round_trips_at_one_bit_an_entry(shape):
    mask = np.random.default_rng(0).random(shape) < 0.5
    bits = mask_algebra.pack(mask)
    assert bits.dtype == np.uint8 and bits.shape == (mask_algebra.packed_size(shape),)
    assert bits.size == -(-mask.size // 8)
    np.testing.assert_array_equal(mask_algebra.unpack(bits, shape), mask)
    assert mask_algebra.unpack(bits, shape).dtype == bool
