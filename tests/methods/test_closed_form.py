"""ClosedForm and its feature space: order does not matter, nothing but statistics is kept, and all of it survives."""

import tracemalloc

import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf import limits
from dgm_tf.data.arrays import Split
from dgm_tf.data.task import Task
from dgm_tf.errors import UserError
from dgm_tf.export import export
from dgm_tf.keeps import Keeps
from dgm_tf.learner import Learner
from dgm_tf.methods.closed_form import ClosedForm
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.methods.synaptic_intelligence import SynapticIntelligence
from dgm_tf.networks.linear import LinearClassifier
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import spaces, tiny

IMAGES = tiny.task(0, range(5)).test.images
HEADS = ("lda", "ridge", "nearest_mean")


def task(index, classes):
    """A task whose classes have the same images however they are grouped."""
    alone = [tiny.task(index, (c,)) for c in classes]
    parts = {}
    for name in ("train", "validation", "test"):
        splits = [getattr(one, name) for one in alone]
        parts[name] = Split(*(np.concatenate([getattr(s, of) for s in splits]) for of in ("images", "labels")))
    return Task(index, tuple(classes), tuple(f"class {c}" for c in classes), **parts)


def learned(method, *groups):
    """A learner of tasks of these classes."""
    learner = Learner(method)
    for index, classes in enumerate(groups):
        learner.learn(task(index, classes))
    return learner


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("head", HEADS)
def test_tasks_of_any_size_end_with_the_same_classifier(head, mirrored):
    """End to end in float32, within 1e-4."""
    one = learned(spaces.closed_form(mirrored, head=head), (0,), (1,), (2,), (3,), (4,))
    several = learned(spaces.closed_form(mirrored, head=head), (0,), (1, 2, 3), (4,))
    np.testing.assert_allclose(one.logits(IMAGES), several.logits(IMAGES), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "settings",
    [{}, {"head": "ridge"}, {"per_class": False}, {"random_features": 9}, {"mirrored": True}, {"kept_as": "float32"}],
)
def test_a_saved_learner_goes_on_to_the_bit(settings, tmp_path):
    learner = learned(spaces.closed_form(**settings), (0, 1), (2,))
    learner.save(tmp_path)
    loaded = dgm_tf.load(tmp_path)
    assert np.array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))
    for each in (learner, loaded):
        each.learn(tiny.task(2, (3, 4)))
    assert np.array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))


def test_statistics_that_memory_does_not_hold_are_refused_before_they_are_read(tmp_path, monkeypatch):
    learned(spaces.closed_form(), (0, 1)).save(tmp_path)
    monkeypatch.setattr(limits, "free_memory", lambda: 500)
    with pytest.raises(UserError, match="at most 250 bytes are read"):
        dgm_tf.load(tmp_path)


def test_a_failed_task_leaves_no_trace(monkeypatch):
    learner = learned(spaces.closed_form(), (0, 1))
    before, kept = learner.logits(IMAGES), learner.method.arrays()
    with monkeypatch.context() as patched:
        patched.setattr("dgm_tf.methods.closed_form.temperature", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            learner.learn(tiny.task(1, (2,)))
    assert np.array_equal(learner.logits(IMAGES), before)
    assert all(np.array_equal(array, kept[name]) for name, array in learner.method.arrays().items())
    learner.learn(tiny.task(1, (2,)))
    assert np.array_equal(learner.logits(IMAGES), learned(spaces.closed_form(), (0, 1), (2,)).logits(IMAGES))


def test_features_are_still_kept_after_a_task_that_failed(tmp_path, monkeypatch):
    learner = Learner(spaces.closed_form())
    learner.method.keep_in(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr("dgm_tf.methods.closed_form.temperature", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            learner.learn(task(0, (0,)))
    before = len(list(tmp_path.iterdir()))
    learner.learn(task(0, (0,)))
    learner.logits(IMAGES)
    assert len(list(tmp_path.iterdir())) > before


def test_validation_images_are_learned_unless_they_are_to_be_held_out():
    counts = {
        held: learned(spaces.closed_form(learn_validation=not held), (0,)).method.arrays()["counts"]
        for held in (True, False)
    }
    assert (counts[True], counts[False]) == ([16], [20])  # of 16 training and 4 validation images


def test_mirrored_copies_are_learned_and_an_image_is_classified_as_its_mirror_image():
    learner = learned(spaces.closed_form(mirrored=True), (0, 1))
    assert learner.method.arrays()["counts"].tolist() == [40, 40]
    np.testing.assert_allclose(learner.logits(IMAGES[:, :, ::-1]), learner.logits(IMAGES), rtol=1e-5, atol=1e-5)


def test_what_is_kept_is_told_in_bytes():
    learner = learned(spaces.closed_form(num_features=6), (0, 1))
    per_class = 8 * 6 * 7 // 2  # a triangle in float64
    assert learner.method.memory_bytes() == {"class statistics": 2 * (per_class + 8 * 6 + 5 * 8)}
    half = learned(spaces.closed_form(num_features=6, kept_as="float32"), (0, 1))
    assert half.method.memory_bytes() == {"class statistics": 2 * (per_class // 2 + 4 * 6 + 5 * 8)}
    pairs = learned(spaces.closed_form(mirrored=True, num_features=6), (0, 1))
    assert pairs.method.memory_bytes() == {"class statistics": 2 * (per_class + (1 + 16) * 8 * 6 + 5 * 8)}
    assert learner.method.keeps is Keeps.STATISTICS


@pytest.mark.parametrize(
    ("method", "keeps"),
    [(FineTuning(), Keeps.WEIGHTS), (JointTraining(), Keeps.FEATURES), (ClosedForm(), Keeps.STATISTICS)],
)
def test_a_feature_space_keeps_features_where_its_method_keeps_images(method, keeps):
    assert FeatureSpace(method, spaces.Projections()).keeps is keeps
    assert JointTraining().keeps is Keeps.IMAGES


@pytest.mark.parametrize("method", [FineTuning, JointTraining, ICaRL, EWC, RWalk, SynapticIntelligence])
def test_other_methods_learn_in_a_feature_space_too(method, tmp_path):
    space = FeatureSpace(method(MLPDiscriminator, epochs=20, batch_size=8, learning_rate=0.01), spaces.Projections(16))
    learner = learned(space, (0, 1), (2,))
    seen = tiny.task(1, (2,)).test.images
    assert np.mean(learner.classify(seen) == 2) == 1.0
    learner.save(tmp_path)
    assert np.array_equal(dgm_tf.load(tmp_path).logits(seen), learner.logits(seen))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_export_classifies_images_as_the_learner_does(mirrored, tmp_path):
    learner = learned(spaces.closed_form(mirrored), (0, 1), (2,))
    export(learner, tmp_path)
    exported = tf.saved_model.load(str(tmp_path / "classifier"))
    np.testing.assert_allclose(exported.classify(IMAGES)["logits"], learner.logits(IMAGES), rtol=1e-4, atol=1e-4)


def test_floats_are_classified_as_the_images_of_8_bits_that_they_are():
    learner = learned(spaces.closed_form(), (0, 1))
    floats = IMAGES.astype(np.float32) / 127.5 - 1.0
    assert np.array_equal(learner.logits(floats), learner.logits(IMAGES))


def test_more_features_than_memory_are_refused_before_any_is_extracted(monkeypatch):
    monkeypatch.setattr(limits, "free_memory", lambda: 500)
    extracted = []
    monkeypatch.setattr("dgm_tf.features.extraction.Extraction.batch", lambda *_: extracted.append(1))
    with pytest.raises(UserError, match="use fewer features, or per_class = False"):
        learned(spaces.closed_form(num_features=6), (0,))
    assert not extracted


def test_more_classes_than_memory_are_refused_when_their_task_begins(monkeypatch):
    learner = learned(spaces.closed_form(num_features=6), (0,))
    before = learner.logits(IMAGES)
    monkeypatch.setattr(limits, "free_memory", lambda: 8 * 6**2 * 3)  # two and a half to learn with, half of one kept
    learner.learn(task(1, (1,)))
    with pytest.raises(UserError, match="use fewer features, or per_class = False"):
        learner.learn(task(2, (2, 3)))
    assert learner.num_tasks == 2 and learner.logits(IMAGES).shape[1] == 2 and before.shape[1] == 1


@pytest.mark.parametrize("head", ["ridge", "lda"])
def test_a_task_takes_less_than_three_gram_matrices(head):
    """What it goes back to included."""
    size = 800
    settings = {"regularization": 0.1, "per_class": False, "balanced": False, "false_alarms": None}
    learner, second = Learner(spaces.closed_form(head=head, random_features=size, **settings)), task(1, (1,))
    learner.learn(task(0, (0,)))
    tracemalloc.start()
    learner.learn(second)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2.9 * 8 * size**2


def test_statistics_that_were_given_out_never_change():
    """A failed task is undone by them, and a checkpoint written of them."""
    learner = learned(spaces.closed_form(per_class=False), (0, 1))
    given = learner.method.arrays()
    copies = {name: array.copy() for name, array in given.items()}
    learner.method.restore_arrays(given)
    assert given["gram/0000"] is learner.method.arrays()["gram/0000"], "it is no copy"
    learner.learn(task(1, (2,)))
    assert all(np.array_equal(given[name], copies[name]) for name in given)
    assert not np.array_equal(given["gram/0000"], learner.method.arrays()["gram/0000"])


def test_a_classifier_of_more_classes_than_were_learned_is_refused(tmp_path):
    learner = learned(spaces.closed_form(num_features=6), (0, 1))
    learner.method.networks.classifier = LinearClassifier((6,), 3)
    learner.save(tmp_path)
    with pytest.raises(UserError, match="expected num_classes 2, as of what was learned, got 3"):
        dgm_tf.load(tmp_path)


def test_other_random_features_than_the_classifiers_are_refused(tmp_path):
    learner = learned(spaces.closed_form(random_features=9), (0, 1))
    learner.method.networks.classifier = LinearClassifier((6,), 2)
    learner.save(tmp_path)
    with pytest.raises(UserError, match=r"random_features: expected 0, as its classifier has, got 9"):
        dgm_tf.load(tmp_path)


@pytest.mark.parametrize("count", [0, -1])
def test_counts_that_are_not_positive_are_refused(tmp_path, count):
    learner = learned(spaces.closed_form(), (0, 1))
    learner.method.method._statistics.counts[1] = count
    learner.save(tmp_path)
    with pytest.raises(UserError, match=f"expected counts of at least 1, got {count}"):
        dgm_tf.load(tmp_path)


def test_images_without_a_feature_space_are_refused():
    with pytest.raises(UserError, match="learn in a FeatureSpace"):
        learned(ClosedForm(), (0,))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"kept_as": "float16"}, "one of 'float64', 'float32'"),
        ({"head": "svm"}, "one of 'ridge', 'lda', 'nearest_mean'"),
        ({"regularization": 2.0}, r"a number .* \(0, 1\]"),
        ({"head": "ridge", "regularization": 0.0}, r"a number .* \(0, inf\)"),
        ({"head": "ridge", "per_class": False}, "per_class = True for a balanced ridge"),
        ({"random_features": -1}, "an integer"),
        ({"balanced": 1}, "True or False"),
        ({"per_class": "yes"}, "True or False"),
    ],
)
def test_settings_are_checked(settings, expected):
    with pytest.raises(UserError, match=expected):
        ClosedForm(**settings)


def test_a_feature_space_has_no_augmentation_and_no_second_space():
    with pytest.raises(UserError, match=r"augmentation = None.*mirrored = True"):
        FeatureSpace(FineTuning(augmentation=Augmentation()), spaces.Projections())
    with pytest.raises(UserError, match="got a FeatureSpace"):
        FeatureSpace(spaces.closed_form(), spaces.Projections())
    settings = ClassifierSettings(quantize_replay=True)
    with pytest.raises(UserError, match=r"FeatureSpace\.method: expected ClassifierSettings.quantize_replay = False"):
        FeatureSpace(tiny.dgm(classifier=settings), spaces.Projections())
    with pytest.raises(UserError, match=r"FeatureSpace\.features"):
        FeatureSpace(ClosedForm(), "pixels")
