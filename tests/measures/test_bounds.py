"""The bounds that stand beside a run: joint training above, fine-tuning below."""

import types

import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.disk import files
from dgm_tf.measures import bounds, images, training
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.pool import to_float

SETTINGS = EvaluationSettings(judge_epochs=4, fine_tuning_epochs=2)


def _stream(**settings):
    return ClassIncrementalStream(PackagedMNIST(), num_tasks=3, **settings)


def _learner(seed=0, filters=(8, 8, 8), adam="pytorch"):
    method = FineTuning(adam=adam)
    method.networks.classifier = DCGANDiscriminator(num_classes=1, filters=filters)
    return types.SimpleNamespace(method=method, seed=seed)


@pytest.fixture(scope="module")
def joint(tmp_path_factory):
    """(classifier, folder of the cache)."""
    folder = tmp_path_factory.mktemp("cache")
    return bounds.joint_classifier(_learner(), _stream(), SETTINGS, folder), folder


def test_joint_training_is_worth_calling_a_bound(joint):
    pictures, labels = images.seen_test_images(_stream(), 2)
    predicted = training.predictions(joint[0], np.asarray(to_float(pictures)))
    assert training.share_correct(predicted, labels) > 0.9


def test_it_is_trained_once_and_then_read(joint, monkeypatch):
    monkeypatch.setattr(bounds, "train_classifier", lambda *_, **__: pytest.fail("trained again"))
    again = bounds.joint_classifier(_learner(), _stream(), SETTINGS, joint[1])
    for new, old in zip(again.weights, joint[0].weights, strict=True):
        np.testing.assert_array_equal(np.asarray(new), np.asarray(old))


@pytest.mark.parametrize(
    "other",
    [
        {"stream": _stream(validation_fraction=0.5)},  # other training images, the same test images
        {"stream": _stream(class_order=[0, 1, 3])},
        {"stream": _stream(image_size=16)},
        {"learner": _learner(seed=1)},
        {"learner": _learner(filters=(4, 8, 8))},
        {"learner": _learner(adam="keras")},
        {"settings": EvaluationSettings(judge_epochs=5)},
    ],
    ids=["training images", "classes", "image size", "seed", "network", "adam", "epochs"],
)
def test_what_it_depends_on_is_never_taken_from_the_cache(joint, monkeypatch, other):
    arguments = {"learner": _learner(), "stream": _stream(), "settings": SETTINGS} | other
    if arguments["stream"].image_shape[0] != 32:
        network = DCGANDiscriminator((16, 16, 1), 1, (8, 8, 8))
        arguments["learner"].method.networks.classifier = network
    trained = []
    monkeypatch.setattr(bounds, "train_classifier", lambda *_, **__: trained.append(1))
    bounds.joint_classifier(**arguments, cache_dir=joint[1])
    assert trained


def test_the_learners_own_stream_is_left_where_it_is(joint):
    stream = _stream()
    stream.task(1)
    bounds.joint_classifier(_learner(), stream, SETTINGS, joint[1])
    assert stream.task(1).index == 1


def test_fine_tuning_forgets_all_but_the_last_task_and_is_done_once(tmp_path, monkeypatch):
    averages = bounds.fine_tuning_accuracies(_learner(), _stream(), SETTINGS, tmp_path)
    assert len(averages) == 3 and averages[0] == 1.0
    assert averages[2] < 0.6
    monkeypatch.setattr(bounds, "Learner", lambda *_: pytest.fail("trained again"))
    assert bounds.fine_tuning_accuracies(_learner(), _stream(), SETTINGS, tmp_path) == averages
    with pytest.raises(pytest.fail.Exception, match="trained again"):
        other = ClassIncrementalStream(PackagedMNIST(), classes_per_task=[1, 2])
        bounds.fine_tuning_accuracies(_learner(), other, SETTINGS, tmp_path)


class TestDamage:
    """What is damaged counts as not there: it is told in one line, made anew, and stands in its place."""

    @pytest.fixture
    def damaged(self, capfd):
        def check(made):
            told = capfd.readouterr().err
            assert told.count("\n") == 1 and told.startswith("warning: ") and told.endswith("; it is made again\n")
            assert made == [1]
            return told

        return check

    @pytest.mark.parametrize("kind", ["bit", "end", "another network's"])
    def test_the_joint_classifier(self, joint, tmp_path, monkeypatch, damaged, kind):
        kept = min(joint[1].glob("joint-*"), key=lambda path: path.stat().st_mtime_ns)  # others were made by tests
        path, data = tmp_path / kept.name, kept.read_bytes()
        if kind == "another network's":
            files.write_arrays(path, {"joint/0000": np.zeros(3, np.float32)})
        else:
            path.write_bytes(data[:5000] + bytes([data[5000] ^ 4]) + data[5001:] if kind == "bit" else data[:-100])
        made = []

        def train(network, *_, **__):
            made.append(1)
            for weight, value in zip(network.weights, joint[0].weights, strict=True):
                weight.assign(value)

        monkeypatch.setattr(bounds, "train_classifier", train)
        for _ in range(2):
            network = bounds.joint_classifier(_learner(), _stream(), SETTINGS, tmp_path)
            for new, old in zip(network.weights, joint[0].weights, strict=True):
                np.testing.assert_array_equal(np.asarray(new), np.asarray(old))
        assert f"{path} is damaged: " in damaged(made) and path.read_bytes() == data

    @pytest.mark.parametrize("content", ["x", "[1.0]", '{"format": 2}', '{"average_accuracy": 1}'])
    def test_fine_tuning(self, tmp_path, monkeypatch, damaged, content):
        made = []
        learner = types.SimpleNamespace(
            learn=lambda task: made.append(1) if not task.index else None,
            logits=lambda images: np.zeros([len(images), 3]), class_names=["a", "b", "c"],
        )  # fmt: skip
        monkeypatch.setattr(bounds, "Learner", lambda *_: learner)
        averages = bounds.fine_tuning_accuracies(_learner(), _stream(), SETTINGS, tmp_path)
        (path,) = tmp_path.glob("fine-tuning-*")
        whole = path.read_bytes()
        path.write_text(content)
        made.clear()
        for _ in range(2):
            assert bounds.fine_tuning_accuracies(_learner(), _stream(), SETTINGS, tmp_path) == averages
        assert f"{path} is damaged: " in damaged(made) and path.read_bytes() == whole

    def test_figures_of_before_they_were_signed_are_read(self, tmp_path, monkeypatch, capfd):
        monkeypatch.setattr(bounds, "_fingerprint", lambda *_: "x")
        (tmp_path / "fine-tuning-x.json").write_text("[1.0, 0.5, 0.3]")
        assert bounds.fine_tuning_accuracies(_learner(), _stream(), SETTINGS, tmp_path) == [1.0, 0.5, 0.3]
        assert capfd.readouterr().err == ""


def test_share_correct_is_a_mean_over_classes():
    assert training.share_correct(np.array([0, 0, 0, 1]), np.array([0, 0, 0, 2])) == 0.5
