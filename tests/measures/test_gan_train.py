"""GAN-train: a classifier that learned from replay alone."""

import numpy as np

from dgm_tf.measures import gan_train, training
from dgm_tf.measures.settings import EvaluationSettings
from tests.measures import shades


def test_gan_trains_classifier_learns_from_replay_alone():
    learner = shades.learner()
    before = [np.asarray(w).copy() for w in learner.method.classifier.weights]
    settings = EvaluationSettings(gan_train_epochs=8)
    network = gan_train.gan_train_classifier(learner, settings, 200, augmentation=None)
    labels = np.repeat(np.arange(3), 10)
    predicted = training.predictions(network, learner.method.replay(labels, 5))
    assert np.mean(predicted == labels) > 0.9
    for new, old in zip(learner.method.classifier.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(new), old)
