"""Forgetting on request: a class that is taken out has never been learned, and nobody else can take one out yet."""

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods import closed_form as module
from dgm_tf.methods.class_statistics import ClassStatistics
from dgm_tf.methods.closed_form import ClosedForm
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.linear_heads import HEADS, temperature
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.registry import register
from tests.methods import spaces, tiny
from tests.methods.test_closed_form import learned, task

IMAGES = tiny.task(0, range(5)).test.images
SETTINGS = [
    *({"head": head} for head in HEADS),
    {"head": "ridge", "balanced": False, "regularization": 0.1},
    {"random_features": 9},
    {"mirrored": True},
    {"kept_as": "float32"},
]


@register
class Fixed(spaces.Projections):
    """Projections that depend neither on the first task's images nor, in their rounding, on a batch's other images."""

    def extractor(self, images, seed):
        network = super().extractor(np.zeros((1, *images.shape[1:]), np.uint8), seed)
        network.batch_size = 1
        return network


def space(mirrored=False, **settings):
    return FeatureSpace(ClosedForm(**settings), Fixed(), mirrored)


def never(groups, gone):
    """(index, classes, their labels) of each task of a stream without some classes."""
    index, start = 0, 0
    for group in groups:
        kept = [c for c in group if c not in gone]
        if kept:
            yield index, kept, range(start, start + len(kept))
            index, start = index + 1, start + len(kept)


def learner_without(method, groups, gone):
    """A learner that never saw some classes."""
    learner = Learner(method)
    for index, kept, labels in never(groups, gone):
        old = task(index, kept)
        names = tuple(f"class {c}" for c in kept)
        parts = {}
        for part in ("train", "validation", "test"):
            split = getattr(old, part)
            move = dict(zip(kept, labels, strict=True))
            moved = np.array([move[label] for label in split.labels], np.int32)
            parts[part] = type(split)(split.images, moved)
        learner.learn(type(old)(index, tuple(labels), names, **parts))
    return learner


GROUPS = ((0, 1), (2,), (3, 4))


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.parametrize("gone", [(2,), (0,), (1, 4), (0, 1)])
def test_forgetting_gives_the_weights_of_never_having_learned(settings, gone):
    learner = learned(space(**settings), *GROUPS)
    learner.forget([f"class {c}" for c in gone])
    other = learner_without(space(**settings), GROUPS, gone)
    assert learner.class_names == other.class_names and learner.task_classes == other.task_classes
    assert learner.position == other.position
    ours, theirs = learner.arrays(), other.arrays()
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert np.array_equal(learner.logits(IMAGES), other.logits(IMAGES))


@pytest.mark.parametrize("head", HEADS)
def test_statistics_without_a_class_give_the_same_head_and_temperature(head):
    rng = np.random.default_rng(0)
    classes = [rng.normal(size=(n, 7)) + 3 * rng.normal(size=7) for n in (30, 50, 20, 45)]

    def of(chosen):
        statistics = ClassStatistics(7, True)
        for vectors in chosen:
            statistics.add(statistics.add_class(), vectors)
        return statistics

    without, never_had = of(classes), of([classes[0], classes[2]])
    without.remove([1, 3])
    found, expected = (HEADS[head](statistics) for statistics in (without, never_had))
    np.testing.assert_allclose(found.kernel, expected.kernel, rtol=1e-9)
    np.testing.assert_allclose(found.bias, expected.bias, rtol=1e-9)
    assert found.regularization == expected.regularization
    assert temperature(found, without) == pytest.approx(temperature(expected, never_had), rel=1e-9)


def test_nothing_of_the_class_is_in_the_arrays_and_it_can_be_learned_again(tmp_path):
    learner = learned(spaces.closed_form(), (0, 1), (2,))
    sums = learner.method.arrays()["sums"][1].copy()
    learner.forget(["class 1"])
    assert not np.isclose(learner.method.arrays()["sums"], sums).all(axis=1).any()
    learner.save(tmp_path)
    loaded = dgm_tf.load(tmp_path)
    assert loaded.class_names == ["class 0", "class 2"] and loaded.task_classes == [(0,), (1,)]
    assert np.array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))
    again = tiny.task(2, (2,))
    loaded.learn(type(again)(2, (2,), ("class 1",), again.train, again.validation, again.test))
    assert loaded.class_names == ["class 0", "class 2", "class 1"] and loaded.num_tasks == 3


@pytest.mark.parametrize("failing", ["LinearClassifier", "temperature"])
def test_a_failed_forget_leaves_the_learner_as_it_was(failing, monkeypatch):
    learner = learned(spaces.closed_form(random_features=9), (0, 1), (2,))
    before, arrays, names = learner.logits(IMAGES), learner.arrays(), list(learner.class_names)
    with monkeypatch.context() as patched:
        patched.setattr(module, failing, None)
        with pytest.raises(TypeError):
            learner.forget(["class 1"])
    assert learner.class_names == names and learner.task_classes == [(0, 1), (2,)] and learner.num_tasks == 2
    assert all(np.array_equal(array, arrays[name]) for name, array in learner.arrays().items())
    assert np.array_equal(learner.logits(IMAGES), before)
    learner.forget(["class 1"])
    assert learner.class_names == ["class 0", "class 2"]


def test_what_stays_is_said_of_the_first_task_alone():
    learner = learned(spaces.closed_form(), (0, 1), (2,), (3,))
    assert learner.forget(["class 2"]) == []
    (stays,) = learner.forget(["class 0"])
    assert "filters stay" in stays


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["fox"], "got 'fox'. Learned: class 0, class 1"),
        ([], r"got \[\]"),
        ("class 0", "a list of names"),
        ([3], "got 3"),
        (["class 0", "class 1"], "got all of them"),
    ],
)
def test_wrong_names_are_refused(names, expected):
    learner = learned(spaces.closed_form(), (0, 1))
    with pytest.raises(UserError, match=expected):
        learner.forget(names)
    assert learner.class_names == ["class 0", "class 1"]


def test_a_learner_of_nothing_forgets_nothing():
    with pytest.raises(UserError, match="at the end of a task"):
        Learner(spaces.closed_form()).forget(["fox"])


def test_a_common_gram_matrix_and_other_methods_are_refused():
    learner = learned(spaces.closed_form(per_class=False), (0, 1))
    with pytest.raises(UserError, match="one Gram matrix of all classes.*train again"):
        learner.forget(["class 1"])
    other = learned(FeatureSpace(FineTuning(MLPDiscriminator), spaces.Projections()), (0, 1))
    with pytest.raises(UserError, match="FineTuning cannot take a class out: all classes share its weights"):
        other.forget(["class 1"])
    assert len(learner.class_names) == len(other.class_names) == 2
    assert other.method.images_per_class() is None


@pytest.mark.parametrize("mirrored", [False, True])
def test_images_per_class_are_counted_without_copies(mirrored):
    learner = learned(spaces.closed_form(mirrored), (0, 1))
    own = task(0, (0, 1))
    expected = [sum(np.sum(split.labels == c) for split in (own.train, own.validation)) for c in (0, 1)]
    assert learner.method.images_per_class().tolist() == expected
