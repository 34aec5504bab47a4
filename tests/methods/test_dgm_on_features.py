"""DGM among feature vectors: the invariant, the whole way from images to labels, and what is refused."""

import dataclasses

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import Diverged, UserError
from dgm_tf.export import export
from dgm_tf.keeps import Keeps
from dgm_tf.learner import Learner
from dgm_tf.methods.real_replay import RealReplay
from tests.methods import spaces, tiny

IMAGES = tiny.task(0, range(3)).test.images


def learned(method, count=3):
    learner = Learner(method)
    for index in range(count):
        learner.learn(tiny.task(index))
    return learner


@pytest.fixture(scope="module", params=["weights", "units"])
def learner(request):
    return learned(spaces.dgm(request.param))


def test_it_learns_classes_one_after_the_other_and_replays_all(learner):
    labels = np.repeat([0, 1, 2], 8)
    replayed = learner.method.replay(labels)
    assert replayed.shape == (24, 16) and replayed.dtype == np.float32
    assert np.mean(np.argmax(learner.method.replay_logits(replayed), axis=1) == labels) > 0.6
    assert np.mean(learner.classify(IMAGES) == tiny.task(0, range(3)).test.labels) > 0.6


def test_replay_of_earlier_tasks_stays_to_the_bit(learner):
    before = learner.method.replay([0, 1, 2, 0, 1], seed=3)
    copy = Learner.from_state(learner.description(), learner.arrays())
    np.testing.assert_array_equal(copy.method.replay([0, 1, 2, 0, 1], seed=3), before)
    outcome = copy.learn(tiny.task(3))
    np.testing.assert_array_equal(copy.method.replay([0, 1, 2, 0, 1], seed=3), before)
    assert outcome["replay_drift"] == 0.0 and copy.method.replay_is_frozen


def test_a_saved_learner_labels_images_as_before(learner, tmp_path):
    learner.save(tmp_path / "saved")
    np.testing.assert_array_equal(dgm_tf.load(tmp_path / "saved").logits(IMAGES), learner.logits(IMAGES))


def test_it_replays_no_images(learner, tmp_path):
    assert learner.method.replays and not learner.method.replays_images
    with pytest.raises(UserError, match="replay: expected a memory of images, got one of feature vectors"):
        learner.replay([0])
    assert set(export(learner, tmp_path / "export")) == {"classifier"}


def test_it_says_what_it_keeps():
    assert learned(spaces.dgm(), 1).method.keeps is Keeps.STATISTICS
    assert spaces.dgm(real=RealReplay(budget=20)).keeps is Keeps.FEATURES


def test_mirrored_copies_are_learned_and_classified_with():
    learner = learned(spaces.dgm(mirrored=True), 2)
    assert learner.logits(IMAGES[:, :, ::-1]) == pytest.approx(learner.logits(IMAGES), abs=1e-5)


def test_remedies_of_the_method_are_named_where_it_diverges():
    space = spaces.dgm()
    gan = dataclasses.replace(space.method.gan, generator_learning_rate=1e30, clip_norm=1e30)
    with pytest.raises(Diverged, match="generator_learning_rate"):
        learned(spaces.dgm(gan=gan), 1)
