"""Classifiers that only measure."""

import numpy as np

from dgm_tf.measures import training
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.pool import to_float
from tests.measures import shades


def test_a_classifier_for_measuring_learns_in_batches_of_64_and_so_many_passes(monkeypatch):
    made = []

    class Phase(training.ClassifierPhase):
        def __init__(self, *arguments, **named):
            super().__init__(*arguments, **named)
            made.append((arguments[2:5], self.num_steps))

        def step(self, index):
            made.append(index)
            return super().step(index)

    monkeypatch.setattr(training, "ClassifierPhase", Phase)
    images = shades.Shades().replay(np.zeros(130, np.int32), 0)
    network = DCGANDiscriminator(num_classes=1, filters=(4, 4, 4))
    assert training.train_classifier(network, [(images, np.zeros(130, np.int32))], 3, 0) is network
    assert made == [((3, 64, 1e-3), 6), *range(6)]


def test_a_fresh_classifier_is_one_of_the_same_kind_and_a_function_of_seed_and_purpose():
    learner = shades.learner()
    networks = [training.fresh_classifier(learner, 3, purpose) for purpose in ("joint", "joint", "gan train")]
    assert all(network.num_classes == 3 and list(network.filters) == [4, 4, 4] for network in networks)
    kernels = [np.asarray(network.logits.kernel) for network in networks]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0


def test_predictions_are_the_largest_logits(judge):
    images = np.asarray(to_float(np.full((3, 32, 32, 1), 128, np.uint8)))
    logits = np.asarray(judge(images, training=False)[1])
    np.testing.assert_array_equal(training.predictions(judge, images), np.argmax(logits, axis=1))
