"""Distillation: the classifier of the last task teaches its successor on replayed images."""

import dataclasses

import gin
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.registry import register
from dgm_tf.training.classifier import CLASSIFIER_LOSS, ClassifierRules
from dgm_tf.training.divergence import Remedy


@gin.register
@register
@dataclasses.dataclass(frozen=True)
class Distillation:
    """Settings of distillation beside the labels (Hinton et al., 2015; Li and Hoiem, 2016).

    It learned from real images of its own current classes, of which the generator's show only a part: its answers to
    a replayed image carry more than the image's label.

    Attributes:
      weight: of its loss, beside cross-entropy's 1.
      temperature: that both classifiers' logits are divided by; the larger, the more the unlikely classes say. Li and
        Hoiem have 2.
    """

    weight: float = 1.0
    temperature: float = 2.0

    remedies = (Remedy("classifier", CLASSIFIER_LOSS, "a lower", "weight"),)

    def __post_init__(self):
        checks.number(self, "weight", "(0, inf)")
        checks.number(self, "temperature", "(0, inf)")


class DistillationRules(ClassifierRules):
    """Cross-entropy, and on images of earlier classes distillation from the last task's classifier.

    Args:
      teacher: the last task's two-headed network.
      settings: `Distillation`.
    """

    def __init__(self, teacher, settings):
        self._teacher, self._settings = teacher, settings

    def loss(self, network, images, labels):
        """See `ClassifierRules`; the logits of the teacher's classes are compared."""
        loss, logits = super().loss(network, images, labels)
        _, taught = self._teacher(images, training=False)
        earlier = tf.cast(labels < taught.shape[1], tf.float32)
        distilled = losses.distillation_loss(logits, taught, self._settings.temperature, earlier)
        return loss + self._settings.weight * distilled, logits
