"""MeRGAN: the alignment by hand, what each strategy shows its critic, and the paper's constants as defaults."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import losses
from dgm_tf.errors import UserError
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.mergan import MeRGAN, ReplayAlignmentRules
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings
from dgm_tf.training.randomness import split_seed, stateless_seed
from tests.methods import tiny

SEED = stateless_seed(0, "step")


def context(index):
    classes = tuple((t,) for t in range(index + 1))
    return TaskContext(tiny.task(index), classes, (32, 32, 1), 0)


def at_second_task(strategy):
    """A method that is about to learn its second task, the weights of the first random."""
    method = tiny.mergan(strategy)
    method.begin_task(context(0))
    tiny.randomize(method.networks.student)
    method.end_task(context(0))
    method.begin_task(context(1))
    return method


def test_alignment_loss_by_hand():
    images = np.zeros([2, 2, 1, 1], np.float32)
    replayed = np.array([[1.0, -2.0], [0.0, 0.5]], np.float32).reshape(2, 2, 1, 1)
    # (1 + 4) and 0.25, and their mean.
    assert float(losses.replay_alignment_loss(images, replayed)) == pytest.approx(2.625)


def test_a_student_that_has_not_moved_is_aligned():
    method = at_second_task("replay_alignment")
    assert float(method.generator_rules().penalty({}, SEED)) < 1e-8


def test_alignment_is_the_squared_distance_for_the_same_z_and_earlier_classes():
    method = at_second_task("replay_alignment")
    method.networks.student.convolutions[0].kernel.assign_add(
        0.05 * tf.ones_like(method.networks.student.convolutions[0].kernel)
    )
    rules = ReplayAlignmentRules(method.networks.student, method.networks.generator, 0.5, batch_size=4)
    z = tf.random.stateless_normal([4, 8], split_seed(SEED, 2)[0])
    codes = {1: np.ones([4, 1], np.float32), 2: np.eye(2, dtype=np.float32)[[0] * 4]}  # of the one earlier class
    old, new = (
        network(tf.concat([codes[network.num_classes], z], 1)).numpy()
        for network in (method.networks.generator, method.networks.student)
    )
    expected = 0.5 * np.mean(np.sum((new - old) ** 2, axis=(1, 2, 3)))
    assert expected > 0.1
    assert float(rules.penalty({}, SEED)) == pytest.approx(expected, rel=1e-4)


def test_every_earlier_class_is_aligned_equally_often(monkeypatch):
    method, tasks = tiny.mergan("replay_alignment"), (tiny.task(0, (0, 1, 2)), tiny.task(1, (3,)))
    contexts = [TaskContext(task, ((0, 1, 2), (3,))[: i + 1], (32, 32, 1), 0) for i, task in enumerate(tasks)]
    method.begin_task(contexts[0])
    method.end_task(contexts[0])
    method.begin_task(contexts[1])
    rules, aligned, make = method.generator_rules(), [], method.networks.generator.latents
    monkeypatch.setattr(
        method.networks.generator, "latents", lambda z, labels: aligned.extend(labels.numpy()) or make(z, labels)
    )
    for step in range(40):
        rules.penalty({}, stateless_seed(step, "step"))
    np.testing.assert_allclose(np.bincount(aligned, minlength=4) / len(aligned), [1 / 3] * 3 + [0], atol=0.08)


def test_alignment_moves_the_student_alone():
    method = at_second_task("replay_alignment")
    method.networks.student.convolutions[0].kernel.assign_add(
        0.05 * tf.ones_like(method.networks.student.convolutions[0].kernel)
    )
    with tf.GradientTape(persistent=True) as tape:
        penalty = method.generator_rules().penalty({}, SEED)
    (moved,) = tape.gradient(penalty, method.networks.student.convolutions[0].trainable_variables)
    assert np.any(moved != 0)
    assert all(g is None for g in tape.gradient(penalty, method.networks.generator.trainable_variables))
    gammas = tape.gradient(penalty, [norm.gamma.value for norm in method.networks.student.norms])
    assert all(np.all(np.asarray(gamma)[1] == 0) for gamma in gammas)  # the new class is not aligned


@pytest.mark.parametrize(("strategy", "shown"), [("joint_replay", {0, 1}), ("replay_alignment", {1})])
def test_the_critic_sees_replay_in_joint_training_only(strategy, shown):
    method = at_second_task(strategy)
    phase = method.phases(context(1))[0]()
    labels = [phase.pool.labels[phase.images.of_step(step)[0]] for step in range(20)]
    assert set(np.unique(labels)) == shown
    if strategy == "joint_replay":
        assert np.mean(np.equal(labels, 0)) == pytest.approx(0.5, abs=0.1)  # each class equally often
    learned = [phase.pool.labels[phase.images.of_step(step)[1]] for step in range(20)]
    assert set(np.unique(learned)) == {0, 1}  # the class head learns from both in either
    assert phase.num_steps == 2 * 2  # an epoch is a pass over the current images


def test_the_closing_epochs_learn_from_what_the_student_makes():
    method = at_second_task("joint_replay")
    method.networks.student.convolutions[0].kernel.assign_add(
        0.05 * tf.ones_like(method.networks.student.convolutions[0].kernel)
    )
    ((images, labels),) = tiny.replayed(method, context(1), phase=1)
    assert np.all(labels == 0) and len(labels) == 16
    ((held, _),) = tiny.replayed(method, context(1), phase=0)
    assert np.abs(images - held).max() > 0.01


def test_the_defaults_are_the_papers():
    method = MeRGAN()
    assert (method.gan.critic_steps, method.gan.gradient_penalty_weight) == (5, 10.0)
    assert (method.gan.generator_learning_rate, method.gan.discriminator_learning_rate) == (1e-4, 1e-4)
    assert (method.gan.beta_1, method.gan.beta_2, method.gan.auxiliary_loss) == (0.0, 0.9, True)


def test_joint_replay_needs_the_class_loss():
    with pytest.raises(UserError, match="GANSettings.auxiliary_loss: expected True for MeRGAN's joint_replay"):
        MeRGAN(gan=GANSettings())
    assert MeRGAN(gan=GANSettings(), strategy="replay_alignment").networks.generator is None


@pytest.mark.parametrize("bad", [{"strategy": "replay"}, {"alignment_weight": -0.1}], ids=lambda bad: next(iter(bad)))
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"MeRGAN.{next(iter(bad))}: expected"):
        MeRGAN(**bad)


def test_the_auxiliary_loss_needs_a_class_head_that_learns():
    gan = dataclasses.replace(GANSettings(), auxiliary_loss=True)
    with pytest.raises(UserError, match="GANSettings.auxiliary_loss"):
        MeRGAN(gan=gan, settings=ClassifierSettings("none", closing_epochs=1))
