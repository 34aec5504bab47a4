"""Settings as JSON, variables as arrays, files written whole or not at all."""

import dataclasses
import os
import subprocess
import sys

import keras
import numpy as np
import pytest

from dgm_tf import serialization
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.registry import register
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings


@pytest.mark.parametrize(
    "settings",
    [
        DGM(settings=ClassifierSettings(augmentation=Augmentation(noise=0.3)), gan=GANSettings(epochs=3)),
        FineTuning(epochs=2),
        GANSettings(),
    ],
    ids=lambda settings: type(settings).__name__,
)
def test_settings_round_trip(tmp_path, settings):
    files.write_json(tmp_path / "settings.json", serialization.to_json(settings))
    copy = serialization.from_json(files.read_json(tmp_path / "settings.json"))
    assert copy == settings and type(copy) is type(settings)


def test_network_classes_are_settings_too():
    assert serialization.from_json(serialization.to_json(DGM())).generator is DCGANGenerator


def test_a_class_of_somebody_elses_module_must_be_imported_first():
    with pytest.raises(UserError, match="import their.module first \\(--import=their.module\\) if you trust it"):
        serialization.from_json({"type": "their.module:Net"})


def test_networks_round_trip():
    network = DCGANDiscriminator((16, 16, 3), num_classes=4, filters=(2, 4, 6))
    description = serialization.network_to_json(network)
    copy = serialization.network_from_json(description)
    serialization.assign_arrays("d", copy.weights, serialization.to_arrays("d", network.weights))
    assert copy.get_config() == network.get_config()
    for ours, theirs in zip(copy.get_weights(), network.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def variables(*values):
    return [keras.Variable(np.asarray(v, np.float32)) for v in values]


def test_variables_round_trip_by_their_place():
    arrays = serialization.to_arrays("a", variables([1.0, 2.0], 3.0))
    targets = variables([0.0, 0.0], 0.0)  # Keras gives them other names
    serialization.assign_arrays("a", targets, arrays)
    assert [np.asarray(v).tolist() for v in targets] == [[1.0, 2.0], 3.0]


def test_a_variable_without_its_array_is_left_alone():
    arrays = serialization.to_arrays("a", variables(1.0, 2.0))
    del arrays[serialization.keys("a", variables(1.0, 2.0))[1]]
    targets = variables(7.0, 8.0)
    serialization.assign_arrays("a", targets, arrays)
    assert [float(v) for v in targets] == [1.0, 8.0]


def test_an_array_without_its_variable_is_refused():
    with pytest.raises(UserError, match="saved arrays of a: 1 fit no variable of it, such as a/0001"):
        serialization.assign_arrays("a", variables(0.0), serialization.to_arrays("a", variables(1.0, 2.0)))


def test_arrays_of_other_names_do_not_matter():
    target = variables(0.0)
    serialization.assign_arrays("a", target, serialization.to_arrays("ab", variables(1.0, 2.0)))
    assert float(target[0]) == 0.0


@pytest.mark.parametrize("compress", [True, False])
def test_arrays_and_texts_share_a_file(tmp_path, compress):
    arrays = {"x/0": np.arange(3, dtype=np.uint8), "y": np.array(1.5), "z": np.zeros((0, 2), np.float32)}
    files.write_atomically(
        tmp_path / "deep" / "a.npz", files.npz_bytes(arrays, compress, notes={"a": [1, None]}, name="é")
    )
    loaded, notes, name = files.read_arrays(tmp_path / "deep" / "a.npz", "notes", "name")
    assert notes == {"a": [1, None]} and name == "é" and loaded.keys() == arrays.keys()
    for key, value in arrays.items():
        np.testing.assert_array_equal(loaded[key], value)
        assert loaded[key].dtype == value.dtype


def test_numbers_that_are_none_are_no_json(tmp_path):
    with pytest.raises(ValueError):
        files.write_json(tmp_path / "x.json", {"loss": float("nan")})
    assert os.listdir(tmp_path) == []


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.json"
    files.write_json(path, 1)

    def fail(_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="disk full"):
        files.write_json(path, 2)
    assert files.read_json(path) == 1


def test_writing_replaces_and_leaves_nothing_else(tmp_path):
    for value in (1, 2):
        files.write_json(tmp_path / "x.json", value)
    assert files.read_json(tmp_path / "x.json") == 2 and os.listdir(tmp_path) == ["x.json"]


def test_settings_need_no_tensorflow_to_be_read(tmp_path, project_root):
    script = "import sys; from dgm_tf import serialization; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], cwd=project_root, check=True)


@register
@dataclasses.dataclass
class Settings:
    """Of a user's own module, this one."""

    sizes: tuple = (1, 2)


def test_settings_of_a_module_that_is_imported():
    copy = serialization.from_json(serialization.to_json(Settings(sizes=(3, (4, 5)))))
    assert copy == Settings(sizes=(3, (4, 5)))


def test_files_written_together_replace_the_older_ones_together(tmp_path):
    first, second = tmp_path / "first", tmp_path / "folder" / "second"
    with files.written_together() as write:
        write(first, "1")
        write(second, b"2")
        assert not first.exists() and not second.exists()
    assert (first.read_text(), second.read_text()) == ("1", "2")


def test_after_an_error_the_older_files_are_all_there(tmp_path):
    first = tmp_path / "first"
    files.write_atomically(first, "old")
    with pytest.raises(KeyboardInterrupt), files.written_together() as write:
        write(first, "new")
        raise KeyboardInterrupt
    assert first.read_text() == "old" and list(tmp_path.iterdir()) == [first]


def test_a_file_that_cannot_be_replaced_leaves_nothing_temporary(tmp_path):
    (tmp_path / "first").mkdir()
    with pytest.raises(OSError, match="first"), files.written_together() as write:
        write(tmp_path / "first", "1")
        write(tmp_path / "second", "2")
    assert [path.name for path in tmp_path.iterdir()] == ["first"]
