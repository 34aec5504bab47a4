"""GaussianReplay: what is drawn of a class, what is kept, and what is left when one is forgotten."""

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.learner import Learner
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.methods.gaussian_replay import GaussianReplay
from dgm_tf.networks.gaussians import ClassGaussians
from tests.methods import spaces, tiny

IMAGES = tiny.task(0, range(3)).test.images
LABELS = tiny.task(0, range(3)).test.labels


def new_method(mirrored=False):
    settings = {"epochs": 5, "batch_size": 8, "learning_rate": 0.01, "per_class": 40}
    return FeatureSpace(GaussianReplay(**settings), spaces.Projections(16), mirrored)


def learned(*groups):
    learner = Learner(new_method())
    for index, classes in enumerate(groups):
        learner.learn(tiny.task(index, classes))
    return learner


@pytest.fixture(scope="module")
def learner():
    return learned((0,), (1, 2))


def test_draws_have_the_mean_and_covariance_of_a_classs_vectors():
    rng = np.random.default_rng(0)
    vectors = (rng.normal(size=(300, 5)) @ rng.normal(size=(5, 5)) + 2.0).astype(np.float32)
    gaussians = ClassGaussians((5,), 2, 5)
    gaussians.fit(1, vectors)
    drawn = gaussians.draw(np.ones(30000, int), seed=3)
    np.testing.assert_allclose(drawn.mean(axis=0), vectors.mean(axis=0), atol=0.05)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(vectors.T), atol=0.15)
    assert not gaussians.draw([0], 3).any()


def test_few_components_leave_each_features_variance_as_it_is():
    vectors = np.random.default_rng(0).normal(size=(500, 5)) * [1.0, 2.0, 3.0, 4.0, 5.0]
    gaussians = ClassGaussians((5,), 1, 2)
    gaussians.fit(0, vectors)
    np.testing.assert_allclose(gaussians.draw(np.zeros(30000, int), 0).std(axis=0), vectors.std(axis=0), rtol=0.02)


@pytest.mark.parametrize("count", [1, 3])
def test_few_vectors_have_few_components(count):
    gaussians = ClassGaussians((5,), 1, 4)
    gaussians.fit(0, np.random.default_rng(0).normal(size=(count, 5)))
    assert np.linalg.matrix_rank(np.asarray(gaussians.axes)[0]) == count - 1
    assert np.isfinite(gaussians.draw([0, 0], 0)).all()


def test_it_learns_and_is_saved(learner, tmp_path):
    assert np.mean(learner.classify(IMAGES) == LABELS) > 0.8
    learner.save(tmp_path)
    copy = dgm_tf.load(tmp_path)
    np.testing.assert_array_equal(copy.logits(IMAGES), learner.logits(IMAGES))
    np.testing.assert_array_equal(copy.method.replay([0, 1, 2]), learner.method.replay([0, 1, 2]))


def test_it_says_what_it_keeps(learner):
    method = learner.method
    assert method.keeps is Keeps.STATISTICS and method.images_per_class().tolist() == [16, 16, 16]
    assert method.memory_bytes() == {"class statistics": 4 * 3 * (1 + 16 + 16 * 16 + 16)}
    assert method.replays and not method.replays_images and method.replay_is_frozen


def test_earlier_classes_are_drawn_to_the_bit_as_before(learner):
    before, copy = learner.method.replay([0, 2], seed=4), Learner.from_state(learner.description(), learner.arrays())
    copy.learn(tiny.task(2, (3,)))
    np.testing.assert_array_equal(copy.method.replay([0, 2], seed=4), before)


def test_a_forgotten_class_leaves_nothing(learner):
    copy = Learner.from_state(learner.description(), learner.arrays())
    of_2 = np.asarray(copy.method.networks.generator.means)[2]
    assert copy.forget(["class 1"]) == []
    np.testing.assert_array_equal(np.asarray(copy.method.networks.generator.means)[1], of_2)
    assert copy.class_names == ["class 0", "class 2"]
    kept = LABELS != 1
    assert np.mean(copy.classify(IMAGES[kept]) == (LABELS[kept] == 2)) > 0.8


def test_images_without_a_feature_space_are_refused():
    with pytest.raises(UserError, match="GaussianReplay: expected feature vectors, got images"):
        Learner(GaussianReplay()).learn(tiny.task(0))
