"""The class-conditional generator: the paper's size, images by class, room for new classes."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.networks.conditional import ConditionalGenerator


def small(num_classes=2, **kwargs):
    """Few filters, every weight a value as training might give it."""
    generator = ConditionalGenerator(num_classes=num_classes, filters=2, kernel_size=4, latent_size=6, **kwargs)
    rng = np.random.default_rng(0)
    for variable in generator.weights:
        variable.assign(rng.uniform(0.2, 1.0, variable.shape) * rng.choice([-1, 1], variable.shape))
    for norm in generator.norms:
        norm.moving_variance.assign(np.abs(norm.moving_variance))
    return generator


def z(count=3):
    return tf.random.stateless_normal([count, 6], [1, 2])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("training", [True, False])
def test_it_makes_images(channels, training):
    generator = small(image_shape=(32, 32, channels))
    images = generator(generator.latents(z(), [0, 1, 1]), training=training)
    assert images.shape == (3, 32, 32, channels) and 0 < np.max(np.abs(images)) <= 1.0


def test_it_has_the_papers_size():
    generator = ConditionalGenerator()
    kernels = [tuple(layer.kernel.shape) for layer in (*generator.convolutions, generator.output_layer)]
    assert kernels == [(4, 4, 128, 128), (5, 5, 64, 128), (5, 5, 32, 64), (5, 5, 1, 32)]
    assert sum(int(np.prod(kernel)) for kernel in kernels) == pytest.approx(5.18e5, rel=0.002)


def test_the_input_is_the_code_and_then_z():
    generator = small(3)
    latents = generator.latents(z(), [2, 0, 1])
    np.testing.assert_array_equal(latents[:, :3], [[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    np.testing.assert_array_equal(latents[:, 3:], z())


def test_the_class_decides_beside_z():
    generator = small()
    images = generator(generator.latents(tf.repeat(z(1), 2, axis=0), [0, 1]))
    assert np.max(np.abs(images[0] - images[1])) > 0.1


def test_new_classes_leave_the_others_as_they_are():
    generator = small(2)
    wider = generator.widen(4)
    assert wider.num_classes == 4 and wider.latent_size == 6
    images = [network(network.latents(z(), [0, 1, 1])).numpy() for network in (generator, wider)]
    np.testing.assert_allclose(images[1], images[0], atol=1e-6)
    for norm in wider.norms:
        np.testing.assert_array_equal(norm.gamma.numpy()[2:], 1.0)
        np.testing.assert_array_equal(norm.beta.numpy()[2:], 0.0)


def test_a_copy_is_independent():
    generator = small()
    copy, before = generator.widen(2), generator.get_weights()
    copy.convolutions[0].kernel.assign_add(tf.ones_like(copy.convolutions[0].kernel))
    for old, new in zip(before, generator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_config_round_trips():
    generator = small(3, image_shape=(32, 32, 3))
    copy = ConditionalGenerator.from_config(generator.get_config())
    assert copy.get_config() == generator.get_config()
    assert [w.shape for w in copy.weights] == [w.shape for w in generator.weights]


def test_all_tasks_share_it():
    generator = small()
    assert generator.plain(0) is generator.plain(1) is generator


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (28, 28, 1)}, "image_shape: .* 32x32 images, got .28, 28, 1"),
        ({"filters": 0}, "filters: expected an integer in .1, inf., got 0"),
        ({"kernel_size": 2.5}, "kernel_size: expected"),
        ({"num_classes": 0}, "num_classes: expected"),
    ],
)
def test_bad_arguments_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        ConditionalGenerator(**bad)


def test_the_published_network_has_biases_and_starts_by_he():
    published = ConditionalGenerator(filters=8, initializer="xavier", use_bias=True)
    for layer in published.convolutions:
        kernel = np.asarray(layer.kernel)
        fans = kernel.shape[0] ** 2 * sum(kernel.shape[2:])
        assert np.std(kernel) == pytest.approx(np.sqrt(4 / fans), rel=0.1)
        assert np.max(np.abs(kernel)) <= np.sqrt(3) * np.sqrt(4 / fans) + 1e-6
    assert [bias.bias.shape[0] for bias in published.biases] == [32, 16, 8, 1]
    assert ConditionalGenerator().count_params() == ConditionalGenerator(use_bias=True).count_params() - 225


def test_a_bias_moves_the_image():
    generator = small(use_bias=True)
    latents = generator.latents(z(), [0, 1, 1])
    generator.output_layer.kernel.assign(1e-3 * generator.output_layer.kernel)
    generator.biases[-1].bias.assign([0.0])
    before = generator(latents).numpy()
    generator.biases[-1].bias.assign([0.5])
    np.testing.assert_allclose(np.arctanh(generator(latents)), np.arctanh(before) + 0.5, atol=1e-3)
    generator.biases[0].bias.assign(10.0 + generator.biases[0].bias)
    assert np.max(np.abs(generator(latents) - np.tanh(np.arctanh(before) + 0.5))) > 1e-4


def test_what_came_later_goes_into_the_config_where_it_is_set():
    generator = small(2, use_bias=True, initializer="xavier")
    wider = generator.widen(3)
    assert wider.use_bias and wider.initializer == "xavier" and "use_bias" not in small().get_config()
    np.testing.assert_array_equal(wider.biases[0].bias, generator.biases[0].bias)
    with pytest.raises(UserError, match="ConditionalGenerator.initializer: expected one of 'normal', 'xavier', got"):
        ConditionalGenerator(initializer="he")
