"""Methods with one generator for all tasks, among feature vectors."""

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.dgr import DGR
from dgm_tf.methods.ewc_m import EWCM
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.methods.mergan import MeRGAN
from dgm_tf.networks.conditional_dense import ConditionalDenseGenerator
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings
from tests.methods import spaces, tiny

IMAGES = tiny.task(0, range(2)).test.images
GAN = GANSettings(epochs=2, batch_size=8)
CLOSING = ClassifierSettings("none", closing_epochs=2)
# An AC-GAN's class head learns beside the generator.
CLASSES = {
    "gan": GANSettings(epochs=2, batch_size=8, auxiliary_loss=True),
    "settings": ClassifierSettings("constant", closing_epochs=2),
}


@register
class Generator(ConditionalDenseGenerator):
    """With few units."""

    def __init__(self, image_shape=(1,), num_classes=1, units=(8, 6), latent_size=8):
        super().__init__(image_shape, num_classes, units, latent_size)


METHODS = {
    "dgr": lambda: DGR(Generator, MLPDiscriminator, gan=GAN, settings=CLOSING),
    "ewc_m": lambda: EWCM(Generator, MLPDiscriminator, gan=GAN, settings=CLOSING, fisher_samples=8),
    "mergan_jtr": lambda: MeRGAN(Generator, MLPDiscriminator, **CLASSES, strategy="joint_replay"),
    "mergan_ra": lambda: MeRGAN(Generator, MLPDiscriminator, **CLASSES, strategy="replay_alignment"),
}


@pytest.mark.parametrize("method", METHODS)
def test_they_replay_vectors_and_are_saved(method, tmp_path):
    learner = Learner(FeatureSpace(METHODS[method](), spaces.Projections(16)))
    for index in range(2):
        learner.learn(tiny.task(index))
    replayed = learner.method.replay([0, 1, 1])
    assert replayed.shape == (3, 16) and np.isfinite(replayed).all() and not learner.method.replays_images
    learner.save(tmp_path)
    copy = dgm_tf.load(tmp_path)
    np.testing.assert_array_equal(copy.logits(IMAGES), learner.logits(IMAGES))
    np.testing.assert_array_equal(copy.method.replay([0, 1, 1]), replayed)


def test_a_widened_generator_makes_the_same_vectors():
    generator, z = Generator((5,), 2), np.random.default_rng(0).normal(size=(4, 8)).astype(np.float32)
    labels = np.array([0, 1, 1, 0])
    wider = generator.widen(3)
    np.testing.assert_array_equal(generator(generator.latents(z, labels)), wider(wider.latents(z, labels)))
    assert generator(generator.latents(z, labels)).shape == (4, 5)


def test_images_are_refused():
    with pytest.raises(UserError, match=r"image_shape: expected \(D,\).*choose ConditionalGenerator"):
        ConditionalDenseGenerator((32, 32, 3))
