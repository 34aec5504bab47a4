"""A memory with a backbone: settings, a description and arrays, and nothing of the file that it came from."""

import json
import shutil

import keras
import numpy as np
import pytest

import dgm_tf
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.features.backbone import Backbone
from dgm_tf.learner import Learner
from dgm_tf.methods.closed_form import ClosedForm
from dgm_tf.methods.feature_space import FeatureSpace
from tests.features import models
from tests.methods import tiny

IMAGES = models.images()


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(memory, logits of `IMAGES` when it was saved); the backbone's file is gone."""
    folder = tmp_path_factory.mktemp("learned")
    models.model().save(folder / "tiny.keras")
    learner = Learner(FeatureSpace(ClosedForm(), Backbone(str(folder / "tiny.keras"), pretrained=False)))
    learner.learn(tiny.task(0, (0, 1), shape=(32, 32, 3)))
    learner.save(folder / "memory")
    (folder / "tiny.keras").unlink()
    return folder / "memory", learner.logits(IMAGES)


def forged(memory, folder, change):
    """A copy whose description, with a checksum that fits, is changed."""
    shutil.copytree(memory, folder)
    description = json.loads((folder / "learner.json").read_text())
    del description["sha256"]
    change(description["networks"]["extractor"]["config"])
    files.write_json(folder / "learner.json", description)
    return folder


def test_it_is_loaded_without_the_file_and_extracts_the_same_to_the_bit(learned, tmp_path):
    memory, logits = learned
    loaded = dgm_tf.load(memory)
    np.testing.assert_array_equal(loaded.logits(IMAGES), logits)
    loaded.learn(tiny.task(1, (2, 3), shape=(32, 32, 3)))
    assert loaded.logits(IMAGES).shape == (3, 4)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda config: config["layers"].__setitem__(0, ["Lambda", [0], []]), "expected one of Conv2D, .*got 'Lambda'"),
        (lambda config: config["layers"][1][2].append(["filters", 5]), "layer 6 .Add.: does not fit its input"),
        (lambda config: config["layers"][1].append("x"), "expected .kind, inputs, settings."),
        (lambda config: config.update(layers="x" * 10**6), "expected a list of 1 to 2000 layers"),
        (lambda config: config.update(layers=[[]] * 10**5), "expected at most 10000 entries"),
        (lambda config: config.update(layers={"class_name": "Lambda"}), "expected a plain value"),
        (lambda config: config.update(input_range="os"), "input_range: expected"),
        (lambda config: config.update(weights="/etc/passwd"), "BackboneExtractor has no parameter 'weights'"),
        (lambda config: config["layers"].append(["Dense", [0], [["units", 60_000]]]), "is missing|expected"),
        (lambda config: config["layers"].append(["Dense", [5], [["units", 10**7]]]), "units: expected an integer"),
    ],
)
def test_a_forged_description_is_refused_in_a_line_and_nothing_is_called(
    learned, tmp_path, change, message, monkeypatch
):
    monkeypatch.setattr(keras.layers, "Lambda", lambda *_, **__: pytest.fail("it was called"))
    monkeypatch.setattr(keras.layers, "deserialize", lambda *_, **__: pytest.fail("a description was made"))
    monkeypatch.setattr("dgm_tf.disk.npz.Archive.read", lambda *_: pytest.fail("an array was unpacked"))
    with pytest.raises(UserError, match=message) as refused:
        dgm_tf.load(forged(learned[0], tmp_path / "memory", change))
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 900


def test_the_settings_path_is_not_opened_by_loading(learned, monkeypatch):
    monkeypatch.setattr("dgm_tf.features.keras_file.opened", lambda *_: pytest.fail("the file was opened"))
    assert dgm_tf.load(learned[0]).method.features.model.endswith("tiny.keras")
