"""The generator of feature vectors: the invariant, growth, and what a task starts from."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.networks.dense import DenseGenerator
from dgm_tf.networks.mlp import MLPDiscriminator

SIZE, LATENT = 5, 24
LARGE = tf.constant(1e6)  # a scale at which soft masks are binary


def new_generator(plasticity="weights", **kwargs):
    return DenseGenerator((SIZE,), (6, 4), plasticity=plasticity, latent_size=LATENT, **kwargs)


def train(generator, rng):
    """What training may do to the generator, at random."""
    for layer in generator.masked_layers:
        layer.embedding.assign(rng.normal(size=layer.embedding.shape))
        layer.kernel.assign_add(rng.normal(size=layer.kernel.shape) * np.asarray(layer.kernel_gate()))
    for norm in generator.norms:
        for variable in (norm.gamma, norm.beta, norm.moving_mean, norm.moving_variance):
            variable.assign(rng.uniform(0.2, 1.0, variable.shape))
    for variable in (generator.output_layer.kernel, generator.output_layer.bias):
        variable.assign(rng.normal(size=variable.shape))


def latents(generator, classes=1, task=None, count=7):
    z = tf.random.stateless_normal([count, LATENT], [1, 2])
    return generator.latents(z, np.arange(count) % classes, classes, task)


def gaussian_vectors(rng, count=400):
    return (rng.normal(size=(count, SIZE)) @ rng.normal(size=(SIZE, SIZE)) + 3.0).astype(np.float32)


@pytest.mark.parametrize("plasticity", ["weights", "units"])
@pytest.mark.parametrize("output_per", ["task", "class"])
def test_learned_tasks_are_replayed_bit_for_bit(plasticity, output_per):
    rng, memory = np.random.default_rng(0), []
    generator = new_generator(plasticity, output_per=output_per, conditioning="embedding", classes=[2])

    def replayed(task):
        return generator.plain(task)(latents(generator, 2, task)).numpy()

    for task in range(3):
        train(generator, rng)
        generator.reserve()
        memory.append(replayed(task))
        made = generator(latents(generator, 2), mask_scale=LARGE)
        np.testing.assert_allclose(made, memory[-1], rtol=1e-4, atol=1e-4)
        free = generator.initial_sizes
        generator = generator.grow()
        assert all(now >= first for now, first in zip(generator.free_capacity().values(), free, strict=True))
        train(generator, rng)
        for earlier, vectors in enumerate(memory):
            np.testing.assert_array_equal(replayed(earlier), vectors)


def test_it_starts_as_a_gaussian_of_the_tasks_mean_and_covariance():
    vectors, generator = gaussian_vectors(np.random.default_rng(0)), new_generator(start="gaussian")
    generator.start_near(vectors, np.zeros(len(vectors), int))
    z = tf.random.stateless_normal([20000, LATENT], [3, 4])
    made = generator(generator.latents(z, np.zeros(20000, int), 1), mask_scale=LARGE).numpy()
    np.testing.assert_allclose(made.mean(axis=0), vectors.mean(axis=0), atol=0.1)
    np.testing.assert_allclose(np.cov(made.T), np.cov(vectors.T), atol=0.4)


@pytest.mark.parametrize(("conditioning", "code"), [("one_hot", 4), ("embedding", 2)])
def test_the_start_leaves_out_what_the_classs_code_may_take_of_z(conditioning, code):
    generator = DenseGenerator((20,), (6,), start="gaussian", latent_size=8, conditioning=conditioning)
    generator.start_near(np.random.default_rng(0).normal(size=(50, 20)), np.zeros(50, int))
    used = np.asarray(generator.output_layer.kernel)[6:].any(axis=1)
    assert used.tolist() == [False] * code + [True] * (8 - code)


def test_each_class_of_a_task_starts_from_its_own_vectors():
    rng = np.random.default_rng(0)
    vectors, labels = np.concatenate([gaussian_vectors(rng), gaussian_vectors(rng) + 50.0]), np.repeat([4, 5], 400)
    generator = new_generator(output_per="class", conditioning="embedding", classes=[2], start="gaussian")
    generator.start_near(vectors, labels)
    made = generator(latents(generator, 2, count=4000), mask_scale=LARGE).numpy()
    for label in range(2):
        mean = vectors[labels == label + 4].mean(axis=0)
        np.testing.assert_allclose(made[label::2].mean(axis=0), mean, atol=0.6)


def test_fewer_vectors_than_features_have_fewer_components():
    vectors, generator = gaussian_vectors(np.random.default_rng(1), count=3), new_generator(start="gaussian")
    generator.start_near(vectors, np.zeros(3, int))
    assert np.linalg.matrix_rank(np.asarray(generator.output_layer.kernel)) == 2


@pytest.mark.parametrize(("start", "keeps"), [("random", "weights"), ("mean", "weights"), ("gaussian", "statistics")])
def test_it_says_what_it_keeps_of_images(start, keeps):
    assert new_generator(start=start).keeps is Keeps[keeps.upper()]


def test_a_mean_starts_the_bias_alone():
    vectors, generator = gaussian_vectors(np.random.default_rng(0)), new_generator()
    generator.start_near(vectors, np.zeros(len(vectors), int))
    np.testing.assert_allclose(generator.output_layer.bias, vectors.mean(axis=0), rtol=1e-5)
    assert not np.asarray(generator.output_layer.kernel).any()


def test_units_that_a_task_leaves_dead_are_left_out():
    generator = new_generator("units")
    train(generator, np.random.default_rng(0))
    for layer, count in zip(generator.masked_layers, (2, 3), strict=True):
        layer.embedding.assign(np.where(np.arange(layer.width) < count, 1.0, -1.0))
    generator.reserve()
    plain = generator.plain(0)
    assert plain.widths == [2, 3] and plain.full_widths == [6, 4]
    np.testing.assert_allclose(plain(latents(generator)), generator(latents(generator), mask_scale=LARGE), atol=1e-5)


def test_it_is_rebuilt_from_its_config():
    generator = new_generator("units", start="gaussian").grow()
    copy = DenseGenerator.from_config(generator.get_config())
    assert [w.shape for w in copy.weights] == [w.shape for w in generator.weights]
    assert copy.get_config() == generator.get_config()


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"image_shape": (32, 32, 3)}, r"DenseGenerator.image_shape: expected \(D,\).*choose DCGANGenerator"),
        ({"image_shape": (0,)}, r"DenseGenerator.image_shape: expected \(D,\)"),
        ({"units": ()}, "DenseGenerator.units: expected a list of integers"),
        ({"units": (0,)}, "DenseGenerator.units: expected a list of integers"),
        ({"start": "zero"}, "DenseGenerator.start: expected one of 'random', 'mean', 'gaussian', got 'zero'"),
    ],
)
def test_bad_settings_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        DenseGenerator(**{"image_shape": (SIZE,)} | bad)


def test_generators_of_images_refuse_vectors():
    with pytest.raises(UserError, match=r"DCGANGenerator expects square images .* got \(5,\); for feature vectors"):
        DCGANGenerator((SIZE,))
    assert MLPDiscriminator((SIZE,), 3)(np.zeros((2, SIZE), np.float32))[1].shape == (2, 3)
