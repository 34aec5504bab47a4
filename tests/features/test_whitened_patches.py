"""Filters of whitened patches: what they are made of, and what the features of an image are."""

import dataclasses
import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import serialization
from dgm_tf.data.rows import Rows
from dgm_tf.errors import UserError
from dgm_tf.features import patches
from dgm_tf.features.patch_extractor import PatchExtractor
from dgm_tf.features.whitened_patches import WhitenedPatches
from dgm_tf.training.pool import to_float

SMALL = WhitenedPatches(patch_sizes=(3, 5), filters=4, cells=4, grid=2, patches=500, iterations=3)
TWO_LAYERS = dataclasses.replace(SMALL, second_filters=6, second_size=2, second_components=5)


@pytest.fixture(scope="module")
def images():
    return _images(40)


@pytest.fixture(scope="module")
def extractor(images):
    return TWO_LAYERS.extractor(images, seed=0)


def _images(count, shape=(12, 10, 3), seed=0):
    """Noise over a slope of light."""
    noise = np.random.RandomState(seed).randint(0, 60, (count, *shape))
    return (noise + np.linspace(0, 190, shape[1])[:, None]).astype(np.uint8)


def _features(extractor, images):
    return extractor(to_float(tf.constant(images))).numpy()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (SMALL, 2 * 2 * 4 * (1 + 4)),
        (TWO_LAYERS, 2 * 2 * 4 * (1 + 4) + 2 * 6 * (1 + 4)),
        (dataclasses.replace(TWO_LAYERS, grid_filters=1, second_grid_filters=2), 2 * 2 * (4 + 4) + 2 * (6 + 2 * 4)),
        (dataclasses.replace(SMALL, grid_filters=0), 2 * 2 * 4),
    ],
)
def test_features_are_standardised_vectors(settings, size, channels):
    images = _images(40, (12, 10, channels))
    extractor = settings.extractor(images, seed=0)
    features = _features(extractor, images)
    assert features.dtype == np.float32 and features.shape == (40, extractor.num_features) == (40, size)
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-3)
    np.testing.assert_allclose(features.std(axis=0), 1.0, atol=1e-2)
    assert extractor.image_shape == (12, 10, channels)


def test_filters_follow_from_the_given_images_and_the_seed_alone(images, extractor):
    def differ(other):
        return not np.array_equal(_features(other, images), _features(extractor, images))

    assert not differ(TWO_LAYERS.extractor(images, seed=0))
    assert differ(TWO_LAYERS.extractor(images, seed=1))
    assert differ(TWO_LAYERS.extractor(_images(40, seed=1), seed=0))


def test_rows_of_a_file_give_the_features_of_the_array(images, extractor):
    rows = Rows([images[:15], images[15:]])
    np.testing.assert_array_equal(_features(TWO_LAYERS.extractor(rows, seed=0), images), _features(extractor, images))


def test_a_saved_extractor_gives_the_same_features(images, extractor):
    description = json.loads(json.dumps(serialization.network_to_json(extractor)))
    outline = serialization.network_outline(description)
    loaded = serialization.network_from_json(description)
    names = serialization.network_keys("features", extractor)
    assert serialization.network_keys("features", outline) == names and len(set(names)) == 10
    arrays = {name: np.asarray(weight) for name, weight in zip(names, extractor.weights, strict=True)}
    serialization.assign_arrays("features", loaded.weights, arrays, names)
    np.testing.assert_array_equal(_features(loaded, images), _features(extractor, images))


def test_features_are_computed_in_float32_whatever_the_policy(images, extractor):
    before = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        other = TWO_LAYERS.extractor(images, seed=0)
    finally:
        keras.config.set_dtype_policy(before)
    np.testing.assert_array_equal(_features(other, images), _features(extractor, images))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"grid": 0}, r"grid: expected an integer in \[1, 4\]"),
        ({"grid": 5}, r"grid: expected an integer in \[1, 4\]"),
        ({"cells": 10**9}, r"cells: expected an integer in \[1, 6\]"),
        ({"filters": -1}, "filters: expected an integer"),
        ({"filters": 2**40}, "expected at most 64,000,000 values of a layer for an image, got"),
        ({"grid_filters": 5}, r"grid_filters: expected an integer in \[0, 4\]"),
        ({"patch_sizes": [3, 40]}, "patch_sizes: expected sizes that fit into the image"),
        ({"patch_sizes": [0]}, "patch_sizes: expected a list of integers"),
        ({"patch_sizes": "3"}, "patch_sizes: expected a list of integers"),
        ({"image_shape": [12, 10]}, "image_shape: expected .H, W, channels."),
        ({"second_size": 5}, r"second_size: expected an integer in \[1, 4\]"),
        ({"second_grid": 4}, r"second_grid: expected an integer in \[1, 3\]"),
        ({"second_grid_filters": 7}, r"second_grid_filters: expected an integer in \[0, 6\]"),
        ({"contrast": -1.0}, "contrast: expected a number"),
        ({"mirrored": "x"}, "mirrored: expected True or False"),
    ],
)
def test_a_forged_description_is_refused_in_a_line(extractor, change, message):
    description = serialization.network_to_json(extractor)
    description = description | {"config": description["config"] | change}
    with pytest.raises(UserError, match=f"PatchExtractor.*{message}") as told:
        serialization.network_outline(description)
    assert "\n" not in str(told.value)


def test_settings_can_be_saved():
    saved = json.loads(json.dumps(serialization.to_json(SMALL)))
    assert serialization.from_json(saved, WhitenedPatches) == SMALL
    assert SMALL.extractor_class() is PatchExtractor and not SMALL.pretrained


def test_nothing_is_trained(extractor):
    assert not extractor.trainable_weights


def test_an_image_and_its_mirror_image_have_the_same_features(images, extractor):
    mirrored = images[:, :, ::-1]
    np.testing.assert_allclose(_features(extractor, mirrored), _features(extractor, images), atol=1e-5)
    other = dataclasses.replace(TWO_LAYERS, mirrored=False).extractor(images, seed=0)
    assert np.max(np.abs(_features(other, mirrored) - _features(other, images))) > 0.1


def test_whitened_patches_are_uncorrelated():
    drawn = patches.normalised(patches.drawn(_smooth(20), 3, 5000, np.random.default_rng(0)), 1e-3)
    mean, matrix = patches.whitening(drawn, 1e-6)
    whitened = (drawn - mean) @ matrix
    np.testing.assert_allclose(whitened.mean(axis=0), 0.0, atol=1e-3)
    # All but the direction of the mean, which normalising took away.
    expected = np.eye(9) - np.full((9, 9), 1 / 9)
    np.testing.assert_allclose(whitened.T @ whitened / len(drawn), expected, atol=0.02)
    assert np.abs(np.corrcoef(drawn.T))[0, 1] > 0.1


def _smooth(count):
    noise = np.random.RandomState(0).standard_normal((count, 13, 13, 1)).astype(np.float32)
    return noise[:, 1:, 1:] + noise[:, :-1, 1:] + noise[:, 1:, :-1]


def test_filters_are_unit_vectors_along_the_patches():
    """Patches along two lines through 0, of both signs: two filters find them."""
    generator = np.random.default_rng(0)
    lines = np.float32([[1, 0, 0, 0], [0, 0.6, 0.8, 0]])
    drawn = lines[generator.integers(0, 2, 400)] * np.float32(generator.standard_normal((400, 1)))
    filters = patches.spherical_means(drawn, 2, 10, generator)
    products = np.sort(np.abs(filters @ lines.T).ravel())
    np.testing.assert_allclose(products, [0, 0, 1, 1], atol=0.02)


def test_a_feature_is_the_pooled_product_of_a_filter_and_the_whitened_patch(images):
    """Of both signs, computed patch by patch."""
    settings = dataclasses.replace(SMALL, patch_sizes=(3,), cells=2, mirrored=False)
    extractor = settings.extractor(images, seed=0)
    floats = to_float(tf.constant(images[:1])).numpy()
    windows = np.lib.stride_tricks.sliding_window_view(floats[0], (3, 3), axis=(0, 1))
    flat = np.moveaxis(windows, 2, -1).reshape(80, 27)
    normal = patches.normalised(flat, settings.contrast / 127.5**2).reshape(10, 8, 27)
    responses = normal @ np.reshape(extractor.kernels[0], (27, 4)) - np.asarray(extractor.offsets[0])
    signs = np.concatenate([np.maximum(sign * responses, 0) for sign in (1, -1)], axis=2)
    cells = [signs[y : y + 5, x : x + 4].mean(axis=(0, 1)) for y in (0, 5) for x in (0, 4)]
    whole = signs.mean(axis=(0, 1))
    expected = (np.sqrt(np.concatenate([whole, *cells])) - extractor.means) * extractor.scales
    np.testing.assert_allclose(extractor(floats)[0], expected, atol=1e-3)
    few = dataclasses.replace(settings, grid_filters=1).extractor(images, seed=0)
    chosen = [*range(8), 8, 12, 16, 20, 24, 28, 32, 36]
    np.testing.assert_allclose(few(floats)[0], expected[chosen], atol=1e-3)


def test_the_second_layer_is_of_the_first_ones_principal_components(images, extractor):
    """Its features computed cell by cell."""
    other = dataclasses.replace(TWO_LAYERS, mirrored=False).extractor(images, seed=0)
    roots = other.roots(to_float(tf.constant(images))).numpy()
    assert roots.shape == (40, 4, 4, 16)
    components = roots @ np.asarray(other.axes[0, 0]) - np.asarray(other.origin)
    covariance = np.cov(components.reshape(-1, 5).T)
    np.testing.assert_allclose(covariance, np.diag(np.diag(covariance)), atol=1e-3 * np.max(covariance))
    windows = np.lib.stride_tricks.sliding_window_view(components[0], (2, 2), axis=(0, 1))
    flat = np.moveaxis(windows, 2, -1).reshape(9, 20)
    unit = flat / np.sqrt(np.mean(np.square(flat), axis=1, keepdims=True) + 1e-3)
    responses = unit @ np.reshape(other.second_kernel, (20, 6)) - np.asarray(other.second_offset)
    signs = np.concatenate([np.maximum(sign * responses, 0) for sign in (1, -1)], axis=1).reshape(3, 3, 12)
    cells = [signs[y : y + 2, x : x + 2].mean(axis=(0, 1)) for y in (0, 1) for x in (0, 1)]
    whole = signs.mean(axis=(0, 1))
    expected = (np.sqrt(np.concatenate([whole, *cells])) - other.means[80:]) * other.scales[80:]
    np.testing.assert_allclose(_features(other, images[:1])[0, 80:], expected, atol=1e-3)


def test_brightness_and_contrast_of_an_image_matter_little(images, extractor):
    features = _features(extractor, images)
    dimmer = _features(extractor, (images // 2 + 40).astype(np.uint8))
    assert np.mean(np.square(dimmer - features)) < 0.05 * np.mean(np.square(features))


def test_few_or_equal_images_are_enough(images):
    for given in (images[:1], np.zeros_like(images)):
        features = _features(TWO_LAYERS.extractor(given, seed=0), images)
        assert np.all(np.isfinite(features))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"patch_sizes": ()}, "patch_sizes: expected a list of integers"),
        ({"patch_sizes": (4, 4)}, "patch_sizes: expected different sizes"),
        ({"filters": 0}, "filters: expected an integer"),
        ({"grid": 1.5}, "grid: expected an integer"),
        ({"grid": 0}, r"grid: expected an integer in \[1, 6\]"),
        ({"grid_filters": 131}, r"grid_filters: expected an integer in \[0, 130\]"),
        ({"grid": 7}, r"grid: expected an integer in \[1, 6\]"),
        ({"second_filters": 4, "second_size": 3, "second_grid": 5}, r"second_grid: expected an integer in \[1, 4\]"),
        ({"second_filters": 4, "second_components": 781}, r"second_components: expected an integer in \[1, 780\]"),
        ({"mirrored": 1}, "mirrored: expected True or False"),
        ({"whitening": 0.0}, "whitening: expected a number"),
    ],
)
def test_bad_settings_are_named(settings, message):
    with pytest.raises(UserError, match=f"WhitenedPatches.{message}"):
        WhitenedPatches(**settings)


def test_images_too_small_for_a_patch_are_refused():
    SMALL.check((8, 8, 1))
    with pytest.raises(UserError, match="patch_sizes: expected at most 4 pixels for images of 28x7 and 4 cells"):
        SMALL.check((28, 7, 1))
