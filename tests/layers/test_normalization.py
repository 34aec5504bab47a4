"""Batch normalization against Keras's, its synchronised path against its fused one, and what each task keeps."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import BatchNormalization, LayerNormalization, TaskBatchNormalization, normalization
from tests.training.replicas import on_two_replicas

CHANNELS = 3


def batch(shape=(4, 5, 6, CHANNELS), seed=0):
    rng = np.random.default_rng(seed)
    return tf.constant(rng.normal(1.0, 2.0, shape), tf.float32)


def randomised(layer, seed=1):
    """The layer built, with random weights; the variance positive."""
    layer.build((None, None, None, CHANNELS))
    rng = np.random.default_rng(seed)
    for variable in layer.weights:
        variable.assign(rng.uniform(0.5, 2.0, variable.shape))
    return layer


def keras_twin(layer, rank=4):
    twin = keras.layers.BatchNormalization(momentum=layer.momentum, epsilon=normalization.EPSILON)
    twin.build((*(None,) * (rank - 1), CHANNELS))
    twin.set_weights(layer.get_weights())
    return twin


def test_inference_is_keras_inference():
    layer = randomised(BatchNormalization())
    np.testing.assert_allclose(layer(batch()), keras_twin(layer)(batch(), training=False), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("shape", [(4, 5, 6, CHANNELS), (7, CHANNELS)])
@pytest.mark.parametrize("spread", [1.0, 0.002])
def test_training_is_keras_training(shape, spread):
    """Also where the variance is no more than what keeps a division from failing."""
    layer, images = randomised(BatchNormalization()), spread * batch(shape)
    expected = keras_twin(layer, len(shape))(images, training=True)
    np.testing.assert_allclose(layer(images, training=True), expected, rtol=1e-4, atol=1e-4)


def test_training_moves_the_averages():
    layer = BatchNormalization(momentum=0.75)
    layer(batch(), training=True)
    flat = batch().numpy().reshape(-1, CHANNELS)
    np.testing.assert_allclose(layer.moving_mean, 0.25 * flat.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.moving_variance, 0.75 + 0.25 * flat.var(0, ddof=1), rtol=1e-4)


@pytest.mark.parametrize("layer_class", [BatchNormalization, TaskBatchNormalization])
def test_by_default_the_averages_follow_a_tenth_of_the_way(layer_class):
    layer = layer_class()
    layer(batch(), training=True)
    np.testing.assert_allclose(layer.moving_mean, 0.1 * batch().numpy().reshape(-1, CHANNELS).mean(0), rtol=1e-4)


@pytest.mark.parametrize("variance", [0.0, 1e-6])
def test_inference_divides_by_no_less_than_the_root_of_epsilon(variance):
    layer = randomised(TaskBatchNormalization())
    layer.moving_variance.assign(np.full(CHANNELS, variance))
    images = 1e-3 * batch()
    unit = (images - layer.moving_mean) / np.sqrt(variance + normalization.EPSILON)
    expected = unit * layer.gamma + layer.beta
    scale, offset = layer.affine(0)
    for outputs in (layer(images), images * scale + offset):
        np.testing.assert_allclose(outputs, expected, rtol=1e-3, atol=1e-2)


def test_averages_stay_where_asked_to():
    layer = randomised(BatchNormalization())
    before = layer.get_weights()
    with_update = layer(batch(), training=True)
    layer.set_weights(before)
    without = layer(batch(), training=True, update_statistics=False)
    np.testing.assert_array_equal(with_update, without)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_inference_moves_nothing():
    layer = randomised(BatchNormalization())
    before = layer.get_weights()
    layer(batch(), training=False, update_statistics=True)
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.fixture
def one_replica(monkeypatch):
    """A replica context of one, in which the synchronised path can run."""

    class Context:
        num_replicas_in_sync = 1

        def all_reduce(self, operation, value):
            assert operation == "mean"
            return tf.identity(value)

    monkeypatch.setattr(tf.distribute, "get_replica_context", Context)


@pytest.mark.parametrize("shape", [(4, 5, 6, CHANNELS), (8, CHANNELS)])
def test_synchronised_path_equals_the_fused_one(one_replica, shape):
    layer = randomised(BatchNormalization())
    gamma, beta = layer.gamma.value, layer.beta.value
    ours = normalization._synchronised(batch(shape), gamma, beta)
    for synchronised, fused in zip(ours, normalization._fused(batch(shape), gamma, beta), strict=True):
        np.testing.assert_allclose(synchronised, fused, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(4, 5, 6, CHANNELS), (8, CHANNELS)])
def test_two_replicas_normalise_by_the_whole_batch(monkeypatch, shape):
    layers = [randomised(BatchNormalization(momentum=0.75)) for _ in range(3)]
    halves = tf.split(batch(shape), 2)
    outputs = on_two_replicas(monkeypatch, lambda index: layers[index](halves[index], training=True))
    np.testing.assert_allclose(tf.concat(outputs, 0), layers[2](batch(shape), training=True), rtol=1e-4, atol=1e-4)
    for layer in layers[:2]:
        for average, whole in zip(layer.weights, layers[2].weights, strict=True):
            np.testing.assert_allclose(average, whole, rtol=1e-5)


def penalty_gradients(normalize, images, variables):
    """Gradients of a gradient penalty of a critic that normalises: second derivatives."""
    gamma, beta = variables
    with tf.GradientTape() as outer:
        outer.watch([images, gamma, beta])
        with tf.GradientTape() as inner:
            inner.watch(images)
            scores = tf.reduce_sum(normalize(images, gamma, beta)[0] ** 3, axis=[1, 2, 3])
        gradient = inner.gradient(scores, images)
        norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=[1, 2, 3]) + 1e-12)
        penalty = tf.reduce_mean(tf.square(norm - 1.0))
    return outer.gradient(penalty, [images, gamma])


def test_second_derivatives_are_those_of_the_plain_formula():
    def formula(inputs, gamma, beta):
        mean, variance = tf.nn.moments(inputs, [0, 1, 2])
        scale = gamma / tf.sqrt(variance + normalization.EPSILON)
        return ((inputs - mean) * scale + beta,)

    variables = tf.constant([1.0, 0.5, 2.0]), tf.constant([0.1, 0.0, -0.2])
    fused = penalty_gradients(normalization._fused, batch(), variables)
    expected = penalty_gradients(formula, batch(), variables)
    for ours, theirs in zip(fused, expected, strict=True):
        assert np.all(np.isfinite(ours))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3 * np.abs(theirs).max())


def test_second_derivatives_are_finite_on_a_constant_batch():
    variables = tf.ones(CHANNELS), tf.zeros(CHANNELS)
    for gradient in penalty_gradients(normalization._fused, tf.ones([2, 4, 4, CHANNELS]), variables):
        assert np.all(np.isfinite(gradient))


def test_affine_is_inference(task_norm):
    scale, offset = task_norm.affine(0)
    np.testing.assert_allclose(batch() * scale + offset, task_norm(batch()), rtol=1e-4, atol=1e-5)


@pytest.fixture
def task_norm():
    return randomised(TaskBatchNormalization())


def test_growing_keeps_a_tasks_own_parameters(task_norm):
    values = [np.array(v) for v in (task_norm.affine(0))]
    grown = task_norm.grow(CHANNELS + 2)
    randomised_next = np.random.default_rng(5)
    for variable in (grown.gamma, grown.beta, grown.moving_mean, grown.moving_variance):
        variable.assign(randomised_next.uniform(0.5, 2.0, variable.shape))
    again = grown.grow(CHANNELS + 3)
    for layer in (grown, again):
        for kept, value in zip(layer.affine(0), values, strict=True):
            np.testing.assert_array_equal(kept, value)
    for kept, value in zip(again.affine(1), grown.affine(1), strict=True):
        np.testing.assert_array_equal(kept, value)


def test_the_next_task_starts_afresh(task_norm):
    grown = task_norm.grow(CHANNELS + 2)
    np.testing.assert_array_equal(grown.task_values(1), np.tile([[1.0], [0.0], [0.0], [1.0]], (1, CHANNELS + 2)))


def test_earlier_tasks_parameters_are_not_trained(task_norm):
    grown = task_norm.grow(CHANNELS)
    assert [v.name for v in grown.trainable_variables] == ["gamma", "beta"]


def test_what_replicas_average_apart_counts_as_their_mean():
    layer = randomised(BatchNormalization())
    assert layer.moving_mean.aggregation == layer.moving_variance.aggregation == "mean"


def test_parameters_of_earlier_tasks_draw_no_numbers_before_they_are_inherited():
    layer = TaskBatchNormalization(task_widths=[2, 3])
    layer.build((None, 4))
    for task, width in enumerate((2, 3)):
        np.testing.assert_array_equal(layer.task_values(task), np.zeros((4, width)))


def test_config_round_trips(task_norm):
    grown = task_norm.grow(4).grow(6)
    copy = TaskBatchNormalization.from_config(grown.get_config())
    copy.build((None, 6))
    copy.set_weights(grown.get_weights())
    assert copy.get_config() == grown.get_config() and copy.task_widths == [CHANNELS, 4]
    np.testing.assert_array_equal(copy.task_values(0), task_norm.task_values(0))


@pytest.mark.parametrize("shape", [(4, 5, 6, CHANNELS), (8, CHANNELS)])
def test_layer_normalization_is_of_each_image_alone(shape):
    layer, images = LayerNormalization(), batch(shape)
    layer.build(shape)
    for variable, values in zip(layer.weights, ((2.0, 1.0, 0.5), (0.0, 1.0, -1.0)), strict=True):
        variable.assign(values)
    gamma, beta = (np.asarray(v) for v in layer.weights)
    axes = tuple(range(1, len(shape)))
    mean, variance = (f(images.numpy(), axes, keepdims=True) for f in (np.mean, np.var))
    expected = (images - mean) / np.sqrt(variance + normalization.EPSILON) * gamma + beta
    np.testing.assert_allclose(layer(images, training=True, update_statistics=True), expected, atol=1e-5)
    np.testing.assert_allclose(layer(images[:1]), expected[:1], atol=1e-5)
    again = keras.layers.deserialize(keras.layers.serialize(layer))
    assert again.get_config() == layer.get_config()
