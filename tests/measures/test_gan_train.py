"""GAN-train: a classifier that learned from replay alone."""

import types

import numpy as np
import pytest

from dgm_tf.measures import gan_train, training
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.training.clock import Clock
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


@pytest.mark.parametrize(
    ("is_last", "every_task", "is_tested", "measured"),
    [(True, False, True, 0.5), (False, True, True, 0.5), (False, False, True, None), (True, True, False, None)],
)
def test_it_is_measured_after_the_last_task_or_after_each_where_all_classes_are_tested(
    is_last, every_task, is_tested, measured
):
    settings, learner = EvaluationSettings(gan_train_every_task=every_task), types.SimpleNamespace(clock=Clock())
    view = types.SimpleNamespace(is_last=is_last, is_tested=is_tested, settings=settings, learner=learner)
    view.trained = lambda what, measure: 0.5
    assert gan_train.GANTrain().after_task(view) == measured
