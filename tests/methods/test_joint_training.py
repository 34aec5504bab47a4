"""Joint training, the upper bound."""

import dataclasses

import numpy as np
import pytest

from dgm_tf.data.arrays import Split
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.training.classifier import ClassifierPhase
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers
from tests.methods import resuming, tiny

TASKS = (tiny.task(0, (0, 1)), tiny.task(1, (2, 3)))


def joint_training(**settings):
    return JointTraining(tiny.Discriminator, **{"epochs": 20, "batch_size": 8, "learning_rate": 1e-2} | settings)


@pytest.fixture(scope="module")
def learner():
    return resuming.learned(joint_training(), TASKS)


def test_nothing_is_forgotten(learner):
    for task in TASKS:
        assert np.mean(learner.classify(task.train.images) == task.train.labels) > 0.9


def test_every_image_is_kept_and_counted(learner):
    sizes = [task.train.images.nbytes for task in TASKS]
    assert learner.method.memory_bytes() == {"images": sum(sizes)}
    for task in TASKS:
        for label in task.classes:
            np.testing.assert_array_equal(learner.method.exemplars.images_of(label), task.train.of_class(label))


def test_the_last_classifier_is_a_new_one_trained_on_all_images(learner):
    images = np.concatenate([task.train.images for task in TASKS])
    labels = np.concatenate([task.train.labels for task in TASKS])
    context = TaskContext(TASKS[1], ((0, 1), (2, 3)), (32, 32, 1), learner.seed)
    with seeded_initializers(learner.seed, "begin task", 1):
        network = tiny.Discriminator(num_classes=4)
    phase = ClassifierPhase(network, Pool([], (images, labels)), 20, 8, 1e-2, context.task_seed)
    for step in range(phase.num_steps):
        phase.step(step)
    for expected, weight in zip(network.get_weights(), learner.method.networks.classifier.get_weights(), strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_it_resumes_in_the_middle_of_a_task():
    resuming.assert_resumes(joint_training(epochs=2), TASKS, step=3)


def test_it_loads_and_goes_on(tmp_path):
    method = joint_training(epochs=1)
    resuming.assert_loads(resuming.learned(method, TASKS[:1]), tmp_path, TASKS[1])


def test_images_of_a_class_need_not_stand_together():
    train = TASKS[0].train
    order = np.random.default_rng(0).permutation(len(train))
    mixed = Split(train.images[order], train.labels[order])
    learner = resuming.learned(joint_training(epochs=1), [dataclasses.replace(TASKS[0], train=mixed)])
    images, labels = learner.method.exemplars.group()
    np.testing.assert_array_equal(images, mixed.images[np.argsort(mixed.labels, kind="stable")])
    np.testing.assert_array_equal(labels, np.sort(mixed.labels))
