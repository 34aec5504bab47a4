"""A memory whose images are known: greys, and a network that tells them apart."""

import types

import numpy as np

from dgm_tf.measures import training
from dgm_tf.methods.networks import Networks
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.pool import to_uint8


class Shades:
    """Remembers class c as images of one grey, with some noise; half of class `lost` looks like class 0."""

    adam = "pytorch"

    def __init__(self, lost=None):
        self.lost, self.classifier = lost, DCGANDiscriminator(num_classes=1, filters=(4, 4, 4))
        self.seeds = []

    @property
    def networks(self):
        return Networks(classifier=self.classifier)

    def replay(self, labels, seed):
        self.seeds.append(seed)
        greys = np.linspace(-0.9, 0.9, 3)[labels]
        if self.lost is not None:
            rows = np.flatnonzero(labels == self.lost)
            greys[rows[: len(rows) // 2]] = -0.9
        noise = np.random.default_rng(seed).normal(0, 0.05, (len(labels), 32, 32, 1))
        return (greys[:, None, None, None] + noise).astype(np.float32)


def learner(**kwargs):
    """A learner of three greys."""
    return types.SimpleNamespace(method=Shades(**kwargs), class_names=["a", "b", "c"], seed=0)


def judge():
    """A network that tells the greys apart."""
    labels = np.repeat(np.arange(3, dtype=np.int32), 200)
    network = training.fresh_classifier(learner(), 3, "judge")
    return training.train_classifier(network, [(learner().method.replay(labels, 1), labels)], 10, 0)


def tests():
    """uint8 test images of the first two greys, 30 each, and of the third too few to measure."""
    labels = np.repeat(np.arange(3), [30, 30, 4])
    return to_uint8(Shades().replay(labels, seed=2)), labels
