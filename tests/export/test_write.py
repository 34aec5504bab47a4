"""Exported SavedModels do what the learner does, in a process that knows nothing of dgm_tf."""

import itertools
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import scipy.special
import tensorflow as tf

from dgm_tf.cli import export as export_command
from dgm_tf.data.arrays import Split
from dgm_tf.data.stream import Task
from dgm_tf.disk import lock
from dgm_tf.errors import Diverged, UserError, told
from dgm_tf.export import export
from dgm_tf.export import write as writing
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.networks.task_generator import conditional_latents
from dgm_tf.registry import register
from tests.in_process import give
from tests.limited_files import files_of_at_most

CLASS_NAMES = ["seven", "T-shirt/top", "drei"]
TASKS = [(0,), (1, 2)]

# What a person without dgm_tf can do: run with the export folder and an .npz of inputs.
WITHOUT_DGM_TF = """
import json, pathlib, sys
sys.modules["dgm_tf"] = None  # from here on, importing it fails
import numpy as np, tensorflow as tf
folder, inputs = sys.argv[1], np.load(sys.argv[2])
generator = tf.saved_model.load(folder + "/generator")
classifier = tf.saved_model.load(folder + "/classifier")
labels, z, seed = (tf.constant(inputs[k]) for k in ("labels", "z", "seed"))
signatures = {**generator.signatures, **classifier.signatures}
classified = signatures["classify"](images=tf.constant(inputs["images"]))
results = {
    "generated": signatures["generate"](labels=labels, z=z)["images"],
    "sampled": signatures["sample"](labels=labels, seed=seed)["images"],
    "sampled_again": generator.sample(labels=list(inputs["labels"]), seed=list(inputs["seed"])),
    "sampled_otherwise": generator.sample(labels, seed + 1),
    "logits": classified["logits"],
    "label": classified["label"],
    "probabilities": classified["probabilities"],
}
np.savez(sys.argv[3], **{k: v.numpy() for k, v in results.items()})
print(json.dumps([pathlib.Path(m.classes.asset_path.numpy().decode()).read_text() for m in (generator, classifier)]))
"""


@register
class SmallUnitsGenerator(DCGANGenerator):
    """DGMa's, small."""

    def __init__(self, image_shape=(32, 32, 1), plasticity="units", filters=3, **kwargs):
        super().__init__(image_shape, plasticity, filters, **kwargs)


def randomize(method):
    """Gives every weight that is trained, and the moving averages, a value as training might."""
    rng = np.random.default_rng(0)
    for name, network in method.networks.by_name().items():
        for variable in network.trainable_variables:
            variable.assign(rng.normal(0.05, 0.3 if name == "generator" else 0.05, variable.shape))
        for norm in getattr(network, "norms", ()):
            norm.moving_mean.assign(rng.normal(0, 0.2, norm.moving_mean.shape))
            norm.moving_variance.assign(rng.uniform(0.5, 2, norm.moving_variance.shape))
    return []  # no phases


def learn_random_tasks(method, tasks=TASKS):
    """A learner that went through the tasks without training, its weights random."""
    method.phases = lambda context: randomize(method)
    learner = Learner(method)
    for index, classes in enumerate(tasks):
        split = Split(np.zeros((len(classes), 32, 32, 1), np.uint8), np.array(classes, np.int32))
        learner.learn(Task(index, classes, tuple(CLASS_NAMES[c] for c in classes), split, split, split))
    return learner


@pytest.fixture(scope="module", params=[DCGANGenerator, SmallUnitsGenerator])
def exported(request, tmp_path_factory):
    """(learner, export folder, what `export` returned)."""
    learner = learn_random_tasks(DGM(generator=request.param))
    folder = tmp_path_factory.mktemp("run") / "export"
    return learner, folder, export(learner, folder)


@pytest.fixture(scope="module")
def generator(exported):
    """The exported generator, loaded."""
    return tf.saved_model.load(str(exported[1] / "generator"))


@pytest.fixture(scope="module")
def classifier(exported):
    """The exported classifier, loaded."""
    return tf.saved_model.load(str(exported[1] / "classifier"))


def generated(learner, labels, z):
    """What the learner's own generator makes of each row, task by task."""
    images = np.zeros((len(labels), 32, 32, 1), np.float32)
    for task, classes in enumerate(learner.task_classes):
        rows = np.isin(labels, classes)
        latents = conditional_latents(z[rows], labels[rows], learner.method.memory.classes_up_to(task))
        images[rows] = learner.method.memory.generate(task, latents)
    return images


def test_both_load_without_dgm_tf_and_agree_with_the_learner(exported, tmp_path):
    learner, folder, _ = exported
    rng = np.random.default_rng(1)
    inputs = {
        "labels": np.array([2, 0, 1, 0, 2, 2, 1], np.int32),
        "z": rng.normal(size=(7, 128)).astype(np.float32),
        "seed": np.array([5, 6], np.int32),
        "images": rng.integers(0, 256, (9, 32, 32, 1)).astype(np.uint8),
    }
    np.savez(tmp_path / "inputs.npz", **inputs)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    files = [str(folder), str(tmp_path / "inputs.npz"), str(tmp_path / "results.npz")]
    command = [sys.executable, "-P", "-c", WITHOUT_DGM_TF, *files]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr

    assert [json.loads(text) for text in json.loads(done.stdout)] == [CLASS_NAMES, CLASS_NAMES]
    results = np.load(tmp_path / "results.npz")
    wanted = generated(learner, inputs["labels"], inputs["z"])
    assert wanted.std() > 0.05  # not a constant that everything agrees with
    np.testing.assert_allclose(results["generated"], wanted, atol=1e-6, rtol=0)
    np.testing.assert_array_equal(results["sampled"], results["sampled_again"])
    assert np.abs(results["sampled"] - results["sampled_otherwise"]).max() > 0.05
    np.testing.assert_allclose(results["logits"], learner.logits(inputs["images"]), atol=1e-4)
    shares = scipy.special.softmax(learner.logits(inputs["images"]).astype(np.float64), axis=1)
    np.testing.assert_allclose(results["probabilities"], shares, atol=1e-5)
    np.testing.assert_array_equal(results["label"], learner.classify(inputs["images"]))
    assert results["label"].dtype == np.int32


def test_samples_are_images_in_range_whatever_the_labels(generator):
    for labels in ([], [0], [1, 1], [2, 0, 2]):
        images = generator.sample(tf.constant(labels, tf.int32), [0, 0])
        assert images.shape == (len(labels), 32, 32, 1) and images.dtype == tf.float32
        assert np.all(np.abs(images) <= 1)


@pytest.mark.parametrize("wrong", [3, -1])
def test_unknown_label_is_refused_by_name(generator, wrong):
    message = rf"labels: expected values from 0 to 2, got\] \[{wrong}\]"
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        generator.sample([0, wrong], [0, 0])
    with pytest.raises(tf.errors.InvalidArgumentError, match=message):
        generator.signatures["generate"](labels=tf.constant([wrong]), z=tf.zeros([1, 128]))


def test_as_many_latents_as_labels(generator):
    with pytest.raises(tf.errors.InvalidArgumentError, match="z: expected one row for each label"):
        generator.generate([0, 1], tf.zeros([3, 128]))


@pytest.mark.parametrize("wrong", [np.nan, -np.inf])
def test_latents_that_are_not_finite_are_refused(generator, wrong):
    z = np.zeros((2, 128), np.float32)
    z[1, 5] = wrong
    for generate in (generator.generate, lambda labels, z: generator.signatures["generate"](labels=labels, z=z)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="z: expected finite values, got NaN or infinity"):
            generate(tf.constant([0, 1]), tf.constant(z))


@pytest.mark.parametrize("kind", ["float32", "float64", "float16", "int64", "bool"])
def test_classifier_refuses_images_of_another_type_by_its_name(classifier, kind):
    levels = np.full((2, 32, 32, 1), 0.7).astype(kind)
    for images in (levels, tf.constant(levels)):
        with pytest.raises((TypeError, ValueError), match=rf"(?s)dtype={kind}.*dtype=tf.uint8"):
            classifier.classify(images)
    if kind != "int64":
        with pytest.raises((TypeError, tf.errors.InvalidArgumentError), match="expected to be a uint8 tensor but is a"):
            classifier.signatures["classify"](images=tf.constant(levels))


@pytest.mark.parametrize("shape", [(1, 28, 28, 1), (32, 32, 1), (2, 32, 32)])
def test_classifier_refuses_images_of_another_shape(classifier, shape):
    with pytest.raises((TypeError, ValueError), match=r"32, 32, 1\)"):
        classifier.classify(np.zeros(shape, np.uint8))


def test_no_images_have_no_labels(classifier):
    none = np.zeros((0, 32, 32, 1), np.uint8)
    for classified in (classifier.classify(none), classifier.signatures["classify"](images=tf.constant(none))):
        assert classified["logits"].shape == (0, 3) and classified["label"].shape == (0,)


def test_batches_of_all_sizes_are_classified_alike(classifier):
    images = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 1)).astype(np.uint8)
    all_of_them = classifier.classify(images)["logits"].numpy()
    for count in (1, 2, 4):
        some = classifier.classify(images=images[:count])["logits"].numpy()
        np.testing.assert_allclose(some, all_of_them[:count], rtol=1e-5)


def test_sizes_are_those_on_disk_and_nothing_is_there_twice(exported):
    learner, folder, sizes = exported
    assert sizes == {
        name: sum(f.stat().st_size for f in (folder / name).rglob("*") if f.is_file())
        for name in ("generator", "classifier")
    }
    parameters = sum(learner.method.networks.generator.plain(task).count_params() for task in range(2))
    assert sizes["generator"] < 4 * parameters + 300_000
    assert sizes["classifier"] < 4 * learner.method.classifier.count_params() + 300_000


def test_export_again_replaces_the_earlier_one(exported, generator):
    learner, folder, sizes = exported
    before = generator.sample([0, 1, 2], [1, 2])
    stale = folder / "generator" / "variables" / "stale"
    stale.write_text("of the earlier export")
    assert export(learner, folder).keys() == sizes.keys()
    assert not stale.exists()
    assert sorted(path.name for path in folder.iterdir()) == ["classes.json", "classifier", "generator"]
    again = tf.saved_model.load(str(folder / "generator"))
    np.testing.assert_array_equal(before, again.sample([0, 1, 2], [1, 2]))


def test_failing_export_leaves_the_earlier_one(exported, generator, monkeypatch):
    learner, folder, _ = exported

    def fail(*args, **kwargs):
        raise OSError("disk full")

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(OSError, match="disk full"):
        export(learner, folder)
    monkeypatch.undo()
    assert sorted(path.name for path in folder.iterdir()) == ["classes.json", "classifier", "generator"]
    tf.saved_model.load(str(folder / "generator"))


def _write_little(learner, directory, formats):
    """Instead of what takes long: names that an export has."""
    for name in writing.MODELS:
        (directory / name).mkdir()
        (directory / name / "saved_model.pb").write_text("new")
    (directory / writing.CLASSES).write_text("new")
    return {}


def test_an_export_that_cannot_be_put_in_its_place_leaves_the_earlier_one(exported, monkeypatch):
    learner, folder, _ = exported
    monkeypatch.setattr(writing, "_write", _write_little)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    for failing in range(6):
        moves = itertools.count()

        def replace(*paths, moves=moves, failing=failing, replace=os.replace):
            if next(moves) == failing:
                raise OSError("disk full")
            replace(*paths)

        with monkeypatch.context() as patch, pytest.raises(OSError, match="disk full"):
            patch.setattr(os, "replace", replace)
            export(learner, folder)
        assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_exports_at_the_same_time_are_both_whole(exported, monkeypatch):
    learner, folder, sizes = exported
    write, written = writing._write, []

    def write_while_another_exports(learner, directory, formats):
        monkeypatch.undo()
        own = write(learner, directory, formats)
        written.append(export(learner, folder))
        return own

    monkeypatch.setattr(writing, "_write", write_while_another_exports)
    assert export(learner, folder).keys() == sizes.keys() == written[0].keys()
    assert sorted(path.name for path in folder.iterdir()) == ["classes.json", "classifier", "generator"]
    for name in sizes:
        tf.saved_model.load(str(folder / name))


def test_an_export_waits_while_another_one_is_put_in_its_place(exported, monkeypatch):
    learner, folder, _ = exported
    patient = lock.held_itself
    monkeypatch.setattr(writing, "_write", _write_little)
    monkeypatch.setattr(lock, "held_itself", lambda *args: patient(*args, patience=0.0))
    refused = pytest.raises(UserError, match="export: .* another export is at work there")
    with patient(folder, "export", "another export"), refused:
        export(learner, folder)
    assert sorted(path.name for path in folder.iterdir()) == ["classes.json", "classifier", "generator"]


def test_without_memory_only_the_classifier(tmp_path):
    learner = learn_random_tasks(FineTuning())
    assert list(export(learner, tmp_path)) == ["classifier"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.json", "classifier"]


@pytest.mark.parametrize("size", [0, 1000, 20000])
def test_a_disk_without_room_is_named_and_nothing_half_written_stays(tmp_path, size):
    learner = learn_random_tasks(FineTuning())
    with files_of_at_most(size), pytest.raises(OSError, match="File too large") as caught:
        export(learner, tmp_path / "export")
    assert told(caught.value).startswith(f"{tmp_path / 'export'}") and ".tmp" not in told(caught.value)
    assert not list((tmp_path / "export").iterdir())


def test_what_is_no_export_is_never_replaced(tmp_path):
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="in the way"):
        export(learn_random_tasks(FineTuning(), TASKS[:1]), tmp_path)
    assert (tmp_path / "generator" / "thesis.txt").exists()


def test_what_is_not_finite_is_not_exported(tmp_path):
    learner = learn_random_tasks(FineTuning())
    weight = learner.method.classifier.weights[0]
    weight.assign(np.full(weight.shape, np.nan, np.float32))
    for call, write in (("export", lambda: export(learner, tmp_path)), ("save", lambda: learner.save(tmp_path))):
        with pytest.raises(Diverged, match=f"{call}: expected finite values, got NaN or infinity in weights of discri"):
            write()
    assert not list(tmp_path.iterdir())


def test_what_is_no_learner_is_an_error(tmp_path):
    with pytest.raises(UserError, match="learner: expected a dgm_tf.Learner, .* gives, got 'runs/mine'"):
        export("runs/mine", tmp_path)


def test_nothing_learned_is_an_error(tmp_path):
    with pytest.raises(UserError, match="learned a task"):
        export(Learner(DGM()), tmp_path)


def test_command_exports_a_run(tmp_path, capsys):
    learn_random_tasks(DGM(), TASKS[:1]).save(tmp_path / "memory")
    assert not give(export_command, f"--run_dir={tmp_path}")
    assert (tmp_path / "export" / "generator" / "saved_model.pb").is_file()
    assert "MB" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "--run_dir"),
        (["--run_dir=/no/such/run"], "/no/such/run"),
        (["--rundir=x"], "run_dir"),
        (["runs/quickstart"], "flags only"),
    ],
)
def test_command_tells_mistakes_in_one_line(capsys, arguments, message):
    assert give(export_command, *arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and message in told and told.count("\n") == 1


def test_command_helps(capsys):
    assert not give(export_command, "--help")
    told = capsys.readouterr().out
    assert "bin/export --run_dir" in told and "--output" in told
