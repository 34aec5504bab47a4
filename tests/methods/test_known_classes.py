"""Known and unknown images: few false alarms, whoever is asked gives the same answer, and all of it survives."""

import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.export import export
from dgm_tf.learner import Learner
from dgm_tf.methods import known_classes
from dgm_tf.methods.class_statistics import ClassStatistics
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.known_classes import projection
from dgm_tf.methods.spreads import spreads
from tests.methods import spaces, tiny
from tests.methods.test_closed_form import IMAGES, learned

FEATURES = 30
OFFSETS = 4.0 * np.random.default_rng(1).normal(size=(4, FEATURES))


def vectors_of(label, count, seed):
    """Gaussian vectors of a class whose features vary more and less."""
    rng = np.random.default_rng([seed, label])
    return rng.normal(size=(count, FEATURES)) * np.linspace(0.2, 2.0, FEATURES) + OFFSETS[label]


def found(directions=None, false_alarms=0.05):
    """`KnownClasses` of classes 0 to 2, 60 vectors each."""
    kept = ClassStatistics(FEATURES, True)
    for label in range(3):
        vectors = vectors_of(kept.add_class(), 60, 0)
        kept.add(label, vectors)
        kept.spreads[label] = spreads(vectors, 1, known_classes.SPREAD_SHRINKAGES)
    kept = kept if directions is None else kept.projected(directions)
    return known_classes.known_classes(kept, false_alarms)


def distances(classes, vectors):
    apart = vectors[:, None] - classes.means
    return np.min(np.sum((apart @ classes.whitening) ** 2, axis=2) / np.linalg.norm(apart, axis=2), axis=1)


@pytest.mark.parametrize("false_alarms", [0.05, 0.2])
def test_new_vectors_of_known_classes_are_beyond_the_limit_as_often_as_it_is_set(false_alarms):
    """In the sample they would be far less often."""
    classes = found(false_alarms=false_alarms)
    new = np.concatenate([vectors_of(label, 500, 1) for label in range(3)])
    assert np.mean(distances(classes, new) > classes.limit) == pytest.approx(false_alarms, abs=0.04)
    assert np.mean(distances(classes, vectors_of(3, 200, 1)) > classes.limit) > 0.9


def test_a_projection_is_fixed_and_projected_statistics_are_those_of_projected_vectors(monkeypatch):
    monkeypatch.setattr(known_classes, "MOST_DIMENSIONS", 20)
    monkeypatch.setattr(known_classes, "PROJECTED_TO", 20)
    directions = projection(FEATURES)
    assert np.array_equal(directions, projection(FEATURES)) and projection(20) is None
    kept, direct, once = ClassStatistics(FEATURES, True), ClassStatistics(20, True), None
    for label in range(2):
        for each, matrix in ((kept, np.eye(FEATURES)), (direct, directions)):
            each.add(each.add_class(), vectors_of(label, 10, 0) @ matrix, views=2)
        once = kept.projected(directions, once)
    assert once.counts.tolist() == [10, 10] and once.images.tolist() == [5, 5]
    for name in ("sums", "sketches"):
        np.testing.assert_allclose(getattr(once, name), getattr(direct, name))
    for label in range(2):
        np.testing.assert_allclose(once.triangle(label), direct.triangle(label), atol=1e-9)


@pytest.mark.parametrize("few_dimensions", [False, True])
@pytest.mark.parametrize("mirrored", [False, True])
def test_learner_saved_learner_and_export_give_the_same_scores(mirrored, few_dimensions, tmp_path, monkeypatch):
    if few_dimensions:
        monkeypatch.setattr(known_classes, "MOST_DIMENSIONS", 4)
        monkeypatch.setattr(known_classes, "PROJECTED_TO", 4)
    learner = learned(spaces.closed_form(mirrored), (0, 1), (2,))
    known, score = learner.known(IMAGES)
    assert known.dtype == bool and score.dtype == np.float32 and np.array_equal(known, score >= 0)
    assert 0 < np.sum(known) < len(IMAGES), "images of classes 3 and 4 are among them"
    learner.save(tmp_path)
    assert np.array_equal(dgm_tf.load(tmp_path).known(IMAGES).score, score)
    export(learner, tmp_path / "export")
    exported = tf.saved_model.load(str(tmp_path / "export" / "classifier"))
    answers = exported.classify(IMAGES)
    np.testing.assert_allclose(answers["score"], score, atol=1e-3)
    assert np.array_equal(answers["known"], answers["score"] >= 0)
    assert answers["known"].dtype == tf.bool


def test_classes_are_unknown_until_they_are_learned():
    learner = learned(spaces.closed_form(), (0, 1))
    images = tiny.task(1, (2,)).test.images
    before = learner.known(images).known.mean()
    learner.learn(tiny.task(1, (2,)))
    assert before < 0.2 and learner.known(images).known.mean() > 0.8


def test_scores_do_not_depend_on_how_classes_are_grouped():
    one, other = (learned(spaces.closed_form(True), *groups) for groups in ([(0,), (1,), (2,)], [(0,), (1, 2)]))
    np.testing.assert_allclose(one.known(IMAGES).score, other.known(IMAGES).score, atol=1e-3)


def test_a_method_that_cannot_tell_says_so():
    for method in (FineTuning(discriminator=tiny.Discriminator), spaces.closed_form(false_alarms=None)):
        method.phases = (lambda context: []) if isinstance(method, FineTuning) else method.phases
        learner = learned(method, (0, 1))
        with pytest.raises(UserError, match="known: expected a method that tells known from unknown images"):
            learner.known(IMAGES)
    with pytest.raises(UserError, match="expected a learner that has learned a task"):
        Learner(spaces.closed_form()).known(IMAGES)
    with pytest.raises(UserError, match=r"false_alarms: expected a number in \(0, 1\)"):
        spaces.closed_form(false_alarms=1.0)


def test_a_memory_of_an_earlier_version_is_loaded_and_goes_on(tmp_path):
    """It has counts, sums and Gram matrices alone."""
    learner = learned(spaces.closed_form(false_alarms=None), (0, 1))
    description, arrays = learner.description(), learner.arrays()
    earlier = {key: a for key, a in arrays.items() if key.rpartition("/")[2] not in ("images", "spreads", "sketches")}
    assert len(earlier) == len(arrays) - 3
    loaded = Learner.from_state(description, earlier, spaces.closed_form())
    assert not loaded.method.tells_known
    assert np.array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))
    loaded.learn(tiny.task(1, (2,)))
    assert np.isfinite(loaded.known(IMAGES).score).all()
