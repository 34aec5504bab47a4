"""GAN-test and fidelity, of memories whose images are known."""

import types

import numpy as np
import pytest

from dgm_tf.measures import gan_test, gan_train
from dgm_tf.measures.fidelity import Fidelity
from dgm_tf.measures.settings import EvaluationSettings
from tests.measures import shades


@pytest.mark.parametrize(("lost", "share"), [(None, 1.0), (1, 1 - 1 / 6)])
def test_gan_test_is_the_share_that_the_judge_recognises(judge, lost, share):
    assert gan_test.gan_test(judge, shades.learner(lost=lost), shades.tests(), 20)[0] == pytest.approx(share, abs=0.02)


def test_real_images_are_spread_over_the_class_and_no_more_than_the_generated(judge, monkeypatch):
    seen = []
    monkeypatch.setattr(gan_test, "class_fidelity", lambda real, *_: seen.append(real[:, 0, 0, 0]) or {"recall": 1.0})
    images = np.arange(90, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 1), np.uint8)
    gan_test.gan_test(judge, shades.learner(), (images, np.repeat(np.arange(3), 30)), 4)
    assert [np.rint(127.5 * (1 + levels)).astype(int).tolist() for levels in seen][1] == [30, 39, 49, 59]
    seen.clear()
    gan_test.gan_test(judge, shades.learner(), (images, np.repeat(np.arange(3), 30)), 40)
    assert [len(levels) for levels in seen] == [30, 30, 30]


def test_generated_images_are_those_of_the_learners_seed(judge):
    learner = shades.learner()
    learner.seed = 6
    gan_test.gan_test(judge, learner, shades.tests(), 5)
    gan_train.gan_train_classifier(learner, EvaluationSettings(gan_train_epochs=1), 5, augmentation=None)
    assert learner.method.seeds == [6, 6]


def test_no_more_images_than_a_limit_are_compared(judge, monkeypatch):
    seen = []
    assert gan_test.COMPARED == 500
    monkeypatch.setattr(gan_test, "COMPARED", 12)
    monkeypatch.setattr(gan_test, "class_fidelity", lambda *sets: seen.append([len(s) for s in sets]) or {"recall": 1})
    share, _ = gan_test.gan_test(judge, shades.learner(), shades.tests(), 20)
    assert seen == [[12] * 4, [12] * 4, [4, 12, 4, 12]] and share == 1.0


def test_fidelity_is_told_for_each_class_that_has_test_images(judge):
    _, honest = gan_test.gan_test(judge, shades.learner(), shades.tests(), 20)
    _, half = gan_test.gan_test(judge, shades.learner(lost=1), shades.tests(), 20)
    assert honest.keys() == {"precision", "recall", "kernel_distance", "pixel_distance"}
    assert {values[2] for values in honest.values()} == {None}
    assert half["precision"][0] == honest["precision"][0] and half["precision"][1] <= 0.5 < honest["precision"][1]
    # Half of the middle grey's images are 0.9 too dark: the mean by 0.45, the deviation by 0.45 less the noise.
    assert honest["pixel_distance"][1] < 0.05 < half["pixel_distance"][1] == pytest.approx(0.6, abs=0.05)


def test_share_and_fidelity_are_two_parts_of_one_comparison():
    judged = types.SimpleNamespace(generated_beside_real=(0.75, {"recall": [1.0]}))
    assert gan_test.GANTest().after_task(judged) == 0.75 and Fidelity().after_task(judged) == {"recall": [1.0]}
    not_judged = types.SimpleNamespace(generated_beside_real=None)
    assert gan_test.GANTest().after_task(not_judged) is None and Fidelity().after_task(not_judged) is None


@pytest.mark.parametrize(("share", "warned"), [(0.5, True), (0.99, False)])
def test_a_first_task_whose_classes_are_mixed_up_is_warned_of(share, warned):
    learner = types.SimpleNamespace(class_names=["owl", "heron"])
    view = types.SimpleNamespace(task=0, learner=learner, task_classes=[(0, 1)])
    told = gan_test.GANTest().warning(share, view)
    assert (told is not None and told.startswith("task 1 (owl, heron): GAN-test is 50.0 %")) == warned
    view.task = 1
    assert gan_test.GANTest().warning(share, view) is None
