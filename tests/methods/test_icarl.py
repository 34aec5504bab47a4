"""iCaRL: the exemplars' budget, what teaches the network, the nearest means, and that all of it survives."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import losses
from dgm_tf.errors import UserError
from dgm_tf.export import export
from dgm_tf.measures.best_epoch import BestEpoch
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.exemplars import herded, normalized_features
from dgm_tf.methods.icarl import ICaRL, ICaRLRules
from dgm_tf.training.inference import network_logits
from dgm_tf.training.loop import Callback
from dgm_tf.training.pool import to_float
from tests.methods import resuming, tiny

TASKS = (tiny.task(0, (0, 1)), tiny.task(1, (2,)), tiny.task(2, (3, 4)))
IMAGES = TASKS[0].test.images


def icarl(**settings):
    return ICaRL(tiny.Discriminator, **{"epochs": 2, "batch_size": 8, "learning_rate": 1e-2, "budget": 7} | settings)


class Watch(Callback):
    """What is stored after each task, and what is answered after each epoch."""

    def __init__(self):
        self.stored, self.logits, self.teachers = [], [], []

    def on_epoch_end(self, learner, context, phase, epoch):
        self.logits.append(learner.logits(IMAGES))
        self.teachers.append(learner.method.networks.teacher)

    def on_task_end(self, learner, context, outcome):
        self.stored.append({c: learner.method.exemplars.images_of(c) for c in learner.method.exemplars.classes})


@pytest.fixture(scope="module")
def watched():
    """(learner of three tasks, what was seen on the way)."""
    watch = Watch()
    return resuming.learned(icarl(), TASKS, (watch,)), watch


@pytest.fixture
def learner(watched):
    return watched[0]


def test_classes_share_the_budget_and_never_exceed_it(watched):
    counts = [[len(images) for images in stored.values()] for stored in watched[1].stored]
    assert counts == [[3, 3], [2, 2, 2], [1, 1, 1, 1, 1]]  # floor(7 / 2), floor(7 / 3), floor(7 / 5)


def test_the_first_chosen_exemplars_are_kept_longest(watched):
    first, second, third = watched[1].stored
    for label in (0, 1):
        np.testing.assert_array_equal(second[label], first[label][:2])
        np.testing.assert_array_equal(third[label], first[label][:1])


def test_exemplars_are_herded_by_the_networks_features(learner):
    for label in (3, 4):
        expected = herded(learner.method.networks.classifier, TASKS[2].train.of_class(label), 1)
        np.testing.assert_array_equal(learner.method.exemplars.images_of(label), expected)


def test_memory_is_the_exemplars(learner):
    weights = sum(int(np.prod(w.shape)) for w in learner.method.networks.classifier.weights)
    assert learner.method.memory_bytes() == {"images": 5 * 32 * 32, "classifier copy": 4 * weights}


def test_means_are_those_of_the_exemplars_features(learner):
    method = learner.method
    for label in range(5):
        mean = normalized_features(method.networks.classifier, method.exemplars.images_of(label)).mean(axis=0)
        np.testing.assert_allclose(method.trained_classifier.means[label], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_nearest_mean_classifies_and_the_head_is_a_second_reading(learner):
    images, means = np.asarray(to_float(IMAGES)), np.asarray(learner.method.trained_classifier.means)
    features = normalized_features(learner.method.networks.classifier, images)
    distances = np.sum((features[:, None] - means) ** 2, axis=2)
    factor = learner.method.confidence.factor
    np.testing.assert_allclose(learner.logits(IMAGES), -factor * distances, rtol=1e-4, atol=1e-5 * max(1.0, factor))
    head = learner.method.readings(images)
    assert list(head) == ["head"]
    np.testing.assert_array_equal(head["head"], network_logits(learner.method.networks.classifier, images))


def test_the_network_before_the_task_teaches_while_it_is_learned(watched):
    learner, watch = watched
    assert watch.teachers[:2] == [None, None]  # two epochs each
    assert [t.num_classes for t in watch.teachers[2:]] == [2, 2, 3, 3]
    assert watch.teachers[2] is watch.teachers[3] is not watch.teachers[4]
    assert list(learner.method.networks.by_name()) == ["discriminator"]


def test_the_teacher_answers_in_inference_mode():
    network, previous = tiny.Discriminator(num_classes=3), tiny.Discriminator(num_classes=2)
    images, labels = to_float(TASKS[0].train.images[:8]), tf.constant([0, 0, 0, 0, 2, 2, 2, 2])
    loss, logits = ICaRLRules(previous).loss(network, images, labels)
    expected = losses.icarl_loss(network(images, training=True)[1], labels, previous(images, training=False)[1])
    np.testing.assert_allclose(loss, expected, rtol=1e-5)
    assert logits.shape == (8, 3)


def test_in_the_middle_of_a_task_new_classes_have_the_mean_of_all_their_images():
    method = icarl()
    context = TaskContext(TASKS[0], ((0, 1),), (32, 32, 1), 0)
    method.begin_task(context)
    method.phases(context)
    method.logits(np.asarray(to_float(IMAGES)))
    for label in (0, 1):
        mean = normalized_features(method.networks.classifier, TASKS[0].train.of_class(label)).mean(axis=0)
        np.testing.assert_allclose(method.trained_classifier.means[label], mean / np.linalg.norm(mean), atol=1e-6)


def test_the_best_epochs_answers_come_back_with_its_means():
    best, watch = BestEpoch(None, EvaluationSettings()), Watch()
    learner = resuming.learned(icarl(epochs=3), TASKS[:2], (best, watch))
    epochs = watch.logits[-3:]
    before = learner.logits(IMAGES)
    expected = epochs[int(np.argmax(best.history))] * np.float32(learner.method.confidence.factor)
    np.testing.assert_allclose(best.logits(learner, IMAGES), expected, rtol=1e-6)
    np.testing.assert_array_equal(learner.logits(IMAGES), before)


def test_the_exported_classifier_agrees(learner, tmp_path):
    assert list(export(learner, tmp_path)) == ["classifier"]
    exported = tf.saved_model.load(str(tmp_path / "classifier"))
    classified = exported.classify(tf.constant(IMAGES))
    factor = max(1.0, learner.method.confidence.factor)
    np.testing.assert_allclose(classified["logits"], learner.logits(IMAGES), atol=1e-5 * factor)
    np.testing.assert_array_equal(classified["label"], learner.classify(IMAGES))


@pytest.mark.parametrize("step", [1, 3])  # of four
def test_it_resumes_in_the_middle_of_a_task(step):
    resuming.assert_resumes(icarl(), TASKS[:2], step=step)


def test_it_loads_and_goes_on(tmp_path):
    resuming.assert_loads(resuming.learned(icarl(), TASKS[:2]), tmp_path, TASKS[2])


def test_a_budget_of_less_than_an_exemplar_a_class_is_refused_before_anything_changes():
    learner = resuming.learned(icarl(budget=2, epochs=1), TASKS[:1])
    with pytest.raises(UserError, match="ICaRL.budget: expected at least one exemplar for each of 3 classes, got 2"):
        learner.learn(TASKS[1])
    assert learner.num_tasks == 1 and learner.logits(IMAGES).shape == (8, 2)


def test_an_exemplar_of_each_class_is_enough():
    icarl(budget=3).check_classes(3)


@pytest.mark.parametrize("bad", [{"budget": 0}, {"epochs": 0}, {"augmentation": 3}], ids=lambda bad: next(iter(bad)))
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"ICaRL.{next(iter(bad))}: expected"):
        ICaRL(**bad)


def test_the_student_learns_in_training_mode_with_its_statistics_and_the_teacher_answers_in_inference_mode():
    modes = []

    def network(images, **mode):
        modes.append(mode)
        return None, tf.zeros([len(images), 2])

    ICaRLRules(network).loss(network, np.zeros([3, 4, 4, 1], np.float32), tf.constant([0, 1, 1]))
    assert modes == [{"training": True, "update_statistics": True}, {"training": False}]
