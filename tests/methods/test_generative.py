"""What DGM, EWC-M, MeRGAN and DGR share: whose images are replayed, how many, and from which seed."""

import dataclasses

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.training import classifier
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import tiny

CLASSES = ((0, 1), (2,), (3,))
METHODS = {"dgm": tiny.dgm, **tiny.SHARED}
BESIDE = ClassifierSettings("constant", closing_epochs=1)
CLOSING = ClassifierSettings("none", closing_epochs=1, generated_current=0.0)


def context(index, seed=0):
    return TaskContext(tiny.task(index, CLASSES[index], 8), CLASSES[: index + 1], (32, 32, 1), seed)


def at_task(method, index=1):
    """The method about to learn a task, its generator as training may leave it."""
    for t in range(index + 1):
        method.begin_task(context(t))
        tiny.randomize(method.networks.student or method.networks.generator, seed=t)
        if t < index:
            method.end_task(context(t))
    return method


def replay_sets(method, *contexts):
    """The images replayed for each context, all groups together."""
    return [np.concatenate([images for images, _ in tiny.replayed(method, each)]) for each in contexts]


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    settings = {"settings": BESIDE} if request.param == "ewc_m" else {}
    return at_task(METHODS[request.param](**settings))


def test_what_is_replayed_for_training_follows_from_the_runs_seed_and_the_task(method):
    same, again, other_seed = replay_sets(method, context(1), context(1), context(1, seed=1))
    np.testing.assert_array_equal(same, again)
    assert same.shape == other_seed.shape and np.abs(same - other_seed).max() > 1e-3
    later = dataclasses.replace(context(1), task=dataclasses.replace(context(1).task, index=2))
    (other_task,) = replay_sets(method, later)
    assert not np.array_equal(same[: len(other_task)], other_task[: len(same)])


def test_a_class_has_as_many_replayed_images_as_a_present_one_or_the_least_number():
    for least, count in ((0, 8), (5, 8), (30, 30)):
        method = tiny.mergan("joint_replay", settings=ClassifierSettings("constant", min_replay_per_class=least))
        at_task(method)
        assert method.replay_count(context(1)) == count
        for images, labels in tiny.replayed(method, context(1)):
            np.testing.assert_array_equal(labels, np.repeat([0, 1], count))
            assert images.shape == (2 * count, 32, 32, 1) and labels.dtype == np.int32


def test_the_closing_images_are_each_current_image_once_in_an_order_of_the_seed():
    method = at_task(tiny.dgm(classifier=CLOSING), 0)
    task = tiny.task(0, (0, 1), 8)
    orders = []
    for seed in (0, 0, 1):
        images, labels = tiny.current(method, context(0, seed), phase=-1)
        rows = [np.abs(image - task.train.images / 127.5 + 1.0).max(axis=(1, 2, 3)).argmin() for image in images]
        np.testing.assert_array_equal(labels, task.train.labels[rows])
        assert sorted(rows) == list(range(16))
        orders.append(rows)
    assert orders[0] == orders[1] != orders[2] and orders[0] != sorted(orders[0])


def test_of_the_closing_images_a_share_is_generated_by_the_generator_as_it_now_is():
    settings = ClassifierSettings("none", closing_epochs=1, generated_current=0.25, quantize_replay=True)
    method = at_task(tiny.ewc_m(settings=settings))
    images, labels = tiny.current(method, context(1), phase=-1)
    assert len(images) == 8 and set(labels) == {2}
    student = GeneratorMemory(method.networks.student, CLASSES[:2])
    expected = student.replay(labels[6:], context(1).task_seed)
    np.testing.assert_allclose(images[6:], expected, atol=0.5 / 127.5 + 1e-6)
    real = context(1).task.train.images / 127.5 - 1.0
    found = [any(np.allclose(image, other, atol=1e-6) for other in real) for image in images]
    assert found == [True] * 6 + [False] * 2


@pytest.mark.parametrize(("schedule", "groups"), [("none", 0), ("constant", 1), ("balanced", 1)])
def test_beside_the_gan_earlier_classes_are_replayed_only_where_the_classifier_learns_there(schedule, groups):
    method = at_task(tiny.dgm(classifier=ClassifierSettings(schedule, closing_epochs=1)))
    assert len(tiny.replayed(method, context(1))) == groups
    np.testing.assert_array_equal(tiny.current(method, context(1))[1], np.full(8, 2))


def test_the_closing_phase_has_the_settings_of_the_classifier(monkeypatch):
    decays = []
    monkeypatch.setattr(classifier, "decaying", lambda *given: decays.append(given) or given[0])
    settings = ClassifierSettings("none", closing_epochs=5, learning_rate=0.125, learning_rate_decay=0.5)
    method = at_task(tiny.dgm(classifier=settings))
    phase = method.phases(context(1))[1]()
    # 8 images of each of two earlier classes and 8 of the present one, in batches of 8.
    assert (phase.epochs, phase.batches, phase.name) == (5, 3, "classifier")
    assert decays == [(0.125, 0.5, 15)]  # rate, share of the updates over which it falls, updates


def test_each_label_gets_an_image_of_its_task_whatever_the_others(method):
    images = method.replay([0, 1, 0], seed=4)
    assert images.shape == (3, 32, 32, 1) and images.dtype == np.float32 and np.any(images[0] != images[2])
    np.testing.assert_array_equal(method.replay([], seed=4), np.zeros((0, 32, 32, 1)))
    np.testing.assert_array_equal(method.replay([0, 1]), method.replay([0, 1], seed=0))


@pytest.mark.parametrize("name", METHODS)
def test_a_batch_that_replicas_cannot_share_is_refused_before_anything_is_made(name, monkeypatch):
    monkeypatch.setattr(classifier, "replica_count", lambda: 2)
    gan = dataclasses.replace(tiny.GAN, batch_size=7, auxiliary_loss=name.startswith("mergan"))
    strategy = {"mergan_jtr": "joint_replay", "mergan_ra": "replay_alignment"}.get(name)
    method = tiny.mergan(strategy, gan=gan) if strategy else METHODS[name](gan=gan)
    with pytest.raises(UserError, match="batch_size: expected a multiple of the 2 replicas, got 7"):
        method.begin_task(context(0))
    assert not method.networks.by_name()
