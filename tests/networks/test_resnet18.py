"""The ResNet-18 discriminator."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.networks import resnet18
from dgm_tf.networks.resnet18 import ResNetDiscriminator


@pytest.fixture(scope="module")
def network():
    """A narrow one."""
    return ResNetDiscriminator((32, 32, 3), num_classes=3, filters=2, blocks=1, units=4)


def images(count=4, size=32, channels=3):
    return tf.random.stateless_normal([count, size, size, channels], [0, 0])


def test_parameters_by_formula():
    f, classes = 8, 5
    network = ResNetDiscriminator((32, 32, 3), classes, filters=f)

    def block(inputs, outputs):
        shortcut = inputs * outputs + 2 * outputs if inputs != outputs else 0
        return 9 * inputs * outputs + 9 * outputs**2 + 4 * outputs + shortcut

    stages = sum(block(i * f, o * f) for i, o in [(1, 1), (1, 1), (1, 2), (2, 2), (2, 4), (4, 4), (4, 8), (8, 8)])
    heads = 8 * f * 128 + 2 * 128 + 128 * 1 + 1 + 128 * classes + classes
    trained = sum(int(np.prod(v.shape)) for v in network.trainable_variables)
    assert trained == 9 * 3 * f + 2 * f + stages + heads
    assert len(network.stages) == 8


@pytest.mark.parametrize(("size", "channels", "last"), [(16, 1, 2), (32, 3, 4), (64, 1, 4), (128, 3, 4)])
def test_sizes_and_channels(size, channels, last):
    network = ResNetDiscriminator((size, size, channels), num_classes=3, filters=2, blocks=1, units=4)
    x = images(2, size, channels)
    for training in (True, False):
        realness, logits = network(x, training=training)
        assert realness.shape == (2,) and logits.shape == (2, 3)
    x = tf.nn.relu(network.stem(x, training=False))
    for block in network.stages:
        x = block(x, training=False)
    assert x.shape == (2, last, last, 16)


def test_every_pixel_counts():
    network = ResNetDiscriminator((128, 128, 1), filters=2, blocks=1, units=4)
    x = tf.Variable(images(1, 128, 1))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(network.stem(x, training=False))
    assert np.all(tape.gradient(value, x).numpy() != 0.0)


def test_averages_move_only_when_asked_to(network):
    averages = [v for v in network.weights if "moving" in v.name]
    assert len(averages) == 2 * (1 + 4 * 2 + 3 + 1)  # stem, stages of two and their shortcuts, dense
    before = [v.numpy().copy() for v in averages]
    network(images(), training=True)
    assert all(np.array_equal(old, np.asarray(new)) for old, new in zip(before, averages, strict=True))
    network(images(), training=True, update_statistics=True)
    assert not any(np.array_equal(old, np.asarray(new)) for old, new in zip(before, averages, strict=True))


def test_with_layer_normalization_an_images_scores_are_its_own():
    network = ResNetDiscriminator((32, 32, 3), 3, filters=2, blocks=1, units=4, normalization="layer")
    assert not network.non_trainable_variables
    alone, among = network(images()[:1], training=True), network(images(), training=True)
    for one, several in zip(alone, among, strict=True):
        np.testing.assert_allclose(one, several[:1], atol=1e-5)
    wider = network.widen(5)
    assert wider.normalization == "layer"
    np.testing.assert_allclose(wider(images())[1][:, :3], among[1], atol=1e-5)


def test_features_are_what_the_heads_read(network):
    _, logits = network(images())
    assert network.features(images()).shape == (4, 4)
    np.testing.assert_allclose(network.logits(network.features(images())), logits, atol=1e-6)


def test_widening_keeps_all_that_was_learned(network):
    wider = network.widen(5)
    (realness, logits), (wider_realness, wider_logits) = network(images()), wider(images())
    np.testing.assert_array_equal(wider_realness, realness)
    np.testing.assert_allclose(wider_logits[:, :3], logits, rtol=1e-5)


def test_config_round_trips(network):
    copy = ResNetDiscriminator.from_config(network.get_config())
    assert [v.path for v in copy.weights] == [v.path for v in network.weights]
    copy.set_weights(network.get_weights())
    np.testing.assert_array_equal(copy(images())[1], network(images())[1])


def test_the_penalty_of_its_gradient_can_be_differentiated(network):
    with tf.GradientTape() as outer:
        x = images(3)
        with tf.GradientTape() as inner:
            inner.watch(x)
            realness, _ = network(x, training=True)
        penalty = tf.reduce_sum(inner.gradient(realness, x) ** 2)
    gradient = outer.gradient(penalty, network.stem.convolution.kernel.value)
    assert np.all(np.isfinite(gradient)) and np.any(gradient != 0)


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (28, 28, 1)}, "image_shape: ResNetDiscriminator expects .* 32, 64 or 128 .*got .28, 28, 1"),
        ({"filters": 0}, "ResNetDiscriminator.filters: expected an integer"),
        ({"blocks": 1.5}, "ResNetDiscriminator.blocks: expected an integer"),
        ({"units": "many"}, "ResNetDiscriminator.units: expected an integer"),
        ({"normalization": None}, "ResNetDiscriminator.normalization: expected one of .batch., .layer."),
    ],
)
def test_bad_arguments_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        ResNetDiscriminator(**bad)


@pytest.mark.parametrize(("padding", "first"), [("symmetric", 0), ("same", 1)])
@pytest.mark.parametrize(("kernel_size", "strides"), [(3, 2), (5, 2), (9, 4)])
def test_a_strided_convolution_sits_on_the_pixels_that_its_shortcut_takes(padding, first, kernel_size, strides):
    layer = resnet18._ConvolutionNorm(1, kernel_size, strides, "batch", padding)
    layer.build((None, None, None, 1))
    centre = np.zeros([kernel_size, kernel_size, 1, 1], np.float32)
    centre[kernel_size // 2, kernel_size // 2] = 1.0
    layer.convolution.kernel.assign(centre)
    first = first if strides == 2 else 2 * first
    x = images(2, 16, 1)
    expected = layer.norm(x[:, first::strides, first::strides], training=False)
    np.testing.assert_allclose(layer(x, training=False), expected, atol=1e-6)


def test_the_padding_goes_into_the_config_and_other_ones_are_refused():
    network = ResNetDiscriminator((16, 16, 3), filters=2, blocks=1, units=4, padding="same")
    assert network.widen(3).padding == "same"
    assert ResNetDiscriminator.from_config({"filters": 2, "blocks": 1, "units": 4}).padding == "symmetric"
    with pytest.raises(UserError, match="ResNetDiscriminator.padding: expected one of 'symmetric', 'same', got 'full'"):
        ResNetDiscriminator(padding="full")
