"""The extractor: always the same function, saved as plain values and arrays, and built of the closed list alone."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import limits, serialization
from dgm_tf.errors import UserError
from dgm_tf.features import keras_layers
from dgm_tf.features.extractor import BackboneExtractor
from tests.features import models

LAYERS = [
    ["Conv2D", [0], [["filters", 4], ["kernel_size", [3, 3]], ["strides", [2, 2]], ["padding", "same"]]],
    ["BatchNormalization", [1], [["epsilon", 0.01]]],
    ["ReLU", [2], [["max_value", 6.0]]],
    ["SeparableConv2D", [3], [["filters", 4], ["kernel_size", [3, 3]], ["padding", "same"]]],
    ["Add", [3, 4], []],
]
SHAPE = (32, 32, 3)
IMAGES = models.signed(models.images())


def made(layers=LAYERS, input_range=(0, 1)):
    return models.with_values(BackboneExtractor(SHAPE, layers, input_range))


class TestLevels:
    """Maps of earlier stages join the last output."""

    WITH_SUMS = (*LAYERS, ["Conv2D", [5], [["filters", 6], ["kernel_size", [1, 1]]]], ["Flatten", [6], []])

    def test_a_stage_ends_with_the_last_sum_of_so_many_channels(self):
        network = models.with_values(BackboneExtractor(SHAPE, self.WITH_SUMS, (0, 1), levels=1))
        features, sums = network(IMAGES).numpy(), made()(IMAGES).numpy()
        assert features.shape == (3, 4 + 16 * 16 * 6)
        np.testing.assert_allclose(features[:, :4], sums / np.linalg.norm(sums, axis=1, keepdims=True), rtol=1e-4)
        np.testing.assert_allclose(np.linalg.norm(features[:, 4:], axis=1), 1.0, rtol=1e-5)

    def test_without_sums_it_ends_with_the_last_maps_of_a_resolution(self):
        pool = ["MaxPooling2D", [1], [["pool_size", [2, 2]], ["strides", [2, 2]]]]
        layers = [LAYERS[0], pool, ["ReLU", [2], []], ["GlobalAveragePooling2D", [3], []]]
        network = models.with_values(BackboneExtractor(SHAPE, layers, (0, 1), levels=2))
        alone = models.with_values(BackboneExtractor(SHAPE, layers[:1], (0, 1)))(IMAGES).numpy()
        features = network(IMAGES).numpy()
        assert features.shape == (3, 12)
        np.testing.assert_allclose(features[:, :4], alone / np.linalg.norm(alone, axis=1, keepdims=True), rtol=1e-4)

    def test_levels_are_saved(self):
        network = models.with_values(BackboneExtractor(SHAPE, self.WITH_SUMS, (0, 1), levels=1))
        again = serialization.network_from_json(json.loads(json.dumps(serialization.network_to_json(network))))
        again.set_weights(network.get_weights())
        np.testing.assert_array_equal(again(IMAGES), network(IMAGES))

    def test_more_levels_than_stages_are_refused(self):
        with pytest.raises(UserError, match=r"levels: expected an integer in \[0, 1\]"):
            BackboneExtractor(SHAPE, self.WITH_SUMS, (0, 1), levels=2)


class TestFeatures:
    def test_maps_are_averaged_over_positions(self):
        maps = made([*LAYERS, ["Flatten", [5], []]])(IMAGES)
        assert maps.shape == (3, 16 * 16 * 4)
        features = made()(IMAGES)
        assert features.shape == (3, made().num_features) == (3, 4) and np.all(np.std(features, axis=0) > 1e-4)
        np.testing.assert_allclose(features, np.reshape(maps, (3, -1, 4)).mean(1), rtol=1e-5)

    def test_it_is_in_inference_mode_and_never_moves(self):
        network = made()
        before = network.get_weights()
        assert network.trainable_variables == []
        network.trainable = True  # as whoever trains all networks of a learner might say
        np.testing.assert_array_equal(network(IMAGES, training=True), network(IMAGES))
        for weight, value in zip(network.weights, before, strict=True):
            np.testing.assert_array_equal(weight, value)

    def test_it_computes_in_float32_whatever_the_policy(self):
        expected = made()(IMAGES)
        try:
            keras.config.set_dtype_policy("mixed_bfloat16")
            features = made()(IMAGES)
        finally:
            keras.config.set_dtype_policy("float32")
        assert features.dtype == tf.float32
        np.testing.assert_array_equal(features, expected)

    @pytest.mark.parametrize(
        ("input_range", "black", "white"),
        [
            ((-1, 1), [-1, -1, -1], [1, 1, 1]),
            ((0, 1), [0, 0, 0], [1, 1, 1]),
            ((0, 255), [0, 0, 0], [255, 255, 255]),
            ("imagenet", [-2.1179, -2.0357, -1.8044], [2.2489, 2.4286, 2.6400]),
            ("caffe", [-103.939, -116.779, -123.68], [151.061, 138.221, 131.32]),
        ],
    )
    def test_black_and_white_become_what_the_model_expects(self, input_range, black, white):
        network = made([["Activation", [0], [["activation", "linear"]]]], input_range=input_range)
        for level, expected in ((-1.0, black), (1.0, white)):
            np.testing.assert_allclose(network(np.full((1, *SHAPE), level, np.float32))[0], expected, atol=2e-3)

    def test_caffes_models_take_blue_first(self):
        network = made([["Activation", [0], [["activation", "linear"]]]], input_range="caffe")
        red = np.full((1, *SHAPE), -1, np.float32)
        red[..., 0] = 1
        assert np.argmax(network(red)[0] - network(-np.ones_like(red))[0]) == 2

    def test_a_batch_of_large_maps_is_smaller(self):
        assert made().batch_size == 64
        wide = [["Conv2D", [0], [["filters", 20_000], ["kernel_size", [1, 1]]]]]
        assert BackboneExtractor(SHAPE, wide).batch_size == 4


class TestSaving:
    def test_config_and_arrays_give_the_same_features_to_the_bit(self):
        network = made()
        description = json.loads(json.dumps(serialization.network_to_json(network)))
        outline = serialization.network_outline(description)
        keys = serialization.network_keys("features", network)
        assert serialization.network_keys("features", outline) == keys
        assert keys[0] == "features/layer_0001/kernel" and len(set(keys)) == len(keys)
        arrays = {key: np.asarray(weight) for key, weight in zip(keys, network.weights, strict=True)}
        again = serialization.network_from_json(description)
        serialization.assign_arrays("features", again.weights, arrays, keys)
        np.testing.assert_array_equal(again(IMAGES), network(IMAGES))

    def test_an_outline_takes_no_memory_for_weights(self):
        dense = [["Flatten", [0], []], ["Dense", [1], [["units", 65_536]]]]
        described = {"class": "BackboneExtractor", "config": {"image_shape": list(SHAPE), "layers": dense}}
        assert serialization.network_outline(described).count_params() > 200_000_000

    @pytest.mark.parametrize("kind", keras_layers.KINDS)
    def test_each_layer_of_the_list_can_be_made_saved_and_made_again(self, kind):
        settings = {
            "filters": 4, "units": 5, "kernel_size": [3, 3], "activation": "silu", "pool_size": [2, 2],
            "strides": [2, 2], "padding": [[1, 2], [3, 4]], "cropping": [[1, 2], [3, 4]], "size": [2, 2],
            "scale": [1.0, 2.0, 3.0], "target_shape": [-1, 6], "negative_slope": 0.5,
        }  # fmt: skip
        known = keras_layers.KINDS[kind].settings
        given = [[n, v] for n, v in settings.items() if n in known and known[n].fits(v)]
        inputs = [0, 0] if keras_layers.KINDS[kind].joins else [0]
        layers = [[kind, inputs, given]]
        if kind == "Reshape":
            layers.append(["Flatten", [1], []])
        network = made(layers)
        again = BackboneExtractor.from_config(json.loads(json.dumps(network.get_config())))
        again.set_weights(network.get_weights())
        assert again.get_config() == network.get_config()
        np.testing.assert_array_equal(again(IMAGES), network(IMAGES))


class TestStrangers:
    """A config from a stranger is refused in one line, and nothing of it is called."""

    HOSTILE = [
        ([], "a list of 1 to 2000 layers, got 0"),
        ("Conv2D", "a list of 1 to 2000 layers, got 'Conv2D'"),
        ([["Flatten", [0], []]] * 2001, "got 2001"),
        ([["Lambda", [0], [["function", "x"]]]], "layer 1: expected one of Conv2D, .* got 'Lambda'"),
        ([["Layer", [0], []]], "got 'Layer'"),
        ([["TFSMLayer", [0], [["filepath", "/"]]]], "got 'TFSMLayer'"),
        ([["__init__", [0], []]], "got '__init__'"),
        ([[["Conv2D"], [0], []]], r"got \['Conv2D'\]"),
        ([["Flatten", [0]]], r"expected \[kind, inputs, settings\]"),
        ([["Flatten", [1], []]], "expected one of the earlier values 0 to 0, got"),
        ([["Flatten", [-1], []]], "earlier values"),
        ([["Flatten", [True], []]], "earlier values"),
        ([["Flatten", [0, 0], []]], "expected one of"),
        ([["Add", [0], []]], "expected two or more of"),
        ([["Dense", [0], []]], "Dense.*units: expected an integer in .*, got none"),
        ([["Dense", [0], [["units", 10**9]]]], "units: expected an integer"),
        ([["Dense", [0], [["units", True]]]], "units: expected an integer"),
        ([["Dense", [0], [["units", 4], ["activation", "os.system"]]]], "activation: expected one of 'linear'"),
        ([["Dense", [0], [["units", 4], ["kernel_initializer", "x"]]]], "expected settings of .* got 'kernel_init"),
        ([["Activation", [0], [["activation", {"class_name": "x"}]]]], "activation: expected"),
        ([["ReLU", [0], [["max_value", float("nan")]]]], "max_value: expected a number"),
        ([["Rescaling", [0], [["scale", 1e300]]]], "scale: expected a number"),
        ([["Rescaling", [0], [["scale", [1.0, 2.0]]]]], "expected 3 numbers, one for each channel, got 2"),
        ([["Reshape", [0], [["target_shape", [7, 7]]]]], "does not fit its input"),
        ([["Reshape", [0], [["target_shape", [-1, 3]]]]], "maps or a vector as the last output"),
        ([["Conv2D", [0], [["filters", 4], ["kernel_size", [64, 64]]]]], "layer 1 .Conv2D.: (does not fit|expected)"),
        ([["UpSampling2D", [i], [["size", [64, 64]]]] for i in range(2)], "at most 64,000,000 output values"),
        ([["Dense", [0], [["units", 65_536]]], ["Dense", [1], [["units", 65_536]]]], "output values|weights, got"),
    ]  # fmt: skip

    @pytest.mark.parametrize(("layers", "message"), HOSTILE)
    def test_other_configs_are_refused_in_a_line(self, layers, message, monkeypatch):
        for name in ("Lambda", "Layer", "TFSMLayer"):
            monkeypatch.setattr(keras.layers, name, lambda *_, **__: pytest.fail("it was called"))
        with pytest.raises(UserError, match=message) as refused:
            BackboneExtractor(SHAPE, layers)
        assert "\n" not in str(refused.value) and len(str(refused.value)) < 700

    def test_no_memory_is_taken_for_more_weights_than_the_limit(self, monkeypatch):
        monkeypatch.setattr(limits, "MAX_BACKBONE_WEIGHTS", 1000)
        monkeypatch.setattr(keras.layers.Dense, "build", lambda *_: pytest.fail("memory was taken"))
        with pytest.raises(UserError, match="at most 1,000 weights, got 12,292"):
            BackboneExtractor(SHAPE, [["Flatten", [0], []], ["Dense", [1], [["units", 4]]]])

    def test_outputs_that_wait_for_later_layers_are_counted_together(self, monkeypatch):
        """Layers in a row let go of what they have read; the same ones side by side hold all until they are added."""
        monkeypatch.setattr(limits, "MAX_BACKBONE_HELD_VALUES", 10 * 32 * 32)
        layer = ["filters", 2], ["kernel_size", [1, 1]]
        BackboneExtractor(SHAPE, [["Conv2D", [i], [*layer]] for i in range(9)])
        with pytest.raises(UserError, match="layer 4: expected at most 10,240 values in memory at once, got 11,264"):
            BackboneExtractor(SHAPE, [*(["Conv2D", [0], [*layer]] for _ in range(9)), ["Add", [*range(1, 10)], []]])

    @pytest.mark.parametrize("joined", [[["units", 4], ["units", 70_000]], [["units", [4]]]])
    def test_a_setting_that_is_told_twice_is_checked_as_it_counts(self, joined):
        with pytest.raises(UserError, match="units: expected"):
            BackboneExtractor(SHAPE, [["Dense", [0], joined]])

    @pytest.mark.parametrize("shape", [(32, 32, 1), (32, 32), (0, 32, 3), (32.0, 32, 3), "x", (2**17, 32, 3)])
    def test_other_images_are_refused(self, shape):
        with pytest.raises(UserError, match="image_shape: expected .height, width, 3."):
            BackboneExtractor(shape, LAYERS)

    @pytest.mark.parametrize("input_range", ["x", (1,), (1, 0), (0, float("inf")), (0, "1"), 3])
    def test_other_ranges_are_refused(self, input_range):
        with pytest.raises(UserError, match="input_range: expected"):
            BackboneExtractor(SHAPE, LAYERS, input_range)
