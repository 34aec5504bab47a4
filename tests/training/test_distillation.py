"""Distillation from the last task's classifier: the loss by hand, and which images it is of."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import losses
from dgm_tf.errors import UserError
from dgm_tf.training.distillation import Distillation, DistillationRules


class Fixed:
    """A two-headed network with the same logits for every image."""

    def __init__(self, probabilities):
        self._logits = tf.math.log(tf.constant([probabilities]))

    def __call__(self, images, training, update_statistics=False):
        self.training = training
        return None, tf.repeat(self._logits, len(images), axis=0)


IMAGES = tf.zeros([2, 4, 4, 1])


def test_the_loss_is_the_cross_entropy_of_softened_answers_of_the_teachers_classes():
    logits = 2.0 * tf.math.log(tf.constant([[0.5, 0.5, 7.0], [0.25, 0.75, 1.0]]))  # halved by the temperature
    taught = 2.0 * tf.math.log(tf.constant([[0.2, 0.8], [0.6, 0.4]]))
    first, second = np.log(2), -0.6 * np.log(0.25) - 0.4 * np.log(0.75)
    for weights, expected in (([1.0, 1.0], (first + second) / 2), ([0.0, 1.0], second / 2)):
        loss = losses.distillation_loss(logits, taught, 2.0, tf.constant(weights))
        assert float(loss) == pytest.approx(4.0 * expected, rel=1e-5)


def test_images_of_new_classes_are_not_distilled():
    student, rules = Fixed([0.25, 0.5, 0.25]), DistillationRules(Fixed([0.9, 0.1]), Distillation(3.0, 1.0))
    distilled = -0.9 * np.log(1 / 3) - 0.1 * np.log(2 / 3)  # of the student's first two classes, 1 to 2
    for labels, count in (([2, 2], 0), ([0, 2], 1), ([0, 1], 2)):
        labelled = np.mean([-np.log([0.25, 0.5, 0.25][label]) for label in labels])
        loss, logits = rules.loss(student, IMAGES, tf.constant(labels))
        assert float(loss) == pytest.approx(labelled + 3.0 * count / 2 * distilled, rel=1e-5)
        assert logits.shape == (2, 3)


def test_the_teacher_answers_in_inference_mode_and_the_student_learns():
    student, teacher = Fixed([0.25, 0.5, 0.25]), Fixed([0.9, 0.1])
    DistillationRules(teacher, Distillation()).loss(student, IMAGES, tf.constant([0, 1]))
    assert student.training is True and teacher.training is False


@pytest.mark.parametrize("name", ["weight", "temperature"])
def test_settings_out_of_place_are_named(name):
    with pytest.raises(UserError, match=rf"Distillation.{name}: expected a number in \(0, inf\), got 0"):
        Distillation(**{name: 0})
