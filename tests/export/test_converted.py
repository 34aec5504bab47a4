"""The classifier for LiteRT and ONNX: the runtimes give the labels and probabilities that the learner gives."""

import dataclasses
import importlib
import io
import json
import pathlib
import zipfile

import keras
import numpy as np
import pytest
import scipy.special

from dgm_tf.cli import export as export_command
from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.data.arrays import resized
from dgm_tf.errors import UserError
from dgm_tf.export import converted, export, formats_in
from dgm_tf.learner import Learner, load
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.networks.resnet18 import ResNetDiscriminator
from tests.export.test_write import CLASS_NAMES, learn_random_tasks
from tests.in_process import give
from tests.methods import spaces

FILES = {"litert": "classifier.tflite", "onnx": "classifier.onnx"}


def digits(count=100):
    """Real images of all ten classes, uint8 [count, 32, 32, 1]."""
    images = PackagedMNIST().load().test_images
    return resized(images[:: len(images) // count][:count], 32)


def run_litert(path, images):
    """The outputs of a .tflite by name."""
    interpreter = importlib.import_module("ai_edge_litert.interpreter").Interpreter(str(path))
    return interpreter.get_signature_runner()(images=images)


def run_onnx(path, images):
    """The outputs of an .onnx by name."""
    session = importlib.import_module("onnxruntime").InferenceSession(str(path))
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"images": images}), strict=True))


RUNTIMES = {"litert": run_litert, "onnx": run_onnx}


def convolutional():
    """A learner with DCGAN's classifier."""
    learner = learn_random_tasks(DGM())
    # By what it has learned of random images, a temperature makes all classes alike.
    learner.method.confidence = dataclasses.replace(learner.method.confidence, factor=1.0)
    return learner


def trained(method):
    """A learner of two digits."""
    learner = Learner(method)
    learner.learn(ClassIncrementalStream(PackagedMNIST(), classes_per_task=2).task(0))
    return learner


def dense():
    """One with dense layers."""
    return trained(FineTuning(discriminator=MLPDiscriminator, epochs=1))


def residual():
    """One with residual blocks, whose random weights take digits for any of its classes."""
    learner = learn_random_tasks(FineTuning(discriminator=ResNetDiscriminator))
    learner.method.classifier.logits.bias.assign_sub(learner.logits(digits()).mean(axis=0))
    return learner


def nearest_means():
    """One that classifies by the nearest mean of exemplars."""
    return trained(ICaRL(epochs=1))


def feature_space():
    """One with a linear classifier of features, of images and of their mirrored copies."""
    return trained(spaces.closed_form(mirrored=True))


@pytest.mark.ci
@pytest.mark.parametrize("make", [convolutional, dense, residual, nearest_means, feature_space])
def test_runtimes_label_as_the_learner_does(make, tmp_path):
    learner, images = make(), digits()
    sizes = export(learner, tmp_path, ["litert", "onnx"])
    logits = learner.logits(images).astype(np.float64)
    wanted, best = scipy.special.softmax(logits, axis=1), np.sort(logits, axis=1)
    sure = best[:, -1] - best[:, -2] > 1e-3
    assert sure.sum() > 50 and np.ptp(wanted, axis=0).max() > 0.02  # no constant that everything agrees with
    for name, file in FILES.items():
        found = RUNTIMES[name](tmp_path / file, images)
        assert found["label"].dtype == np.int32 and found["probabilities"].dtype == np.float32
        np.testing.assert_allclose(found["probabilities"], wanted, atol=1e-4)
        np.testing.assert_array_equal(found["label"][sure], np.argmax(logits, axis=1)[sure])
        assert ("known" in found) == ("score" in found) == learner.method.tells_known
        if learner.method.tells_known:
            score = learner.known(images).score
            np.testing.assert_allclose(found["score"], score, atol=2e-3)
            np.testing.assert_array_equal(found["known"], found["score"] >= 0)
        one = RUNTIMES[name](tmp_path / file, images[:1])
        np.testing.assert_allclose(one["probabilities"], wanted[:1], atol=1e-4)
    assert sizes == {file: (tmp_path / file).stat().st_size for file in FILES.values()}
    assert max(sizes.values()) < 4 * learner.method.classifier.count_params() + 100_000


@pytest.mark.ci
def test_what_was_learned_in_bfloat16_is_converted_where_it_is_loaded_in_float32(tmp_path):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        learner = learn_random_tasks(FineTuning())
        learner.save(tmp_path / "memory")
    finally:
        keras.config.set_dtype_policy("float32")
    for name, file in FILES.items():
        with pytest.raises(UserError, match=f"format: .* to {name}, got one that computes in bfloat16"):
            export(learner, tmp_path, [name])
        export(load(tmp_path), tmp_path, [name])
        found = RUNTIMES[name](tmp_path / file, digits(20))["probabilities"]
        np.testing.assert_allclose(found, scipy.special.softmax(load(tmp_path).logits(digits(20)), axis=1), atol=1e-4)


@pytest.mark.ci
def test_files_carry_the_names_of_the_classes(tmp_path):
    onnx = importlib.import_module("onnx")
    export(learn_random_tasks(FineTuning()), tmp_path, ["litert", "onnx"])
    with zipfile.ZipFile(tmp_path / "classifier.tflite") as archive:
        assert json.loads(archive.read("classes.json")) == CLASS_NAMES
    model = onnx.load(tmp_path / "classifier.onnx")
    assert {entry.key: json.loads(entry.value) for entry in model.metadata_props} == {"classes": CLASS_NAMES}
    assert json.loads((tmp_path / "classes.json").read_text()) == CLASS_NAMES


@pytest.mark.ci
def test_the_command_writes_again_what_is_already_there(tmp_path, capfd):
    learn_random_tasks(FineTuning()).save(tmp_path / "memory")
    assert not give(export_command, f"--run_dir={tmp_path}")
    assert not give(export_command, f"--run_dir={tmp_path}", "--format=litert")
    (tmp_path / "export" / "classifier.tflite").write_bytes(b"of an earlier state")
    capfd.readouterr()
    assert not give(export_command, f"--run_dir={tmp_path}", "--format=onnx,onnx")
    printed, complaints = capfd.readouterr()
    assert formats_in(tmp_path / "export") == ["saved_model", "litert", "onnx"]
    assert (tmp_path / "export" / "classifier.tflite").stat().st_size > 10_000
    assert [line.split(":")[0].rpartition("/")[2] for line in printed.splitlines()] == ["classifier", *FILES.values()]
    assert complaints == ""  # converters have much to say


def test_litert_needs_nothing_but_tensorflow(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert list(export(learn_random_tasks(FineTuning()), tmp_path, ["litert"])) == ["classifier.tflite"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.json", "classifier.tflite"]


def test_the_extra_is_named_where_it_is_missing_and_the_earlier_export_stays(tmp_path, monkeypatch):
    learner = learn_random_tasks(FineTuning())
    export(learner, tmp_path, ["litert"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"found no tf2onnx or onnx; .* pip install 'dgm_tf\[serving\]'"):
        export(learner, tmp_path, ["litert", "onnx"])
    assert formats_in(tmp_path) == ["litert"]


def test_a_classifier_that_cannot_be_converted_leaves_the_earlier_export(tmp_path, monkeypatch):
    learner = learn_random_tasks(FineTuning())
    export(learner, tmp_path)

    def fail(*args):
        raise RuntimeError("Op Odd is not supported\n  in line 1\n  in line 2")

    monkeypatch.setattr("tensorflow.lite.TFLiteConverter.from_concrete_functions", fail)
    with pytest.raises(UserError, match="be converted to litert, got one that cannot .Op Odd is not supported"):
        export(learner, tmp_path, ["saved_model", "litert"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["classes.json", "classifier"]


def test_an_export_of_other_formats_replaces_the_whole_earlier_one(tmp_path):
    learner = learn_random_tasks(FineTuning())
    export(learner, tmp_path, ["saved_model", "litert"])
    assert formats_in(tmp_path) == ["saved_model", "litert"]
    export(learner, tmp_path)
    assert formats_in(tmp_path) == ["saved_model"]


def test_what_is_no_file_is_never_replaced(tmp_path):
    (tmp_path / "classifier.onnx").mkdir()
    (tmp_path / "classifier.onnx" / "thesis.txt").write_text("years of work")
    with pytest.raises(UserError, match="classifier.onnx is in the way"):
        export(learn_random_tasks(FineTuning()), tmp_path)
    assert (tmp_path / "classifier.onnx" / "thesis.txt").exists()


@pytest.mark.parametrize("formats", [["tflite"], [], "onnx"])
def test_unknown_formats_are_refused(formats, tmp_path):
    with pytest.raises(UserError, match="formats: expected some of saved_model, litert, onnx, got"):
        export(learn_random_tasks(FineTuning()), tmp_path, formats)


@pytest.mark.parametrize("flag", ["--format=tflite", "--format=", "--format=onnx,x"])
def test_the_command_refuses_unknown_formats_in_one_line(flag, capsys):
    assert give(export_command, "--run_dir=/no/such/run", flag) == 2
    told_text = capsys.readouterr().err
    assert told_text.startswith("error: --format: expected some of saved_model") and told_text.count("\n") == 1


def test_equal_learners_give_equal_files():
    learner = learn_random_tasks(FineTuning())
    first, second = converted.litert_bytes(learner), converted.litert_bytes(learner)
    assert first == second and zipfile.is_zipfile(io.BytesIO(first))


def test_the_command_knows_all_formats():
    from dgm_tf.export import write

    assert export_command.FORMATS == write.FORMATS and pathlib.Path(FILES["litert"]).suffix == ".tflite"
