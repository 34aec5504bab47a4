"""Classifiers that are trained for measuring only."""

import numpy as np

from dgm_tf import stopping
from dgm_tf.errors import Diverged
from dgm_tf.training.classifier import ClassifierPhase, measuring_batch_size
from dgm_tf.training.divergence import is_finite
from dgm_tf.training.inference import network_logits
from dgm_tf.training.pool import Pool, merged
from dgm_tf.training.randomness import seeded_initializers

RATE = 1e-3  # at which they learn


def train_classifier(network, groups, epochs, seed, augmentation=None, adam="pytorch"):
    """Trains a two-headed network's class head on groups of (images, labels), for measuring only.

    adam: of `optimizer.ADAMS`.

    Raises:
      Diverged: if its loss or its weights are not finite at the end.
    """
    pool, batch_size = Pool([], merged(groups)), measuring_batch_size()
    phase = ClassifierPhase(network, pool, epochs, batch_size, RATE, seed, augmentation, adam=adam)
    for step in range(phase.num_steps):
        stopping.check()
        metrics = phase.step(step)
    if not all(map(is_finite, [*metrics.values(), *network.weights])):
        raise Diverged("its classifier: expected finite losses and weights, got NaN or infinity")
    return network


def fresh_classifier(learner, num_classes, purpose):
    """A network like the one that the learner trains to classify, freshly initialised."""
    with seeded_initializers(learner.seed, purpose):
        network = learner.method.networks.classifier
        return type(network).from_config(network.get_config() | {"num_classes": num_classes})


def predictions(network, images):
    """int64 [N]: the class head's choices for images, uint8 or float in [-1, 1]."""
    return np.argmax(network_logits(network, images), axis=1)


def share_correct(predicted, labels):
    """Mean over classes of the share of right predictions."""
    return float(np.mean([np.mean(predicted[labels == c] == c) for c in np.unique(labels)]))
