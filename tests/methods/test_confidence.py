"""Confidence of classifiers with logits: temperature and limit of known classes, without test images, saved."""

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.export import export
from dgm_tf.learner import Learner
from dgm_tf.methods import confidence
from dgm_tf.methods.confidence import lowest_score, temperature_factor
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.exemplars import normalized_features
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import spaces, tiny
from tests.methods.test_dgm_forgetting import learned

IMAGES = tiny.task(0, range(4)).test.images


def drawn(factor, count=4000, classes=4):
    """Logits times a factor and labels that they are the right probabilities of without it."""
    rng = np.random.default_rng(0)
    logits = 2.0 * rng.normal(size=(count, classes))
    shares = scipy.special.softmax(logits, axis=1)
    labels = np.array([rng.choice(classes, p=row) for row in shares])
    return factor * logits, labels


@pytest.mark.parametrize("factor", [0.2, 1.0, 5.0])
def test_the_factor_undoes_what_makes_logits_too_sure_or_too_doubtful(factor):
    assert temperature_factor(*drawn(factor)) == pytest.approx(1.0 / factor, rel=0.15)


def test_the_limit_leaves_out_the_share_with_each_class_weighing_the_same():
    scores, labels = np.arange(1000.0), np.array([0] * 900 + [1] * 100)
    limit = lowest_score(scores, labels)
    assert np.mean([np.mean(scores[labels == label] < limit) for label in (0, 1)]) == pytest.approx(0.05, abs=0.002)


def test_the_factor_of_one_class_is_one():
    assert temperature_factor(np.arange(20.0)[:, None], np.zeros(20, int)) == 1.0


def settings(name):
    return {
        "dgm": lambda: tiny.dgm("weights", ClassifierSettings("none", closing_epochs=1)),
        "icarl": lambda: ICaRL(tiny.Discriminator, epochs=1, batch_size=8, budget=12),
        "joint": lambda: JointTraining(tiny.Discriminator, epochs=1, batch_size=8),
        "ewc": lambda: EWC(tiny.Discriminator, epochs=1, batch_size=8, samples_per_class=3),
        "space": lambda: FeatureSpace(ICaRL(MLPDiscriminator, epochs=1, batch_size=8, budget=12), spaces.Projections()),
    }[name]()


@pytest.mark.parametrize("name", ["dgm", "icarl", "joint", "ewc", "space"])
def test_methods_with_images_of_all_classes_tell_and_go_on_telling_when_loaded(name, tmp_path):
    learner = learned(settings(name), ((0, 1), (2,)))
    known, logits = learner.known(IMAGES), learner.logits(IMAGES)
    assert known.score.dtype == np.float32 and np.array_equal(known.known, known.score >= 0)
    learner.save(tmp_path / "memory")
    loaded = dgm_tf.load(tmp_path / "memory")
    np.testing.assert_array_equal(loaded.logits(IMAGES), logits)
    np.testing.assert_array_equal(loaded.known(IMAGES).score, known.score)
    export(learner, tmp_path / "export")
    exported = tf.saved_model.load(tmp_path / "export" / "classifier")
    answers = exported.classify(IMAGES)
    np.testing.assert_allclose(answers["logits"], logits, atol=1e-5 * max(1.0, _confidence(learner).factor))
    np.testing.assert_allclose(answers["score"], known.score, atol=1e-4)


def _confidence(learner):
    method = learner.method
    return (method.method if isinstance(method, FeatureSpace) else method).confidence


def test_logits_have_the_temperature_that_is_told():
    learner = Learner(settings("icarl"))
    outcome = learner.learn(tiny.task(0, (0, 1)))
    found, before = learner.method.confidence, learner.logits(IMAGES)
    assert outcome["temperature"] == pytest.approx(1.0 / found.factor)
    learner.method.confidence = None
    raw = learner.logits(IMAGES)
    np.testing.assert_allclose(before * outcome["temperature"], raw, rtol=1e-5)
    learner.method.confidence = found
    features = normalized_features(learner.method.networks.classifier, IMAGES)
    nearest = np.max(features @ found.means.T, axis=1)
    np.testing.assert_allclose(learner.known(IMAGES).score, nearest - found.limit, atol=1e-5)


@pytest.mark.parametrize("shift", [0.0, 0.3])
def test_the_limit_is_the_lower_one_of_replay_and_validation_images(shift, monkeypatch):
    learner, task = learned(settings("dgm"), ((0, 1),)), tiny.task(1, (2,))
    asked = []
    original = confidence.normalized_features

    def features(network, images):
        asked.append(images)
        found = original(network, images)
        return found - shift if len(asked) == 2 else found

    monkeypatch.setattr(confidence, "normalized_features", features)
    monkeypatch.setattr(DGM, "phases", lambda method, context: [])
    learner.learn(task)
    method = learner.method
    assert len(asked) == 2 and len(asked[0]) == 3 * confidence.MOST
    np.testing.assert_array_equal(asked[1], task.validation.images)
    labels = [np.repeat(range(3), confidence.MOST), task.validation.labels]
    scores = [np.max(original(method.networks.classifier, images) @ method.confidence.means.T, 1) for images in asked]
    if shift:
        scores[1] = np.max((original(method.networks.classifier, asked[1]) - shift) @ method.confidence.means.T, 1)
    limits = [lowest_score(*part) for part in zip(scores, labels, strict=True)]
    assert method.confidence.limit == pytest.approx(min(limits), abs=1e-6)


def test_the_limit_is_found_anew_when_a_class_is_forgotten():
    learner = learned(settings("dgm"))
    before = learner.method.confidence
    learner.forget(["class 2"])
    assert learner.method.tells_known and learner.method.confidence != before
    assert np.isfinite(learner.known(IMAGES).score).all()


@pytest.mark.parametrize("name", ["fine_tuning", "ewc", "dgr"])
def test_methods_without_images_of_earlier_classes_do_not_tell(name):
    method = {
        "fine_tuning": lambda: FineTuning(tiny.Discriminator, epochs=1, batch_size=8),
        "ewc": lambda: EWC(tiny.Discriminator, epochs=1, batch_size=8, samples_per_class=0),
        "dgr": tiny.dgr,
    }[name]()
    assert not method.calibrates
    if name == "fine_tuning":
        learner = learned(method, ((0, 1),))
        with pytest.raises(UserError, match="known: expected a method that tells known from unknown images"):
            learner.known(IMAGES)


def test_the_memory_of_an_earlier_version_does_not_tell_and_answers_as_it_did(tmp_path):
    learner = learned(settings("icarl"), ((0, 1),))
    learner.method.confidence = None
    logits = learner.logits(IMAGES)
    learner.save(tmp_path)
    loaded = dgm_tf.load(tmp_path)
    assert not loaded.method.tells_known
    np.testing.assert_array_equal(loaded.logits(IMAGES), logits)


def test_while_a_task_is_learned_nothing_is_told():
    learner = learned(settings("dgm"), ((0, 1),))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DGM, "phases", lambda method, context: told.append(method.tells_known) or [])
        told = []
        learner.learn(tiny.task(1, (2,)))
    assert told == [False] and learner.method.tells_known


@pytest.mark.parametrize("bad", [(0.0, 0.5), (-1.0, 0.5), (np.nan, 0.5), (np.inf, 0.5), (1.0, np.nan)])
def test_a_confidence_that_none_can_have_is_refused(bad):
    arrays = {"confidence": np.array(bad), "confidence_means": np.ones((2, 3), np.float32)}
    with pytest.raises(UserError, match="confidence: expected a factor above 0, a limit and directions, all finite"):
        DGM().restore_arrays(arrays)
