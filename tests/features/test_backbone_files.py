"""Backbones from .keras files: read as data, compared with the closed list, and refused in a line otherwise."""

import copy
import io
import json
import os
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.features.backbone import Backbone
from tests.features import models

IMAGES = models.images()
SHAPE = IMAGES.shape[1:]


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "tiny.keras"
    models.model().save(path)
    return path


@pytest.fixture
def path(saved, tmp_path):
    """A copy, to be changed."""
    return shutil.copy(saved, tmp_path / saved.name)


def expected(model, images=IMAGES):
    """Features by Keras itself, in inference mode."""
    maps = np.asarray(model(images.astype(np.float32), training=False))
    return maps.mean((1, 2)) if maps.ndim == 4 else maps


def features(path, **settings):
    return np.asarray(Backbone(str(path), **settings, levels=0).extractor(IMAGES, seed=0)(models.signed(IMAGES)))


def refused(path, message, **settings):
    """Both ways to the file are one line of `UserError`."""
    backbone = Backbone(str(path), **settings)
    for ask in (lambda: backbone.check(SHAPE), lambda: backbone.extractor(IMAGES, seed=0)):
        with pytest.raises(UserError, match=message) as error:
            ask()
        assert "\n" not in str(error.value) and len(str(error.value)) < 700, error.value
        assert str(error.value).startswith("Backbone")


@pytest.fixture(autouse=True)
def nothing_is_loaded(monkeypatch):
    """Keras's own ways to load a model or weights are closed."""
    for owner, name in ((keras.models, "load_model"), (keras.models, "model_from_json"), (keras.Model, "load_weights")):
        monkeypatch.setattr(owner, name, lambda *_, **__: pytest.fail("Keras loaded a file"))
    monkeypatch.setattr(keras.layers, "deserialize", lambda *_, **__: pytest.fail("a description was made"))


class TestReading:
    def test_features_are_those_of_the_model(self, path):
        Backbone(str(path)).check(SHAPE)
        np.testing.assert_allclose(features(path), expected(models.model()), rtol=1e-5)

    def test_models_among_layers_and_layers_of_training_are_read(self, tmp_path):
        inner = models.model(range_layer=False)
        model = keras.Sequential(
            [
                keras.Input((32, 32, 3)),
                keras.layers.RandomFlip(),
                keras.layers.Rescaling(1 / 255),
                inner,
                keras.layers.Conv2D(5, 2, activation="relu"),
                keras.layers.Dropout(0.5),
                keras.layers.GlobalAveragePooling2D(),
            ]
        )
        model.save(tmp_path / "nested.keras")
        np.testing.assert_allclose(features(tmp_path / "nested.keras"), expected(model), rtol=1e-5)

    def test_arithmetic_and_normalization_are_read(self, tmp_path):
        inputs = keras.Input((32, 32, 3))
        x = keras.layers.Normalization(mean=[100, 110, 120], variance=[400, 500, 600])(inputs / 2.0 - 1.0)
        adapted = keras.layers.Normalization()
        adapted.adapt(np.random.default_rng(0).normal(2, 3, (9, 4, 4, 3)).astype(np.float32))
        model = keras.Model(inputs, adapted(x) * 3.0 + x)
        model.save(tmp_path / "sums.keras")
        np.testing.assert_allclose(features(tmp_path / "sums.keras"), expected(model), rtol=1e-4)

    def test_a_file_of_weights_that_was_trained_in_half_precision_is_read(self, tmp_path):
        try:
            keras.config.set_dtype_policy("mixed_bfloat16")
            model = models.model()
        finally:
            keras.config.set_dtype_policy("float32")
        model.save(tmp_path / "half.keras")
        np.testing.assert_allclose(features(tmp_path / "half.keras"), expected(models.model()), rtol=1e-5)

    def test_the_range_is_that_of_keras_own_models_by_their_name(self, tmp_path):
        model = models.model("resnet50v2", range_layer=False)
        model.save(tmp_path / "mine.keras")
        by_name = features(tmp_path / "mine.keras")
        np.testing.assert_allclose(by_name, expected(model, models.signed(IMAGES)), rtol=1e-4)
        np.testing.assert_array_equal(by_name, features(tmp_path / "mine.keras", input_range=(-1, 1)))

    def test_an_unknown_range_is_asked_for(self, tmp_path):
        models.model(range_layer=False).save(tmp_path / "mine.keras")
        refused(tmp_path / "mine.keras", "Backbone.input_range: expected the values of black and white .* got None")

    def test_nothing_of_training_is_made(self, path, monkeypatch):
        """A regularizer of one's own in the file is neither looked up nor called."""

        def change(config):
            for entry in config["config"]["layers"]:
                entry["config"]["kernel_regularizer"] = {"module": "os", "class_name": "system", "config": "x"}
            config["compile_config"] = {"optimizer": {"module": "os", "class_name": "abort", "config": {}}}

        before = features(path)
        np.testing.assert_array_equal(features(models.forged(path, change)), before)


class TestOtherModels:
    def test_a_classification_head_is_refused(self, tmp_path):
        base = models.model(shape=SHAPE)
        pooled = keras.layers.GlobalAveragePooling2D()(base.output)
        heads = {
            "softmax": keras.layers.Dense(10, activation="softmax"),
            "sigmoid": keras.layers.Dense(1, activation="sigmoid"),
            "1000 classes": keras.layers.Dense(1000),
        }
        for found, head in heads.items():
            keras.Model(base.input, head(pooled)).save(tmp_path / "head.keras")
            refused(tmp_path / "head.keras", f"without its classification head, got .* {found}.*include_top=False")
        softmax = keras.layers.Softmax()(keras.layers.Dense(10)(pooled))
        keras.Model(base.input, softmax).save(tmp_path / "head.keras")
        refused(tmp_path / "head.keras", "got one that ends with a softmax")

    def test_an_embedding_is_no_head(self, tmp_path):
        base = models.model(shape=SHAPE)
        model = keras.Model(base.input, keras.layers.Dense(64)(keras.layers.GlobalAveragePooling2D()(base.output)))
        model.save(tmp_path / "embedding.keras")
        assert features(tmp_path / "embedding.keras").shape == (3, 64)

    def test_a_model_of_no_images_is_refused(self, tmp_path):
        keras.Sequential([keras.Input((7,)), keras.layers.Dense(3)]).save(tmp_path / "rows.keras")
        refused(tmp_path / "rows.keras", r"expected a model of images \[N, H, W, 3\], got the input \[None, 7\]")

    def test_a_model_of_other_channels_is_refused(self, tmp_path):
        models.model(shape=(32, 32, 1)).save(tmp_path / "grey.keras")
        refused(tmp_path / "grey.keras", "expected a model of 3 channels .RGB., got one of 1")

    def test_a_model_of_another_size_is_refused(self, tmp_path):
        models.model(shape=(48, 48, 3)).save(tmp_path / "large.keras")
        refused(tmp_path / "large.keras", "images of 32 x 32 pixels, got one of 48 x 48; set image_size")

    def test_several_inputs_and_outputs_are_refused(self, tmp_path):
        first, second = keras.Input(SHAPE), keras.Input(SHAPE)
        keras.Model([first, second], keras.layers.Add()([first, second])).save(tmp_path / "two.keras")
        refused(tmp_path / "two.keras", "one input")
        keras.Model(first, [keras.layers.ReLU()(first), keras.layers.ELU()(first)]).save(tmp_path / "two.keras")
        refused(tmp_path / "two.keras", "one output")

    def test_a_shared_layer_is_refused(self, tmp_path):
        inputs, layer = keras.Input(SHAPE), keras.layers.Conv2D(3, 1)
        keras.Model(inputs, layer(layer(inputs))).save(tmp_path / "shared.keras")
        refused(tmp_path / "shared.keras", "to be used once, got a shared one")

    def test_a_lambda_is_refused(self, tmp_path):
        inputs = keras.Input(SHAPE)
        keras.Model(inputs, keras.layers.Lambda(_plus_one, output_shape=SHAPE)(inputs)).save(tmp_path / "lambda.keras")
        refused(tmp_path / "lambda.keras", "expected Keras's own layers of images, got .* a 'Lambda'")


def _plus_one(images):
    return images + 1


def _custom(entry, **changes):
    def change(config):
        models.layer(config, entry).update(changes)

    return change


def _setting(kind, name, value):
    def change(config):
        models.layer(config, kind)["config"][name] = value

    return change


def _whole(**changes):
    return lambda config: config.update(changes)


def _nested(config):
    for _ in range(20):
        inner = dict(config)
        config["config"] = {"name": "x", "layers": [inner], "input_layers": 1, "output_layers": 1}
        config["class_name"] = "Sequential"


def _second_input(config):
    entry = copy.deepcopy(models.layer(config, "InputLayer"))
    entry["config"]["name"] = "another"
    config["config"]["layers"].append(entry)


HOSTILE_CONFIGS = [
    (_second_input, "expected a model with one input and one output, got 2 inputs"),
    (lambda config: "{", "expected JSON in config.json"),
    (lambda config: b"\xff\xfe\x00", "expected JSON in config.json"),
    (lambda config: "[" * 100_000, "expected JSON in config.json|description"),
    (lambda config: "[]", "expected a functional or sequential model of Keras, got None"),
    (_whole(module="os", class_name="system"), "got 'system' of 'os'"),
    (_whole(module="mine"), "got 'Functional' of 'mine'"),
    (_whole(config={"layers": 3}), "expected a list of layers"),
    (_whole(config=None), "expected a list of layers"),
    (_nested, "models inside each other"),
    (_custom("Conv2D", class_name="Lambda"), "got _stem conv, a 'Lambda' of 'keras.layers'"),
    (_custom("Conv2D", module="os"), "a 'Conv2D' of 'os'"),
    (_custom("Conv2D", module=["os"]), "a 'Conv2D' of"),
    (_custom("Conv2D", registered_name="mine>Conv2D"), "expected Keras's own layers"),
    (_custom("Conv2D", class_name="TFSMLayer"), "a 'TFSMLayer'"),
    (_custom("Conv2D", class_name=["Conv2D"]), "expected a list of layers with class"),
    (_custom("Conv2D", inbound_nodes=[]), "used once"),
    (_custom("Conv2D", inbound_nodes=[[["rescaling", 0, 0, {}]]]), "a file of Keras 3, got an earlier one"),
    (_custom("Conv2D", inbound_nodes=[{"args": ["rescaling"], "kwargs": {}}]), "to take earlier layers, got 'resc"),
    (_custom("Conv2D", inbound_nodes=[{"args": [{"config": 1}], "kwargs": {}}]), "to take earlier layers"),
    (_custom("Conv2D", inbound_nodes=[{"args": [], "kwargs": {"inputs": "x"}}]), "to take images alone"),
    (_setting("Conv2D", "activation", {"module": "os", "class_name": "system", "config": "x"}), "activation: expected"),
    (_setting("Conv2D", "activation", "my_function"), "activation: expected one of 'linear'"),
    (_setting("Conv2D", "filters", 10**12), "filters: expected an integer"),
    (_setting("Conv2D", "filters", "4"), "filters: expected an integer"),
    (_setting("Conv2D", "data_format", "channels_first"), "expected channels_last"),
    (_setting("Conv2D", "lora_rank", 4), "expected known settings, got 'lora_rank'"),
    (_setting("Conv2D", "dtype", {"class_name": "QuantizedDTypePolicy"}), "floating point"),
    (_setting("BatchNormalization", "axis", [1]), "axis: expected"),
    (_setting("InputLayer", "batch_shape", "x"), "expected a model of images"),
    (_setting("Rescaling", "scale", {"class_name": "__numpy__"}), "scale: expected"),
    (_setting("Conv2D", "name", 3), "expected a list of layers with class"),
]


class TestStrangers:
    @pytest.mark.parametrize(("change", "message"), HOSTILE_CONFIGS)
    def test_other_descriptions_are_refused_in_a_line(self, path, change, message):
        refused(models.forged(path, change), message)

    def test_what_is_no_archive_is_refused(self, tmp_path):
        for data in (b"", b"PK\x03\x04" + b"x" * 100, b"\x89HDF\r\n\x1a\n"):
            (tmp_path / "other.keras").write_bytes(data)
            refused(tmp_path / "other.keras", "expected a .keras file as Model.save writes it")

    def test_a_missing_member_is_named(self, path):
        for missing in ("config.json", "model.weights.h5"):
            with zipfile.ZipFile(path) as archive:
                parts = {name: archive.read(name) for name in archive.namelist() if name != missing}
            other = path.parent / "part.keras"
            with zipfile.ZipFile(other, "w") as archive:
                for name, data in parts.items():
                    archive.writestr(name, data)
            refused(other, f"expected {missing} in it, found none")

    def test_a_damaged_archive_is_named(self, path):
        data = bytearray(path.read_bytes())
        place = data.index(b'"config"')
        data[place : place + 4] = b"xxxx"
        path.write_bytes(data)
        refused(path, "expected a .keras file as Model.save writes it")

    @pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
    def test_a_bomb_is_not_unpacked(self, path, member, monkeypatch):
        monkeypatch.setattr(limits, "MAX_BACKBONE_CONFIG_BYTES", 100_000)
        monkeypatch.setattr(limits, "MAX_BACKBONE_FILE_BYTES", 100_000)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts[member] = b" " * 10_000_000
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        assert path.stat().st_size < 100_000
        refused(path, f"expected at most 100,000 bytes in {member}, got 10,000,000")

    def test_what_is_no_file_is_named(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.keras")
        refused(tmp_path / "pipe.keras", "expected a file, got a FIFO")
        refused(tmp_path / "none.keras", "expected a file, found none at .*none.keras")


KERNEL = "layers/conv2d/vars/0"


def _replaced(value):
    def change(content):
        del content[KERNEL]
        if value is not None:
            content[KERNEL] = value

    return change


def _elsewhere(content):
    del content[KERNEL]
    content.create_dataset(KERNEL, (3, 3, 3, 4), "f4", external=[("/dev/zero", 0, 432)])


def _virtual(content):
    del content[KERNEL]
    layout = h5py.VirtualLayout((3, 3, 3, 4), "f4")
    layout[:] = h5py.VirtualSource("/dev/zero", "x", (3, 3, 3, 4))
    content.create_virtual_dataset(KERNEL, layout)


HOSTILE_WEIGHTS = [
    (_replaced(None), "expected weights of 0, got none"),
    (_replaced(np.zeros((3, 3, 3, 5), "f4")), r"expected weights of shape \[3, 3, 3, 4\], got \[3, 3, 3, 5\]"),
    (_replaced(np.zeros((3, 3, 3, 4), "i4")), "floating point, got int32"),
    (_replaced(np.full((3, 3, 3, 4), np.nan, "f4")), "finite"),
    (_replaced(h5py.ExternalLink("/dev/zero", "x")), "expected weights in the file itself, got a link"),
    (_replaced(h5py.SoftLink("/layers/conv2d_1/vars/0")), "expected weights in the file itself, got a link"),
    (_elsewhere, "expected weights in the file itself"),
    (_virtual, "expected weights in the file itself"),
    (lambda content: content["layers/conv2d/vars"].create_dataset("2", data=np.zeros(3, "f4")), "expected 2 weights"),
    (lambda content: content.pop("layers"), "expected weights of layers, got none"),
]


class TestWeights:
    @pytest.mark.parametrize(("change", "message"), HOSTILE_WEIGHTS)
    def test_other_arrays_are_refused_in_a_line(self, path, change, message):
        refused(models.with_weights(path, change), message)

    def test_a_damaged_file_of_weights_is_refused(self, path):
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts["model.weights.h5"] = parts["model.weights.h5"][:2000]
        with zipfile.ZipFile(path, "w") as archive:
            for name, data in parts.items():
                archive.writestr(name, data)
        refused(path, "expected weights as Keras saves them")

    def test_an_earlier_file_of_weights_is_read_in_order(self, tmp_path, path):
        """Layers of earlier files stand in a list of names, which may be split into several attributes."""
        from dgm_tf.features import weight_files

        file, array = io.BytesIO(), np.arange(6, dtype="f4")
        with h5py.File(file, "w") as content:
            content.attrs["layer_names0"], content.attrs["layer_names1"] = [b"a", b"b"], [b"c"]
            for name, weights in (("a", []), ("b", [b"b/w:0"]), ("c", [b"c/w:0", b"c/v:0"])):
                content.create_group(name).attrs["weight_names"] = weights
                for i, weight in enumerate(weights):
                    content[name][weight.decode()] = array + i
        with h5py.File(file, "r") as content:
            arrays = weight_files.read(content, ["", "", ""], [[(6,)], [], [(6,), (6,)]], "x")
        assert [len(weights) for weights in arrays] == [1, 0, 2]
        np.testing.assert_array_equal(arrays[2][1], array + 1)

    def test_descriptions_of_settings_are_plain(self, path):
        config = Backbone(str(path)).extractor(IMAGES, 0).get_config()
        assert json.loads(json.dumps(config)) == config
