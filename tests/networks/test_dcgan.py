"""Shapes, configs and growth of the DCGAN pair."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.networks.resnet import ResNetGenerator
from dgm_tf.training.randomness import seeded_initializers

PLASTICITIES = ("weights", "units")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("plasticity", PLASTICITIES)
def test_generator_makes_images(plasticity, channels):
    generator = DCGANGenerator((32, 32, channels), plasticity, filters=2, latent_size=10)
    for training in (True, False):
        images = generator(tf.random.stateless_normal([4, 10], [0, 0]), tf.constant(5.0), training=training)
        assert images.shape == (4, 32, 32, channels) and np.max(np.abs(images)) <= 1.0


@pytest.mark.parametrize("generator_class", [DCGANGenerator, ResNetGenerator])
@pytest.mark.parametrize("plasticity", PLASTICITIES)
def test_generators_compute_in_bfloat16_and_keep_masks_and_images_exact(generator_class, plasticity):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        generator = generator_class((16, 16, 1), plasticity, filters=2, latent_size=8)
        images = generator(tf.random.stateless_normal([2, 8], [0, 0]), tf.constant(5.0), training=True)
    finally:
        keras.config.set_dtype_policy(policy)
    assert images.dtype == tf.float32 and all(v.dtype in ("float32", "uint8") for v in generator.weights)


def test_generator_has_the_papers_widths():
    generator = DCGANGenerator()
    assert [tuple(layer.kernel.shape) for layer in generator.masked_layers] == [
        (4, 4, 24, 128), (4, 4, 12, 24), (4, 4, 6, 12),
    ]  # fmt: skip
    assert generator.initial_sizes == [4 * 4 * 24 * 128, 4 * 4 * 12 * 24, 4 * 4 * 6 * 12]
    # The paper's DGMw starts at 5.58e4 parameters (Table 3).
    assert generator.task_size() == pytest.approx(5.58e4, rel=0.02)
    assert DCGANGenerator(plasticity="units", filters=20).initial_sizes == [80, 40, 20]


def test_weights_start_at_the_dcgan_scale():
    generator, discriminator = DCGANGenerator(), DCGANDiscriminator(num_classes=10)
    kernels = [v for v in generator.weights + discriminator.weights if v.name == "kernel"]
    assert len(kernels) == 4 + 3 + 2
    for kernel in kernels:
        values = np.asarray(kernel)  # the smallest has 96: five standard errors of its deviation are a third of it
        assert np.std(values) == pytest.approx(0.02, rel=5 / np.sqrt(2 * values.size))


@pytest.mark.parametrize("plasticity", PLASTICITIES)
def test_generator_config_round_trips_with_its_history(plasticity):
    generator = DCGANGenerator((32, 32, 3), plasticity, filters=2, latent_size=10)
    for _ in range(2):
        generator.reserve()
        generator = generator.grow()
    copy = DCGANGenerator.from_config(generator.get_config())
    copy.set_weights(generator.get_weights())
    assert copy.get_config() == generator.get_config() and copy.num_tasks == 3
    latents = tf.random.stateless_normal([2, 10], [0, 0])
    for task in range(2):
        np.testing.assert_array_equal(copy.plain(task)(latents), generator.plain(task)(latents))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (28, 28, 1)}, "image_shape: DCGANGenerator expects .* 16, 32, 64 or 128 .*got .28, 28, 1"),
        ({"image_shape": (32, 32, 2)}, "image_shape: .* 1 or 3 channels, got .32, 32, 2"),
        ({"conditioning": "onehot"}, "conditioning: expected one of 'one_hot', 'embedding', got 'onehot'"),
        ({"output_per": "image"}, "output_per: expected one of 'task', 'class', got 'image'"),
        ({"filters": 0}, "filters.*got 0"),
        ({"latent_size": 0}, "latent_size.*got 0"),
        ({"plasticity": "units "}, "plasticity: expected one of"),
    ],
)
def test_bad_generator_arguments_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        DCGANGenerator(**bad)


@pytest.mark.parametrize("image_shape", [(32, 32, 1), (16, 16, 3)])
def test_discriminator_has_two_heads(image_shape):
    network = DCGANDiscriminator(image_shape, num_classes=3, filters=(2, 4, 6))
    images = tf.random.stateless_normal([5, *image_shape], [0, 0])
    for training in (True, False):
        realness, logits = network(images, training=training)
        assert realness.shape == (5,) and logits.shape == (5, 3)
    features = network.features(images)
    assert features.shape == (5, image_shape[0] // 8 * (image_shape[1] // 8) * 6)
    np.testing.assert_allclose(logits, network.logits(features), atol=1e-6)


def test_what_a_convolution_answers_in_the_negative_counts_a_fifth():
    network, images = DCGANDiscriminator((16, 16, 1), filters=(3,)), tf.random.stateless_normal([2, 16, 16, 1], [0, 0])
    (convolution,) = network.convolutions
    answers = convolution(images).numpy().reshape(2, -1)
    np.testing.assert_allclose(network.features(images), np.where(answers > 0, answers, 0.2 * answers), atol=1e-6)
    assert answers.min() < 0 < answers.max()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (28, 28, 1)}, "image_shape: DCGANDiscriminator expects .* 16, 32, 64 or 128 .*got .28, 28, 1"),
        ({"image_shape": (32, 64, 1)}, "image_shape: .* square images"),
        ({"image_shape": (16, 16, 1), "filters": (4,) * 5}, "filters: expected at most 4 convolutions, .* got 5"),
    ],
)
def test_bad_discriminator_arguments_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        DCGANDiscriminator(**bad)


@pytest.mark.parametrize(("size", "generator", "discriminator"), [
    (16, [12, 6], [32, 64]),
    (32, [24, 12, 6], [32, 64, 128]),
    (64, [48, 24, 12, 6], [32, 64, 128, 256]),
    (128, [96, 48, 24, 12, 6], [32, 64, 128, 256, 512]),
])  # fmt: skip
def test_the_number_of_layers_follows_from_the_size_of_the_images(size, generator, discriminator):
    assert DCGANGenerator((size, size, 3)).widths == generator
    network = DCGANDiscriminator((size, size, 3))
    assert network.filters == discriminator and network.realness.kernel.shape[0] == 4 * 4 * discriminator[-1]


@pytest.mark.parametrize("size", [16, 64, 128])
def test_images_of_other_sizes(size):
    generator = DCGANGenerator((size, size, 3), filters=1, latent_size=8)
    images = generator(tf.random.stateless_normal([2, 8], [0, 0]), tf.constant(5.0), training=True)
    assert images.shape == (2, size, size, 3)
    realness, _ = DCGANDiscriminator((size, size, 3), filters=[2] * (len(generator.widths)))(images, training=True)
    assert realness.shape == (2,)


def test_a_spectrally_normalised_discriminator_is_rebuilt_and_widened_as_such():
    network = DCGANDiscriminator(num_classes=2, filters=(2, 4, 6), spectral_normalization=True)
    images = tf.random.stateless_normal([3, 32, 32, 1], [0, 0])
    for other in (network.widen(3), DCGANDiscriminator.from_config(network.get_config())):
        assert other.spectral_normalization and len(other.weights) == len(network.weights)
    before = network(images)[0]
    np.testing.assert_array_equal(network.widen(3)(images)[0], before)
    network.convolutions[0].kernel.assign(2.0 * network.convolutions[0].kernel)
    np.testing.assert_allclose(network(images)[0], before, rtol=1e-4, atol=1e-6)


def test_discriminator_moves_its_averages_only_when_asked_to():
    network = DCGANDiscriminator(filters=(2, 4, 6))
    images = tf.random.stateless_normal([5, 32, 32, 1], [0, 0])
    averages = [v for v in network.weights if v.name.startswith("moving")]
    before = [v.numpy().copy() for v in averages]
    network(images, training=True)
    assert all(np.array_equal(old, np.asarray(new)) for old, new in zip(before, averages, strict=True))
    network(images, training=True, update_statistics=True)
    assert not any(np.array_equal(old, np.asarray(new)) for old, new in zip(before, averages, strict=True))


def test_widening_keeps_all_that_was_learned():
    network = DCGANDiscriminator(num_classes=2, filters=(2, 4, 6))
    rng = np.random.default_rng(0)
    for variable in network.weights:
        variable.assign(rng.uniform(0.1, 1.0, variable.shape))
    wider = network.widen(5)
    images = tf.random.stateless_normal([3, 32, 32, 1], [0, 0])
    realness, logits = network(images)
    wider_realness, wider_logits = wider(images)
    assert wider_logits.shape == (3, 5)
    np.testing.assert_array_equal(wider_realness, realness)
    np.testing.assert_allclose(wider_logits[:, :2], logits, rtol=1e-5)
    assert np.asarray(wider.logits.kernel)[:, 2:].all()  # new outputs are initialised, not zero


def test_discriminator_config_round_trips():
    network = DCGANDiscriminator((16, 16, 3), num_classes=4, filters=(2, 4, 6))
    copy = DCGANDiscriminator.from_config(network.get_config())
    copy.set_weights(network.get_weights())
    images = tf.random.stateless_normal([3, 16, 16, 3], [0, 0])
    np.testing.assert_array_equal(copy(images)[1], network(images)[1])


def test_weights_have_the_same_names_however_many_networks_were_made():
    for network_class in (DCGANGenerator, DCGANDiscriminator):
        first, second = ([v.path for v in network_class().weights] for _ in range(2))
        assert first == second


@pytest.mark.parametrize("network_class", [DCGANGenerator, DCGANDiscriminator])
def test_initial_weights_follow_from_the_seed(network_class):
    def kernels(seed):
        with seeded_initializers(seed, "test"):
            return [v for v in network_class().get_weights() if v.ndim > 1 and v.any()]

    for same, again, other in zip(kernels(0), kernels(0), kernels(1), strict=True):
        np.testing.assert_array_equal(same, again)
        assert not np.array_equal(same, other)


def _beside(before, after):
    return [(0, new - old) for old, new in zip(before.kernel.shape, after.kernel.shape, strict=True)]


def test_published_weights_start_by_glorot_and_grow_by_the_dcgan_scale_or_the_other_way_round():
    def spread(kernel):
        return float(np.std(np.asarray(kernel)))

    xavier = [0.0406, 0.0833, 0.1179]
    generator = DCGANGenerator(initializer="xavier", grown_initializer="normal")
    assert [spread(layer.kernel) for layer in generator.masked_layers] == pytest.approx(xavier, rel=0.05)
    assert spread(generator.output_layer.kernel) == pytest.approx(0.02, rel=0.3)
    other = DCGANGenerator(filters=20, initializer="normal", grown_initializer="xavier")
    for network, old, new in ((generator, xavier, [0.02] * 3), (other, [0.02] * 3, None)):
        for layer in network.masked_layers:
            layer.embedding.assign(np.ones(layer.embedding.shape))
        network.reserve()
        grown = network.grow()
        for i, (before, after) in enumerate(zip(network.masked_layers, grown.masked_layers, strict=True)):
            added = np.asarray(after.kernel)[~np.pad(np.ones(before.kernel.shape, bool), _beside(before, after))]
            fans = 16 * (after.width + after.inputs_width)
            assert spread(before.kernel) == pytest.approx(old[i], rel=0.05)
            assert spread(added) == pytest.approx(new[i] if new else np.sqrt(2 * 2 / fans), rel=0.05)
    assert DCGANGenerator.from_config(generator.get_config()).grown_initializer == "normal"
    assert "initializer" not in DCGANGenerator().get_config()


def test_published_heads_start_uniform_and_the_class_head_has_no_bias():
    network = DCGANDiscriminator(num_classes=10, heads="uniform")
    for head in (network.realness, network.logits):
        kernel = np.asarray(head.kernel)
        assert kernel.shape[0] == 2048 and np.max(np.abs(kernel)) == pytest.approx(1 / np.sqrt(2048), rel=0.01)
        assert np.std(kernel) == pytest.approx(1 / np.sqrt(3 * 2048), rel=0.05)
    assert not network.logits.use_bias and network.realness.use_bias
    wider = network.widen(12)
    assert wider.heads == "uniform" and not wider.logits.use_bias
    assert "heads" not in DCGANDiscriminator().get_config()


@pytest.mark.parametrize("name", ["initializer", "grown_initializer"])
def test_an_initializer_that_there_is_not_is_named(name):
    with pytest.raises(UserError, match=f"DCGANGenerator.{name}: expected one of None, 'normal', 'xavier', got 'he'"):
        DCGANGenerator(**{name: "he"})


def test_mergans_critic_scores_each_image_alone():
    settings = {"initializer": "xavier", "normalization": None, "use_bias": True}
    network = DCGANDiscriminator(num_classes=3, filters=(4, 4, 4), **settings)
    assert not network.norms and all(layer.use_bias for layer in network.convolutions)
    images = tf.random.stateless_normal([4, 32, 32, 1], [0, 0])
    for alone, among in zip(network(images[:1], training=True), network(images, training=True), strict=True):
        np.testing.assert_allclose(alone, among[:1], atol=1e-5)
    kernel = np.asarray(network.convolutions[1].kernel)
    assert np.std(kernel) == pytest.approx(np.sqrt(4 / (25 * 8)), rel=0.15)
    again = DCGANDiscriminator.from_config(network.get_config())
    assert {name: getattr(again, name) for name in settings} == settings
    assert network.get_config().keys() - DCGANDiscriminator().get_config().keys() == settings.keys()
