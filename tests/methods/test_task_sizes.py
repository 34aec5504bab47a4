"""What a task of several classes needs, nobody has to state; tasks of one class are learned as they always were."""

import dataclasses

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.loop import Callback
from tests.methods import tiny

OPEN = ClassifierSettings(None, closing_epochs=1)
GAN = dataclasses.replace(tiny.GAN, epochs=1)
OF_ONE = dataclasses.replace(OPEN, replay_schedule="none", own_optimizer=False, generated_current=0.0)
OF_SEVERAL = dataclasses.replace(OPEN, replay_schedule="constant", own_optimizer=True, generated_current=0.5)


class Losses(Callback):
    """Which phase reports which losses."""

    def __init__(self):
        self.seen = set()

    def on_step(self, learner, context, phase, step, metrics):
        self.seen |= {(context.index, phase.name, name) for name in metrics}


def learned(sizes, gan=GAN, classifier=OPEN):
    """A DGM after tasks of these sizes, and the losses that it reported."""
    learner, losses, first = Learner(tiny.dgm(gan=gan, classifier=classifier)), Losses(), 0
    for index, size in enumerate(sizes):
        learner.learn(tiny.task(index, range(first, first + size), per_class=8), [losses])
        first += size
    return learner, losses.seen


def equal(learner, other):
    arrays, others = learner.arrays(), other.arrays()
    return arrays.keys() == others.keys() and all(np.array_equal(arrays[k], others[k]) for k in arrays)


def test_tasks_of_one_class_are_learned_to_the_bit_as_with_all_stated():
    stated = dataclasses.replace(GAN, auxiliary_loss=False, gradient_penalty_share=1.0, min_batches_per_class=False)
    assert equal(learned([1, 1])[0], learned([1, 1], stated, OF_ONE)[0])


def test_a_task_of_several_classes_is_learned_as_with_all_stated():
    stated = dataclasses.replace(GAN, auxiliary_loss=True, gradient_penalty_share=0.25, min_batches_per_class=True)
    learner, _ = learned([2])
    assert equal(learner, learned([2], stated, OF_SEVERAL)[0])
    assert not equal(learner, learned([2], GAN, OF_ONE)[0])


def test_each_task_by_its_own_size():
    _, seen = learned([1, 2, 1])
    beside_the_gan = {task for task, phase, name in seen if (phase, name) == ("gan", "loss/classifier")}
    assert beside_the_gan == {1}


def test_a_method_tells_what_follows():
    assert "auxiliary_loss = True" in tiny.dgm(classifier=OPEN).told([1, 2])
    assert tiny.dgm(classifier=OPEN).told([1, 1]) is None


def test_a_generator_that_knows_no_classes_is_trained_as_ever():
    dgr = tiny.dgr(settings=OPEN)
    assert (dgr.gan.auxiliary_loss, dgr.settings.replay_schedule, dgr.settings.generated_current) == (False, "none", 0)
    assert "auxiliary_loss" not in (dgr.told([3, 3]) or "")


def test_a_classifier_that_would_learn_from_nothing_is_refused():
    with pytest.raises(UserError, match="replay_schedule None .* expected closing_epochs >= 1"):
        ClassifierSettings(None)
