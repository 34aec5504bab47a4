"""The best epoch: by which images it is chosen under each protocol, and that it comes back after a kill."""

import types

import keras
import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream
from dgm_tf.data.arrays import Arrays
from dgm_tf.measures.best_epoch import BestEpoch
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.training.pool import to_float

CLASSES = 3
PER_CLASS = 10
PHASE = types.SimpleNamespace(trains_classifier=True)


class Source:
    """Images of class c have the one value 50 (c + 1): a picture says where it comes from."""

    name = "shades"

    def load(self):
        labels = np.repeat(np.arange(CLASSES), PER_CLASS)
        images = (50 * (labels + 1)).astype(np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 1), np.uint8)
        return Arrays(images, labels, images, labels, ("a", "b", "c"))


class Method:
    """Classifies by nothing but a bias, replays images of value 7, remembers what it was asked for."""

    replays = True

    def __init__(self):
        self.classifier = keras.layers.Dense(CLASSES)
        self.classifier.build((None, 1))
        self.seen, self.seeds = [], []

    def choose(self, label):
        self.classifier.bias.assign(np.eye(CLASSES)[label])

    def logits(self, images):
        self.seen.append(images)
        return np.tile(np.asarray(self.classifier.bias), (len(images), 1))

    replay_logits = logits

    def replay(self, labels, seed):
        self.seeds.append(seed)
        return np.full((len(labels), 4, 4, 1), 7.0, np.float32)


def _learner():
    method = Method()
    return types.SimpleNamespace(method=method, logits=method.logits)


def _context(stream, index):
    task = stream.task(index)
    return types.SimpleNamespace(task=task, index=index, earlier_classes=list(range(index)), task_seed=100 + index)


@pytest.fixture
def make():
    """(best, learner, context) at the given task under the given settings."""

    def make_at(task, **settings):
        stream = ClassIncrementalStream(Source(), validation_fraction=0.4, image_size=4)
        best, learner = BestEpoch(stream, EvaluationSettings(**settings)), _learner()
        context = _context(stream, task)
        best.on_task_begin(learner, context)
        return best, learner, context

    return make_at


def _values(images):
    """The different images, by their one value, in 0..255."""
    return sorted({round(float(v + 1) * 127.5) for v in np.unique(images)})


def test_strict_chooses_by_the_current_tasks_images_and_replay_alone(make):
    best, learner, context = make(2, protocol="strict")
    best.on_epoch_end(learner, context, PHASE, 0)
    real, replayed = learner.method.seen
    assert _values(real) == [150] and _values(replayed) == [round(8 * 127.5)]


def test_strict_asks_for_replay_only_where_there_is_something_to_replay_and_who_replays_it(make):
    for task, replays in ((0, True), (2, False)):
        best, learner, context = make(task, protocol="strict")
        learner.method.replays = replays
        best.on_epoch_end(learner, context, PHASE, 0)
        assert learner.method.seeds == [] and _values(learner.method.seen[0]) == [50 * (task + 1)]


def test_strict_does_not_choose_by_the_images_that_are_replayed_for_training(make):
    best, learner, context = make(2, protocol="strict")
    best.on_epoch_end(learner, context, PHASE, 0)
    assert context.task_seed not in learner.method.seeds


def test_published_chooses_by_real_images_of_all_classes(make):
    best, learner, context = make(2, protocol="published")
    best.on_epoch_end(learner, context, PHASE, 0)
    (images,) = learner.method.seen
    assert _values(images) == [50, 100, 150]
    assert learner.method.seeds == []


def test_each_class_brings_at_most_so_many_images_and_counts_the_same(make):
    best, learner, context = make(2, protocol="strict", validation_per_class=2)
    learner.method.choose(2)
    best.on_epoch_end(learner, context, PHASE, 0)
    assert [len(images) for images in learner.method.seen] == [2, 4]
    assert best.accuracy == pytest.approx(1 / 3)


def test_without_validation_images_the_training_images_are_taken():
    stream = ClassIncrementalStream(Source(), validation_fraction=0, image_size=4)
    best, learner, context = BestEpoch(stream, EvaluationSettings()), _learner(), _context(stream, 0)
    best.on_epoch_end(learner, context, PHASE, 0)
    assert len(learner.method.seen[0]) == PER_CLASS


def test_the_first_of_the_best_epochs_is_kept_and_the_last_put_back(make):
    best, learner, context = make(0)
    for epoch, label in enumerate([1, 0, 0, 2]):
        learner.method.choose(label)
        learner.method.classifier.kernel.assign([[epoch] * CLASSES])
        best.on_epoch_end(learner, context, PHASE, epoch)
    assert best.history == [0.0, 1.0, 1.0, 0.0] and best.accuracy == 1.0
    kernel, _ = best.weights
    assert np.all(kernel == 1), "of epochs 1 and 2, which are equally good, the first"
    images = np.asarray(to_float(context.task.test.images))
    assert set(np.argmax(best.logits(learner, images), axis=1)) == {0}
    assert set(np.argmax(learner.logits(images), axis=1)) == {2}
    assert np.asarray(learner.method.classifier.kernel).max() == 3


def test_an_error_while_the_best_is_in_place_puts_the_last_back(make):
    best, learner, context = make(0)
    learner.method.choose(0)
    best.on_epoch_end(learner, context, PHASE, 0)
    learner.method.choose(1)

    def fail(images):
        raise MemoryError

    learner.logits = fail
    with pytest.raises(MemoryError):
        best.logits(learner, None)
    assert np.argmax(np.asarray(learner.method.classifier.bias)) == 1


def test_phases_that_do_not_train_the_classifier_are_not_measured(make):
    best, learner, context = make(0)
    best.on_epoch_end(learner, context, types.SimpleNamespace(trains_classifier=False), 0)
    assert best.history == [] and best.logits(learner, None) is None


def test_a_new_task_starts_anew(make):
    best, learner, context = make(0)
    best.on_epoch_end(learner, context, PHASE, 0)
    best.on_task_begin(learner, context)
    assert (best.accuracy, best.history, best.weights) == (None, [], None)


@pytest.mark.parametrize("labels", [[], [1], [0, 1]])
def test_what_is_saved_comes_back(make, labels):
    best, learner, context = make(0)
    for epoch, label in enumerate(labels):
        learner.method.choose(label)
        best.on_epoch_end(learner, context, PHASE, epoch)
    restored, _, _ = make(0)
    arrays = best.arrays() | {"generator/0000/kernel": np.zeros(3)}
    restored.restore(learner, dict(reversed(arrays.items())))
    assert (restored.accuracy, restored.history) == (best.accuracy, best.history)
    if labels:
        for new, old in zip(restored.weights, best.weights, strict=True):
            np.testing.assert_array_equal(new, old)
    else:
        assert restored.weights is None


@pytest.mark.parametrize("protocol", ["strict", "published"])
def test_without_validation_images_the_current_training_images_choose(protocol):
    stream = ClassIncrementalStream(Source(), validation_fraction=0, image_size=4)
    best, learner = BestEpoch(stream, EvaluationSettings(protocol)), _learner()
    stream.task(0)
    best.on_epoch_end(learner, _context(stream, 1), PHASE, 0)
    assert [_values(images) for images in learner.method.seen] == (
        [[100]] if protocol == "published" else [[100], [round(8 * 127.5)]]
    )
