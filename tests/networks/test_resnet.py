"""The ResNet generator: the invariant over random growth histories, growth through its sums, what it is made of.

A history stands for training: embeddings are drawn, free weights get random updates through the layers' own gates,
everything that belongs to one task alone is overwritten. Training itself is in tests/methods/test_dgm_resnet.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import serialization
from dgm_tf.errors import UserError
from dgm_tf.layers.mask_algebra import binarize
from dgm_tf.networks import folded_resnet
from dgm_tf.networks.resnet import ResNetGenerator, convolution_initializer
from dgm_tf.training.randomness import seeded_initializers

LATENT = 8
LARGE = tf.constant(1e6)  # a scale at which soft masks are binary
# What can be per class is exercised together with the histories.
KINDS = {
    "weights": {"plasticity": "weights"},
    "units": {"plasticity": "units"},
    "weights per class": {"plasticity": "weights", "output_per": "class", "conditioning": "embedding"},
    "units per class": {"plasticity": "units", "output_per": "class", "conditioning": "embedding"},
}


@pytest.fixture(params=["weights", "units"])
def plasticity(request):
    return request.param


def new_generator(plasticity="weights", filters=3, size=16, **kwargs):
    return ResNetGenerator((size, size, 3), plasticity, filters, LATENT, **kwargs)


def train(generator, rng, share=0.4):
    """What training may do to the generator, at random; `share` of the mask entries end at 1.

    None: a share for each layer, anything from sparse to nearly full.
    """
    for layer in generator.masked_layers:
        on = rng.random(layer.embedding.shape) < (rng.choice([0.1, 0.4, 0.7, 0.95]) if share is None else share)
        layer.embedding.assign(np.where(on, 1, -1) * rng.uniform(0.1, 1.0, on.shape))
        update = rng.normal(0.0, 0.3, layer.kernel.shape) * np.asarray(layer.kernel_gate())
        layer.kernel.assign(np.asarray(layer.kernel) + update)
    for norm in generator.norms:
        for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
            variable.assign(rng.uniform(-0.4, 1.0, variable.shape) if variable is norm.beta
                            else rng.uniform(0.2, 1.0, variable.shape))  # fmt: skip
    own = [generator.output_layer.kernel, generator.output_layer.bias]
    if generator.conditioning == "embedding":
        own.append(generator.codes.table)
    for variable in own:
        variable.assign(rng.normal(0.0, 0.3, variable.shape))


def inputs(generator, task, classes=(2, 3, 1, 2)):
    """A task's full latents, of each of its classes."""
    labels = np.arange(sum(classes[:task]), sum(classes[: task + 1]))
    z = tf.random.stateless_normal([len(labels), LATENT], [1, task])
    return generator.latents(z, labels, sum(classes[: task + 1]), task)


def slow(generator, task, latents):
    """A learned task's images, written out layer by layer on the slice that it was learned on.

    Nothing is folded and nothing left out: what the task's unit masks switch off is computed, then multiplied by 0.
    """
    layers = {layer.name: layer for layer in generator.masked_layers}
    used = generator.task_junction_masks(task)
    which = latents[:, LATENT:]

    def masked(name, x):
        layer = layers[name]
        y = layer.linear(x, tf.constant(layer.task_kernel(task)))
        return y * layer.task_mask(task) if layer.plasticity == "units" else y

    def activated(x, junction):
        scale, offset = generator.norms[junction - 1].affine(task)
        return tf.nn.relu(x * scale + offset) * used[junction]

    def twice(x):
        return keras.layers.UpSampling2D(2)(x)

    x = masked("dense", latents[:, None, None, :LATENT])
    for block in range(len(generator.widths) // 2):
        hidden = masked(f"block_{block}_first", twice(activated(x, 2 * block + 1)))
        residual = masked(f"block_{block}_second", activated(hidden, 2 * block + 2))
        name = f"block_{block}_shortcut"
        born = name in layers and layers[name].shapes[task] != (0, 0)
        x = residual + twice(masked(name, x) if born else x)
    output = generator.output_layer
    maps = output.linear(activated(x, len(generator.widths)), tf.constant(output.task_kernel(task)))
    maps = np.asarray(maps + output.task_bias(task))
    if generator.output_per == "class":
        heads = maps.reshape(*maps.shape[:3], which.shape[1], 3)
        maps = np.stack([image[:, :, k] for image, k in zip(heads, np.argmax(which, 1), strict=True)])
    return np.tanh(maps)


def free(layer):
    return int(np.sum(np.asarray(layer.reserved) == 0))


@pytest.mark.parametrize("kind", KINDS)  # two histories of each plasticity
def test_learned_tasks_are_replayed_bit_for_bit(kind):
    rng, memory, classes = np.random.default_rng(len(kind)), [], (2, 3, 1, 2)
    generator = new_generator(**KINDS[kind], classes=[2])

    def check():
        for task, (latents, images, slowly) in enumerate(memory):
            np.testing.assert_array_equal(generator.plain(task)(latents), images)
            np.testing.assert_array_equal(slow(generator, task, latents), slowly)
            np.testing.assert_array_equal(inputs(generator, task), latents)

    for task, count in enumerate(classes):
        generator = generator.for_classes(count)
        train(generator, rng, share=None)
        check()
        generator.reserve()
        latents = inputs(generator, task)
        memory.append((latents, generator.plain(task)(latents).numpy(), slow(generator, task, latents)))
        np.testing.assert_allclose(memory[-1][1], memory[-1][2], atol=2e-5)
        assert np.max(np.abs(memory[-1][1])) <= 1.0 and np.ptp(memory[-1][1]) > 0.0
        generator = generator.grow()
        check()
    assert any("shortcut" in layer.name for layer in generator.masked_layers)


@pytest.mark.parametrize("kind", KINDS)
def test_the_masked_network_becomes_the_plain_one(kind):
    rng, generator = np.random.default_rng(0), new_generator(**KINDS[kind], classes=[2])
    for task in range(3):
        generator = generator.for_classes((2, 3, 1)[task])
        train(generator, rng)
        generator.reserve()
        latents = inputs(generator, task)
        np.testing.assert_allclose(generator(latents, LARGE), generator.plain(task)(latents), atol=2e-5)
        generator = generator.grow()


@pytest.mark.parametrize("share", [0.0, 1.0, None])
def test_growth_restores_the_free_capacity_of_every_layer(plasticity, share):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    for _ in range(3):
        train(generator, rng, share)
        generator.reserve()
        grown = generator.grow()
        aligned = generator.aligned_capacity(grown)
        old = {layer.name: layer for layer in generator.masked_layers}
        for layer in grown.masked_layers:
            target = layer.initial_size
            assert free(layer) >= target
            if layer.name not in old:
                assert free(layer) == target and "shortcut" in layer.name
            elif layer.width == old[layer.name].width:
                assert aligned[layer.name] == 0
            elif aligned[layer.name] == 0:
                # Only what the division leaves over; units divide without a rest.
                rest = int(np.prod(layer.kernel.shape[:3])) if plasticity == "weights" else 1
                assert free(layer) < target + rest or layer.name == "dense"
        assert list(grown.free_capacity()) == [layer.name for layer in grown.masked_layers]
        generator = grown


def reserve_some(layer, count):
    embedding = -np.ones(int(np.prod(layer.embedding.shape)))
    embedding[:count] = 1.0
    layer.embedding.assign(embedding.reshape(layer.embedding.shape))


def reserve_counts(generator, **counts):
    for layer in generator.masked_layers:
        reserve_some(layer, counts.get(layer.name, 0))
    generator.reserve()


def test_growth_of_unit_masks_by_hand():
    generator = new_generator("units", filters=4)
    reserve_counts(generator, dense=1, block_0_first=2, block_0_second=3, block_1_second=1)
    # Junctions: dense 4 + 1; inner of block 0 4 + 2; its end 4 + 3; nothing within block 1; its end 4 + 1.
    assert generator.grown_widths() == [5, 6, 7, 4, 5]
    grown = generator.grow()
    assert [layer.name for layer in grown.masked_layers] == [
        "dense", "block_0_first", "block_0_second", "block_0_shortcut",
        "block_1_first", "block_1_second", "block_1_shortcut",
    ]  # fmt: skip
    shapes = {layer.name: layer.kernel.shape for layer in grown.masked_layers}
    assert shapes["block_0_shortcut"] == (1, 1, 5, 7) and shapes["block_1_shortcut"] == (1, 1, 7, 5)
    assert shapes["block_0_second"] == (3, 3, 6, 7) and shapes["block_1_first"] == (3, 3, 7, 4)
    # The second task: the shortcut of block 0 uses two units of its own, the second convolution none that are new.
    reserve_counts(grown, block_0_shortcut=2)
    assert grown.grown_widths() == [5, 6, 9, 4, 5]
    third = grown.grow()
    assert grown.aligned_capacity(third)["block_0_second"] == 2  # for no need of its own
    assert third.free_capacity() == {
        "dense": 4, "block_0_first": 4, "block_0_second": 4 + 2, "block_0_shortcut": 7,
        "block_1_first": 4, "block_1_second": 4, "block_1_shortcut": 5,
    }  # fmt: skip


def test_growth_of_weight_masks_by_hand():
    generator = new_generator("weights", filters=2)
    # dense: 16 * 8 * 2 weights, 130 reserved, an output brings 128: 2 more, the dense layer ends 4 wide.
    # block 0, first: 9 * 2 * 2 weights, none reserved; two more inputs bring free weights besides.
    # block 0, second: 9 * 2 * 2 weights, 20 reserved, an output brings 9 * 2: 2 more.
    reserve_counts(generator, dense=130, block_0_second=20)
    # block 1, first: two more inputs bring 9 * 2 * 2 = 36 free weights. Its end stays 2 wide, its start is 4 wide.
    assert generator.grown_widths() == [4, 2, 4, 2, 2]
    grown = generator.grow()
    assert grown.free_capacity() == {
        "dense": 256 - 130 + 256, "block_0_first": 36 + 36, "block_0_second": 36 - 20 + 36,
        "block_1_first": 36 + 36, "block_1_second": 36, "block_1_shortcut": 4 * 2,
    }  # fmt: skip


def test_an_identity_becomes_a_convolution_when_widths_part_and_old_tasks_keep_the_identity(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    train(generator, rng)
    generator.reserve()
    assert not any("shortcut" in layer.name for layer in generator.masked_layers)
    latents = inputs(generator, 0)
    before = generator.plain(0)(latents).numpy()
    config = {"widths": [5, 3, 4, 3, 4], "task_widths": [[3] * 5], "classes": [1, 1]}
    parted = ResNetGenerator.from_config(generator.get_config() | config)
    earlier = {layer.name: layer for layer in generator.layers}
    for layer in parted.layers:
        if layer.name in earlier:
            layer.inherit(earlier[layer.name])
    (shortcut,) = (layer for layer in parted.masked_layers if "shortcut" in layer.name)
    assert shortcut.name == "block_0_shortcut" and shortcut.kernel.shape == (1, 1, 5, 4)
    assert shortcut.task_shapes == [(0, 0)] and shortcut.task_mask(0).size == 0
    shortcut.kernel.assign(rng.normal(size=shortcut.kernel.shape))
    np.testing.assert_array_equal(parted.plain(0)(latents), before)
    # Once it is there it stays, even if the widths meet again.
    config = {"widths": [5, 3, 5, 3, 4], "task_widths": [[3] * 5, [5, 3, 4, 3, 4]], "classes": [1, 1, 1]}
    names = [layer.name for layer in ResNetGenerator.from_config(generator.get_config() | config).masked_layers]
    assert "block_0_shortcut" in names and "block_1_shortcut" in names


def test_widths_that_grow_together_stay_an_identity():
    generator = new_generator("units")
    reserve_counts(generator, dense=2, block_0_second=2, block_1_second=2)
    grown = generator.grow()
    assert grown.widths == [5, 3, 5, 3, 5] and len(grown.masked_layers) == 5
    assert len(grown.plain(0).full_widths) == 5 and grown.plain(0).full_widths == [3] * 5


def test_inputs_count_as_reserved_where_any_summand_is():
    generator = new_generator("units")
    # Through the identity past block 0 the dense layer's unit 0 reaches block 1, whose second convolution has unit 1.
    for layer in generator.masked_layers:
        units = {"dense": [0], "block_0_first": [2], "block_0_second": [1]}.get(layer.name, [])
        layer.embedding.assign(np.where(np.isin(np.arange(3), units), 1.0, -1.0))
    generator.reserve()

    def reserved(generator):
        return {layer.name: np.flatnonzero(layer.reserved_inputs).tolist() for layer in generator.masked_layers}

    expected = {
        "dense": list(range(LATENT)),  # z: all of it
        "block_0_first": [0], "block_0_second": [2], "block_1_first": [0, 1], "block_1_second": [],
    }  # fmt: skip
    assert reserved(generator) == expected
    grown = generator.grow()
    assert grown.widths == [4, 4, 4, 3, 3]  # block 1 has a shortcut from now on; what the identity led to stays so
    assert reserved(grown) == expected | {"block_1_shortcut": [0, 1]}
    for layer in grown.masked_layers:
        layer.embedding.assign(np.where(np.arange(layer.width) == layer.width - 1, 1.0, -1.0))
    grown.reserve()
    assert reserved(grown)["block_1_first"] == [0, 1, 3] and reserved(grown)["block_1_second"] == [2]


def test_reserved_masks_follow_from_the_stored_bits(plasticity):
    rng, generator = np.random.default_rng(0), new_generator(plasticity)
    for _ in range(3):
        train(generator, rng)
        generator.reserve()
        generator = generator.grow()
    derived = [v for v in generator.weights if v.name in ("reserved", "reserved_inputs")]
    before = [v.numpy().copy() for v in derived]
    dense = generator.masked_layers[0]
    for variable in derived:
        if plasticity == "weights" or variable is not dense.reserved_inputs:
            variable.assign(np.full(variable.shape, 0.5))
    generator.restore_reserved()
    for old, new in zip(before, derived, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_generator_comes_back(kind):
    rng, generator = np.random.default_rng(0), new_generator(**KINDS[kind], classes=[2])
    for task in range(2):
        generator = generator.for_classes((2, 3)[task])
        train(generator, rng)
        generator.reserve()
        generator = generator.grow()
    copy = serialization.network_from_json(serialization.network_to_json(generator))
    serialization.assign_arrays("g", copy.weights, serialization.to_arrays("g", generator.weights))
    assert copy.get_config() == generator.get_config() and copy.num_tasks == 3
    for task in range(2):
        latents = inputs(generator, task)
        np.testing.assert_array_equal(inputs(copy, task), latents)
        np.testing.assert_array_equal(copy.plain(task)(latents), generator.plain(task)(latents))


def test_dead_channels_are_left_out_and_change_no_image(plasticity, monkeypatch):
    rng, generator = np.random.default_rng(0), new_generator(plasticity, filters=4)
    train(generator, rng, share=0.3)
    for norm in generator.norms:
        norm.beta.assign(-np.abs(norm.beta))
    generator.reserve()
    latents = tf.random.stateless_normal([4, LATENT], [0, 1])
    pruned = generator.plain(0)
    monkeypatch.setattr(folded_resnet, "at_least_one", lambda alive: np.arange(len(alive)))
    whole = generator.plain(0)
    assert whole.widths == whole.full_widths == generator.widths
    if plasticity == "units":
        assert sum(pruned.widths) < sum(whole.widths)
    np.testing.assert_allclose(pruned(latents), whole(latents), atol=1e-6)


def test_a_task_runs_on_the_slice_that_it_was_learned_on(plasticity):
    rng, generator, sizes = np.random.default_rng(0), new_generator(plasticity), []
    widths = list(generator.widths)
    for _ in range(2):
        train(generator, rng, share=0.9)
        generator.reserve()
        generator = generator.grow()
        assert generator.plain(0).full_widths == widths
        sizes.append(generator.plain(0).count_params())
    assert len(set(sizes)) == 1 and generator.widths > widths


@pytest.mark.parametrize(("size", "blocks", "channels"), [(16, 2, 1), (32, 3, 3), (64, 4, 1), (128, 5, 3)])
def test_the_number_of_blocks_follows_from_the_size_of_the_images(size, blocks, channels):
    generator = ResNetGenerator((size, size, channels), filters=2, latent_size=LATENT)
    assert len(generator.widths) == 1 + 2 * blocks and len(generator.masked_layers) == 1 + 2 * blocks
    images = generator(tf.random.stateless_normal([2, LATENT], [0, 0]), tf.constant(5.0), training=True)
    assert images.shape == (2, size, size, channels) and np.max(np.abs(images)) <= 1.0


def test_parameters_by_formula(plasticity):
    f, z = 64, 128
    generator = ResNetGenerator((32, 32, 3), plasticity)
    assert generator.task_size() == 16 * z * f + 6 * 9 * f * f + 7 * 2 * f + 9 * f * 3 + 3
    entries = [16 * z * f] + [9 * f * f] * 6 if plasticity == "weights" else [f] * 7
    assert generator.initial_sizes == entries


def test_weights_start_glorot_uniform():
    generator = ResNetGenerator((32, 32, 3))
    dense, first = (np.asarray(layer.kernel) for layer in generator.masked_layers[:2])
    for kernel, variance in ((dense, 2 / (128 + 1024)), (first, 2 * 2 / (9 * 128))):  # gain sqrt 2 on convolutions
        assert np.var(kernel) == pytest.approx(variance, rel=0.05)
        assert np.max(np.abs(kernel)) <= np.sqrt(3 * variance) + 1e-6
    assert convolution_initializer().get_config()["scale"] == 2.0


def test_initial_weights_and_growth_follow_from_the_seed():
    def weights(seed):
        with seeded_initializers(seed, "test"):
            generator = new_generator()
            train(generator, np.random.default_rng(0), 0.9)
            generator.reserve()
            return generator.grow().get_weights()

    first, again, other = weights(0), weights(0), weights(1)
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("kind", ["weights per class", "units per class"])
def test_each_class_has_its_own_output_layer_and_code(kind):
    generator = new_generator(**KINDS[kind], classes=[2])
    train(generator, np.random.default_rng(0))
    generator.reserve()
    z = tf.random.stateless_normal([1, LATENT], [0, 0])
    latents = generator.latents(tf.repeat(z, 2, 0), np.array([0, 1]), 2, 0)
    np.testing.assert_array_equal(latents[:, :2], generator.codes.table)
    np.testing.assert_array_equal(latents[:, 2:LATENT], tf.repeat(z[:, 2:], 2, 0))
    np.testing.assert_array_equal(latents[:, LATENT:], np.eye(2))
    images = generator.plain(0)(latents).numpy()
    kernel = generator.output_layer.kernel.numpy().copy()
    kernel[..., :3] += 1.0  # the first class's
    generator.output_layer.kernel.assign(kernel)
    changed = generator.plain(0)(latents).numpy()
    assert not np.array_equal(changed[0], images[0]) and np.array_equal(changed[1], images[1])


def test_codes_are_trained_for_the_present_classes_and_frozen_for_the_others():
    generator = new_generator(**KINDS["weights per class"], classes=[2]).for_classes(3)
    first = generator.codes.table.numpy().copy()
    generator.reserve()
    grown = generator.grow().for_classes(2)
    assert [v.shape for v in grown.trainable_variables if v.path.startswith("codes/")] == [(2, LATENT // 4)]
    with tf.GradientTape() as tape:
        latents = grown.latents(tf.random.stateless_normal([4, LATENT], [0, 0]), np.array([3, 4, 4, 3]), 5)
        loss = tf.reduce_sum(grown(latents, LARGE, training=True) ** 2)
    gradient = tape.gradient(loss, grown.codes.table.value)
    assert isinstance(gradient, tf.Tensor) and np.all(np.any(np.asarray(gradient) != 0, axis=1))
    grown.codes.table.assign(np.full(grown.codes.table.shape, 9.0))
    np.testing.assert_array_equal(grown.codes.task_table(0), first)
    np.testing.assert_array_equal(inputs(grown, 0, (3, 2))[:, : LATENT // 4], first)


def test_nothing_is_made_anew_for_other_classes_where_nothing_is_per_class():
    generator = new_generator()
    assert generator.for_classes(5) is generator


def test_a_generator_for_other_classes_keeps_all_but_outputs_and_codes():
    generator = new_generator(**KINDS["units per class"], classes=[2])
    train(generator, np.random.default_rng(0))
    copy = generator.for_classes(3)
    assert copy.classes == [3] and copy.codes.table.shape == (3, 2) and copy.output_layer.kernel.shape[-1] == 9
    for new, old in zip(copy.masked_layers, generator.masked_layers, strict=True):
        np.testing.assert_array_equal(new.kernel, old.kernel)
        np.testing.assert_array_equal(binarize(new.embedding), binarize(old.embedding))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (48, 48, 3)}, "image_shape: ResNetGenerator expects .* 16, 32, 64 or 128 .*got .48, 48"),
        ({"image_shape": (32, 32, 4)}, "image_shape: .* 1 or 3 channels"),
        ({"filters": 0}, "ResNetGenerator.filters: expected an integer in .1, inf., got 0"),
        ({"plasticity": "activations"}, "ResNetGenerator.plasticity: expected one of"),
        ({"conditioning": "embedding", "latent_size": 3}, "latent_size: expected an integer in .4, inf., got 3"),
    ],
)
def test_bad_arguments_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        ResNetGenerator(**bad)
