"""The invariant of the method (what a task reserved stays as it is) and growth, over random histories.

A history stands for training: embeddings are drawn, free weights get random updates through the layers' own
gates, everything that belongs to one task alone is overwritten.
"""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import mask_algebra
from dgm_tf.networks import folded
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.networks.task_generator import conditional_latents

LATENT, TASKS = 8, 4
LARGE = tf.constant(1e6)  # a scale at which soft masks are binary


@pytest.fixture(params=["weights", "units"])
def plasticity(request):
    return request.param


def new_generator(plasticity, filters=2, channels=1):
    return DCGANGenerator((32, 32, channels), plasticity, filters=filters, latent_size=LATENT)


def train(generator, rng, share=0.4):
    """What training may do to the generator, at random; `share` of the mask entries end at 1."""
    for layer in generator.masked_layers:
        on = rng.random(layer.embedding.shape) < share
        layer.embedding.assign(np.where(on, 1, -1) * rng.uniform(0.1, 1.0, on.shape))
        update = rng.normal(0.0, 0.3, layer.kernel.shape) * np.asarray(layer.kernel_gate())
        layer.kernel.assign(np.asarray(layer.kernel) + update)
    for norm in generator.norms:
        for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
            variable.assign(rng.uniform(0.2, 1.0, variable.shape))
    kernel = generator.output_layer.kernel
    kernel.assign(rng.normal(0.0, 0.3, kernel.shape))


def images(generator, task):
    latents = tf.random.stateless_normal([3, LATENT], [1, task])
    return generator.plain(task)(latents).numpy()


def free(layer):
    return int(np.sum(np.asarray(layer.reserved) == 0))


def shares(rng):
    """Anything from sparse to nearly full masks."""
    return rng.choice([0.05, 0.3, 0.6, 0.95])


@pytest.mark.parametrize("seed", range(3))
def test_learned_tasks_are_replayed_bit_for_bit(plasticity, seed):
    rng, generator, memory = np.random.default_rng(seed), new_generator(plasticity), []

    def unchanged():
        return max((np.max(np.abs(images(generator, k) - old)) for k, old in enumerate(memory)), default=0.0)

    for task in range(TASKS):
        train(generator, rng, shares(rng))
        assert unchanged() == 0.0
        generator.reserve()
        memory.append(images(generator, task))
        assert np.max(np.abs(memory[-1])) <= 1.0 and np.ptp(memory[-1]) > 0.0
        generator = generator.grow()
        assert unchanged() == 0.0


@pytest.mark.parametrize("task", range(3))
def test_the_masked_network_becomes_the_plain_one(plasticity, task):
    rng, generator = np.random.default_rng(task), new_generator(plasticity)
    for _ in range(task):
        train(generator, rng)
        generator.reserve()
        generator = generator.grow()
    train(generator, rng)
    generator.reserve()
    latents = tf.random.stateless_normal([3, LATENT], [1, task])
    np.testing.assert_allclose(generator(latents, LARGE), generator.plain(task)(latents), atol=1e-5)


@pytest.mark.parametrize("seed", range(4))
def test_growth_restores_the_free_capacity(plasticity, seed):
    rng, generator = np.random.default_rng(seed), new_generator(plasticity)
    for _ in range(TASKS):
        train(generator, rng, shares(rng))
        generator.reserve()
        grown = generator.grow()
        for old, new, target in zip(generator.masked_layers, grown.masked_layers, generator.initial_sizes, strict=True):
            if plasticity == "units":
                assert free(new) == target
            else:
                fan_in = new.inputs_width * 16
                assert free(new) >= target
                # More than the division's rest only where wider inputs alone brought it.
                assert free(new) < target + fan_in or new.width == old.width
        generator = grown


def test_growth_of_weight_masks_by_hand():
    generator = new_generator("weights")
    for layer in generator.masked_layers:
        layer.embedding.assign(-np.ones(layer.embedding.shape))
    first, second, third = generator.masked_layers
    # Layer 0: 8 x 8 x 16 weights; 300 reserved, fan-in 128: 3 outputs more.
    reserve_some(first, 300)
    # Layer 1: 3 inputs more bring 3 * 16 * 4 = 192 free weights; of 400 reserved 208 remain, fan-in 11 * 16: 2.
    reserve_some(second, 400)
    # Layer 2: 2 inputs more bring 2 * 16 * 2 = 64, more than the 50 reserved: none.
    reserve_some(third, 50)
    generator.reserve()
    assert generator.grown_widths() == [11, 6, 2]
    grown = generator.grow()
    assert grown.free_capacity() == {
        "masked_0": 8 * 8 * 16 - 300 + 3 * 128,
        "masked_1": 8 * 4 * 16 - 400 + 192 + 2 * 176,
        "masked_2": 4 * 2 * 16 - 50 + 64,
    }


def reserve_some(layer, count):
    embedding = -np.ones(int(np.prod(layer.embedding.shape)))
    embedding[:count] = 1.0
    layer.embedding.assign(embedding.reshape(layer.embedding.shape))


def test_growth_of_unit_masks_by_hand():
    generator = new_generator("units")
    for layer, count in zip(generator.masked_layers, (3, 0, 2), strict=True):
        reserve_some(layer, count)
    generator.reserve()
    assert generator.grown_widths() == [8 + 3, 4, 2 + 2]
    assert list(generator.grow().free_capacity().values()) == [8, 4, 2]


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_empty_and_full_masks_grow_too(plasticity, share):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    memory = None
    for _ in range(2):
        train(generator, rng, share)
        generator.reserve()
        memory = images(generator, 0) if memory is None else memory
        generator = generator.grow()
        np.testing.assert_array_equal(images(generator, 0), memory)
    sizes = [free(layer) for layer in generator.masked_layers]
    assert all(size >= target for size, target in zip(sizes, generator.initial_sizes, strict=True))


def test_a_task_runs_on_the_slice_that_it_was_learned_on(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    widths, sizes = list(generator.widths), []
    for _ in range(3):
        train(generator, rng, share=1.0)
        generator.reserve()
        generator = generator.grow()
        plain = generator.plain(0)
        assert plain.full_widths == widths
        sizes.append(plain.count_params())
    assert len(set(sizes)) == 1
    assert generator.widths > widths


def test_channels_that_masks_leave_dead_are_left_out():
    rng, generator = np.random.default_rng(0), new_generator("units")
    train(generator, rng)
    for layer, count in zip(generator.masked_layers, (5, 3, 1), strict=True):
        reserve_some(layer, count)
    generator.reserve()
    plain = generator.plain(0)
    assert plain.widths == [5, 3, 1] and plain.full_widths == [8, 4, 2]


def test_leaving_out_dead_channels_changes_no_image(plasticity, monkeypatch):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    train(generator, rng)
    for layer in generator.masked_layers:
        reserve_some(layer, max(1, int(np.prod(layer.embedding.shape)) // 40))
    generator.reserve()
    pruned = generator.plain(0)
    monkeypatch.setattr(folded, "_alive_channels", lambda kernel, offset: np.arange(len(offset)))
    whole = generator.plain(0)
    assert whole.widths == whole.full_widths and sum(pruned.widths) < sum(whole.widths)
    latents = tf.random.stateless_normal([16, LATENT], [0, 1])
    np.testing.assert_allclose(pruned(latents), whole(latents), atol=1e-6)


def test_earlier_tasks_are_folded_once_and_the_present_one_anew():
    generator = new_generator("weights")
    train(generator, np.random.default_rng(0))
    generator.reserve()
    assert generator.plain(0) is not generator.plain(0)
    grown = generator.grow()
    assert grown.plain(0) is grown.plain(0)


def test_reserved_masks_follow_from_the_stored_bits(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    for _ in range(3):
        train(generator, rng)
        generator.reserve()
        generator = generator.grow()
    derived = [v for v in generator.weights if v.name in ("reserved", "reserved_inputs")]
    before = [v.numpy().copy() for v in derived]
    for variable in derived:
        variable.assign(np.full(variable.shape, 0.5))
    if plasticity == "units":
        generator.masked_layers[0].reserved_inputs.assign(np.ones(LATENT))
    generator.restore_reserved()
    for old, new in zip(before, derived, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_units_between_reserved_ones_are_blocked_through_the_network():
    generator = new_generator("units")
    reserved = [3, 2, 1]
    for layer, count in zip(generator.masked_layers, reserved, strict=True):
        reserve_some(layer, count)
    generator.reserve()
    generator = generator.grow()
    for i, layer in enumerate(generator.masked_layers):
        gate = np.broadcast_to(layer.kernel_gate(), layer.kernel.shape)[0, 0]
        inputs = LATENT if i == 0 else reserved[i - 1]  # z: all of it counts as reserved
        expected = np.ones(gate.shape)
        expected[: reserved[i], :inputs] = 0.0
        np.testing.assert_array_equal(gate, expected)


def test_gradients_are_gated_and_compensated(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    train(generator, rng)
    generator.reserve()
    generator = generator.grow()
    train(generator, rng)
    variables = generator.trainable_variables
    gradients = [tf.constant(rng.normal(size=v.shape), tf.float32) for v in variables]
    s, s_max = tf.constant(3.0), tf.constant(70.0)
    transformed = generator.transform_gradients(gradients, variables, s, s_max)
    layers = {layer.name: layer for layer in generator.masked_layers}
    for variable, gradient, result in zip(variables, gradients, transformed, strict=True):
        layer = layers.get(variable.path.split("/")[0])
        if layer is None:  # what belongs to the task alone
            np.testing.assert_array_equal(result, gradient)
        elif variable.name == "kernel":
            np.testing.assert_array_equal(result, gradient * layer.kernel_gate())
        else:
            expected = mask_algebra.compensate(gradient, np.asarray(variable), s, s_max)
            np.testing.assert_allclose(result, expected, rtol=1e-6)


def test_capacity_counts_new_and_reused_entries(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    for task in range(2):
        train(generator, rng)
        before = [free(layer) for layer in generator.masked_layers]
        generator.reserve()
        for row, layer, was_free in zip(generator.capacity().values(), generator.masked_layers, before, strict=True):
            assert row["units"] == layer.width
            assert row["mask_entries"] == np.prod(layer.embedding.shape)
            assert row["used"] == int(np.sum(np.asarray(layer.embedding) >= 0))
            assert row["newly_reserved"] == was_free - free(layer)
            assert row["reused"] == row["used"] - row["newly_reserved"]
            assert task or row["reused"] == 0
        generator = generator.grow()


def test_sparsity_is_over_all_layers_together(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    train(generator, rng)
    generator.reserve()
    generator = generator.grow()
    train(generator, rng)
    used = free_entries = 0.0
    for layer in generator.masked_layers:
        allowed = 1.0 - np.asarray(layer.reserved)
        used += np.sum(allowed / (1.0 + np.exp(-2.0 * np.asarray(layer.embedding))))
        free_entries += allowed.sum()
    assert float(generator.sparsity(tf.constant(2.0))) == pytest.approx(used / free_entries, rel=1e-4)


def test_task_size_counts_one_tasks_parameters(plasticity):
    generator = new_generator(plasticity)
    kernels = 16 * (LATENT * 8 + 8 * 4 + 4 * 2 + 2 * 1)
    assert generator.task_size() == kernels + 2 * (8 + 4 + 2)
    generator.reserve()
    grown = generator.grow()
    inputs, outputs = [LATENT, *grown.widths], [*grown.widths, 1]
    kernels = 16 * sum(i * o for i, o in zip(inputs, outputs, strict=True))
    assert grown.task_size() == kernels + 2 * sum(grown.widths)


def test_latents_begin_with_the_class():
    z = tf.random.stateless_normal([3, 6], [1, 2])
    latents = conditional_latents(z, [2, 0, 1], 3)
    np.testing.assert_array_equal(latents[:, :3], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(latents[:, 3:], z[:, 3:])
