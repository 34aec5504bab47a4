"""DGM learns: of two digits, learned one after the other, both are known in the end, the first by replay alone."""

import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings

SHAPE = (16, 16, 1)


class WeightsGenerator(DCGANGenerator):
    """DGMw's."""

    def __init__(self, image_shape=SHAPE, plasticity="weights", filters=8, latent_size=16, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


class UnitsGenerator(WeightsGenerator):
    """DGMa's."""

    def __init__(self, plasticity="units", filters=12, **kwargs):
        super().__init__(plasticity=plasticity, filters=filters, **kwargs)


class Discriminator(DCGANDiscriminator):
    """Of two convolutions."""

    def __init__(self, image_shape=SHAPE, num_classes=1, filters=(8, 16)):
        super().__init__(image_shape, num_classes, filters)


@pytest.mark.parametrize("generator", [WeightsGenerator, UnitsGenerator])
def test_a_digit_that_is_gone_is_remembered_by_what_the_generator_makes_of_it(generator):
    rate = 5e-3
    gan = GANSettings(epochs=4, batch_size=16, generator_learning_rate=rate, discriminator_learning_rate=rate)
    closing = ClassifierSettings("none", closing_epochs=4, learning_rate=3e-3)
    learner = Learner(DGM(generator, Discriminator, gan, closing))
    tasks = list(ClassIncrementalStream(PackagedMNIST(), num_tasks=2, image_size=SHAPE[0]))
    for task in tasks:
        outcome = learner.learn(task)
    accuracies = [np.mean(learner.classify(task.test.images) == task.test.labels) for task in tasks]
    assert min(accuracies) > 0.8, "fine-tuning ends at 0 and 1"
    assert outcome["replay_drift"] == 0.0 and outcome["warnings"] == []
