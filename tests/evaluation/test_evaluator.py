"""What is measured of a learner, on networks and memories whose answers are known."""

import types

import numpy as np
import pytest

from dgm_tf.benchmarks import ClassIncrementalBenchmark, PackagedMNIST
from dgm_tf.errors import UserError
from dgm_tf.evaluation import evaluator
from dgm_tf.evaluation.evaluator import EvaluationSettings
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.pool import to_float, to_uint8


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        EvaluationSettings().protocol = "published"


def test_an_unknown_protocol_is_refused():
    with pytest.raises(UserError, match="EvaluationSettings.protocol: expected one of 'strict', 'published'"):
        EvaluationSettings(protocol="lenient")


def test_accuracies_are_means_over_classes():
    # 4 images of class 0, all right; 1 of class 1, wrong; 1 of class 2, right.
    labels = np.array([0, 0, 0, 0, 1, 2])
    report = evaluator.accuracy_report(np.eye(3)[[0, 0, 0, 0, 2, 2]], labels, [(0,), (1, 2)])
    assert report["per_class"] == [1.0, 0.0, 1.0]
    assert report["tasks"] == [1.0, 0.5]
    assert report["average"] == pytest.approx(2 / 3)
    assert report["micro"] == pytest.approx(5 / 6)
    assert report["confusion"].tolist() == [[4, 0, 0], [0, 0, 1], [0, 0, 1]]
    assert report["top5_average"] is None


def test_what_needs_test_images_that_are_not_there_is_none():
    report = evaluator.accuracy_report(np.eye(3)[[1, 0, 2]], np.array([1, 1, 2]), [(0,), (1,), (2,)])
    assert report["per_class"] == report["tasks"] == [None, 0.5, 1.0]
    assert report["average"] is None and report["micro"] is None


def test_top_5_is_there_from_six_classes_on():
    labels = np.arange(6)
    logits = np.tile(-np.arange(6.0), (6, 1))  # class 5 comes last for every image
    assert evaluator.accuracy_report(logits, labels, [tuple(range(6))])["top5_average"] == pytest.approx(5 / 6)


def test_top_5_needs_test_images_of_every_class_too():
    labels = np.array([0, 1, 2, 3, 5])
    assert evaluator.accuracy_report(np.eye(6)[labels], labels, [tuple(range(6))])["top5_average"] is None


def test_top_5_of_five_classes_would_say_nothing():
    assert evaluator.accuracy_report(np.eye(5), np.arange(5), [tuple(range(5))])["top5_average"] is None


def test_the_test_images_are_those_of_all_tasks_seen_in_their_order():
    benchmark = ClassIncrementalBenchmark(PackagedMNIST(), classes_per_task=[1, 2, 1])
    images, labels = evaluator.seen_test_images(benchmark, 1)
    assert list(np.unique(labels)) == [0, 1, 2] and np.flatnonzero(labels == 0).max() < np.flatnonzero(labels).min()
    assert len(images) == sum(len(benchmark.test_split(t)) for t in (0, 1))


class Shades:
    """Remembers class c as images of one grey, with some noise; half of class `lost` looks like class 0."""

    def __init__(self, lost=None):
        self.lost, self.classifier = lost, DCGANDiscriminator(num_classes=1, filters=(4, 4, 4))
        self.seeds = []

    def networks(self):
        return {"discriminator": self.classifier}

    def replay(self, labels, seed):
        self.seeds.append(seed)
        greys = np.linspace(-0.9, 0.9, 3)[labels]
        if self.lost is not None:
            rows = np.flatnonzero(labels == self.lost)
            greys[rows[: len(rows) // 2]] = -0.9
        noise = np.random.default_rng(seed).normal(0, 0.05, (len(labels), 32, 32, 1))
        return (greys[:, None, None, None] + noise).astype(np.float32)


def _learner(**kwargs):
    return types.SimpleNamespace(method=Shades(**kwargs), class_names=["a", "b", "c"], seed=0)


@pytest.fixture(scope="module")
def judge():
    """A network that tells the greys apart."""
    learner = _learner()
    labels = np.repeat(np.arange(3, dtype=np.int32), 200)
    network = evaluator.fresh_classifier(learner, 3, "judge")
    return evaluator.train_classifier(network, [(learner.method.replay(labels, 1), labels)], 10, 0)


@pytest.mark.parametrize(("lost", "share"), [(None, 1.0), (1, 1 - 1 / 6)])
def test_gan_test_is_the_share_that_the_judge_recognises(judge, lost, share):
    assert evaluator.gan_test(judge, _learner(lost=lost), _tests(), 20)[0] == pytest.approx(share, abs=0.02)


def _tests():
    """uint8 test images of the first two greys, 30 each, and of the third too few to measure."""
    labels = np.repeat(np.arange(3), [30, 30, 4])
    return to_uint8(Shades().replay(labels, seed=2)), labels


def test_real_images_are_spread_over_the_class_and_no_more_than_the_generated(judge, monkeypatch):
    seen = []
    monkeypatch.setattr(evaluator, "class_fidelity", lambda real, *_: seen.append(real[:, 0, 0, 0]) or {"recall": 1.0})
    images = np.arange(90, dtype=np.uint8)[:, None, None, None] * np.ones((1, 32, 32, 1), np.uint8)
    evaluator.gan_test(judge, _learner(), (images, np.repeat(np.arange(3), 30)), 4)
    assert [np.rint(127.5 * (1 + levels)).astype(int).tolist() for levels in seen][1] == [30, 39, 49, 59]
    seen.clear()
    evaluator.gan_test(judge, _learner(), (images, np.repeat(np.arange(3), 30)), 40)
    assert [len(levels) for levels in seen] == [30, 30, 30]


def test_generated_images_are_those_of_the_learners_seed(judge):
    learner = _learner()
    learner.seed = 6
    evaluator.gan_test(judge, learner, _tests(), 5)
    evaluator.gan_train_classifier(learner, EvaluationSettings(gan_train_epochs=1), 5, augmentation=None)
    assert learner.method.seeds == [6, 6]


def test_no_more_images_than_a_limit_are_compared(judge, monkeypatch):
    seen = []
    assert evaluator.COMPARED == 500
    monkeypatch.setattr(evaluator, "COMPARED", 12)
    monkeypatch.setattr(evaluator, "class_fidelity", lambda *sets: seen.append([len(s) for s in sets]) or {"recall": 1})
    share, _ = evaluator.gan_test(judge, _learner(), _tests(), 20)
    assert seen == [[12] * 4, [12] * 4, [4, 12, 4, 12]] and share == 1.0


def test_accuracy_on_replay_is_told_by_class():
    class Learner:
        seed = 3

        def replay(self, labels, seed):
            assert seed == 3 and labels.tolist() == [1, 1, 1, 1, 4, 4, 4, 4]
            return np.array([1, 0, 1, 1, 4, 4, 1, 1])

        def classify(self, images):
            return images

    assert evaluator.replay_accuracies(Learner(), [1, 4], 4) == {1: 0.75, 4: 0.5}


def test_a_classifier_for_measuring_learns_in_batches_of_64_and_so_many_passes(monkeypatch):
    made = []

    class Phase(evaluator.ClassifierPhase):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            made.append((arguments[2:5], self.num_steps))

        def step(self, index):
            made.append(index)
            return super().step(index)

    monkeypatch.setattr(evaluator, "ClassifierPhase", Phase)
    images = Shades().replay(np.zeros(130, np.int32), 0)
    network = DCGANDiscriminator(num_classes=1, filters=(4, 4, 4))
    assert evaluator.train_classifier(network, [(images, np.zeros(130, np.int32))], 3, 0) is network
    assert made == [((3, 64, 1e-3), 6), *range(6)]


def test_fidelity_is_told_for_each_class_that_has_test_images(judge):
    _, honest = evaluator.gan_test(judge, _learner(), _tests(), 20)
    _, half = evaluator.gan_test(judge, _learner(lost=1), _tests(), 20)
    assert honest.keys() == {"precision", "recall", "kernel_distance", "pixel_distance"}
    assert {values[2] for values in honest.values()} == {None}
    assert half["precision"][0] == honest["precision"][0] and half["precision"][1] <= 0.5 < honest["precision"][1]
    # Half of the middle grey's images are 0.9 too dark: the mean by 0.45, the deviation by 0.45 less the noise.
    assert honest["pixel_distance"][1] < 0.05 < half["pixel_distance"][1] == pytest.approx(0.6, abs=0.05)


def test_gan_trains_classifier_learns_from_replay_alone():
    learner = _learner()
    before = [np.asarray(w).copy() for w in learner.method.classifier.weights]
    settings = EvaluationSettings(gan_train_epochs=8)
    network = evaluator.gan_train_classifier(learner, settings, 200, augmentation=None)
    labels = np.repeat(np.arange(3), 10)
    predicted = evaluator.predictions(network, learner.method.replay(labels, 5))
    assert np.mean(predicted == labels) > 0.9
    for new, old in zip(learner.method.classifier.weights, before, strict=True):
        np.testing.assert_array_equal(np.asarray(new), old)


def test_a_fresh_classifier_is_one_of_the_same_kind_and_a_function_of_seed_and_purpose():
    learner = _learner()
    networks = [evaluator.fresh_classifier(learner, 3, purpose) for purpose in ("joint", "joint", "gan train")]
    assert all(network.num_classes == 3 and list(network.filters) == [4, 4, 4] for network in networks)
    kernels = [np.asarray(network.logits.kernel) for network in networks]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert np.abs(kernels[0] - kernels[2]).max() > 0


def test_predictions_are_the_largest_logits(judge):
    images = np.asarray(to_float(np.full((3, 32, 32, 1), 128, np.uint8)))
    logits = np.asarray(judge(images, training=False)[1])
    np.testing.assert_array_equal(evaluator.predictions(judge, images), np.argmax(logits, axis=1))
