"""What a task reserved stays as it is, and is replayed so, whatever the gradients of a later task are."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.methods.dgm import MaskRules
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.networks.resnet import ResNetGenerator
from dgm_tf.training.distribution import apply_mean_gradients
from dgm_tf.training.optimizer import make_adam

LATENT = 8
SCHEDULE = {"mask_scale": tf.constant(3.0), "epoch_mask_scale": tf.constant(5.0)}
GENERATORS = {
    "DCGAN": lambda plasticity: DCGANGenerator((16, 16, 1), plasticity, filters=4, latent_size=LATENT),
    "ResNet": lambda plasticity: ResNetGenerator((16, 16, 1), plasticity, filters=3, latent_size=LATENT),
}
EXPLOSIONS = {
    "NaN": [np.nan], "infinite": [np.inf, -np.inf], "too large": [3e38, -3e38], "all": [np.nan, np.inf, -3e38, 0.1]
}  # fmt: skip


def kernels(generator):
    """Copies of the masked layers' kernels."""
    return [np.asarray(layer.kernel).copy() for layer in generator.masked_layers]


def gates(generator):
    """In the kernels' shapes, 0 where a learned task reserved."""
    return [np.broadcast_to(layer.kernel_gate(), layer.kernel.shape) for layer in generator.masked_layers]


def learned(network, plasticity, rng):
    """A generator in its third task, as two random ones may have left it."""
    generator = GENERATORS[network](plasticity)
    for _ in range(2):
        before = kernels(generator)
        for variable in generator.trainable_variables:
            variable.assign(rng.normal(0.0 if variable.name == "kernel" else 0.5, 0.3, variable.shape))
        for layer, old, gate in zip(generator.masked_layers, before, gates(generator), strict=True):
            layer.kernel.assign(np.where(gate == 0, old, np.asarray(layer.kernel)))
            layer.embedding.assign(np.where(rng.random(layer.embedding.shape) < 0.7, 1.0, -1.0))
        generator.reserve()
        generator = generator.grow()
    return generator


def gradients(variables, values, rng):
    """Ordinary ones, of which a tenth, and all of one variable, are drawn from the values."""
    drawn = [rng.normal(size=v.shape) for v in variables]
    for gradient in drawn:
        wild = rng.random(gradient.shape) < 0.1
        gradient[wild] = rng.choice(values, int(wild.sum()))
    whole = rng.integers(len(drawn))
    drawn[whole] = rng.choice(values, drawn[whole].shape)
    return [tf.constant(gradient, tf.float32) for gradient in drawn]


def images(generator, task):
    """Those of a learned task, folded anew."""
    return generator.fold(task)(tf.random.stateless_normal([3, LATENT], [1, task])).numpy()


@pytest.mark.parametrize("explosion", EXPLOSIONS)
@pytest.mark.parametrize("plasticity", ["weights", "units"])
@pytest.mark.parametrize("network", GENERATORS)
def test_reserved_weights_and_their_images_survive(network, plasticity, explosion):
    rng = np.random.default_rng(0)
    generator = learned(network, plasticity, rng)
    memory = [images(generator, task) for task in range(2)]
    assert all(np.ptp(image) > 0.01 for image in memory)
    before = kernels(generator)
    variables, rules = generator.trainable_variables, MaskRules(generator, 3, 0.1, 10.0)
    optimizer = make_adam(1e38, variables)
    for _ in range(3):
        wild = rules.transform_gradients(gradients(variables, EXPLOSIONS[explosion], rng), variables, SCHEDULE)
        apply_mean_gradients(optimizer, wild, variables, clip_norm=1e4)
    for after, old, gate in zip(kernels(generator), before, gates(generator), strict=True):
        np.testing.assert_array_equal(after[gate == 0], old[gate == 0])
        assert not np.array_equal(after[gate > 0], old[gate > 0]), "the others are free to be destroyed"
    for task in range(2):
        np.testing.assert_array_equal(images(generator, task), memory[task])
    generator.reserve()
    grown = generator.grow()
    for task in range(2):
        np.testing.assert_array_equal(images(grown, task), memory[task])
