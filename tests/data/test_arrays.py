"""Images at rest have one form, and resizing keeps it."""

import numpy as np
import pytest

from dgm_tf.data.arrays import Arrays, Split, resized
from dgm_tf.errors import UserError


def arrays(**changes):
    fields = {
        "train_images": np.zeros((2, 4, 4, 1), np.uint8),
        "train_labels": np.array([0, 1]),
        "test_images": np.zeros((2, 4, 4, 1), np.uint8),
        "test_labels": np.array([1, 0]),
        "class_names": ("zero", "one"),
    }
    return Arrays(**{**fields, **changes})


@pytest.mark.parametrize("shape", [(28, 28, 1), (64, 48, 3), (32, 32, 3), (5, 7, 1)])
def test_resized_images_are_square_uint8_with_their_channels(shape):
    images = np.random.RandomState(0).randint(0, 256, (3, *shape)).astype(np.uint8)
    result = resized(images, 32)
    assert result.shape == (3, 32, 32, shape[-1])
    assert result.dtype == np.uint8


def test_resizing_keeps_constant_images_and_the_full_range():
    images = np.stack([np.zeros((28, 28, 1), np.uint8), np.full((28, 28, 1), 255, np.uint8)])
    result = resized(images, 32)
    assert np.all(result[0] == 0) and np.all(result[1] == 255)


def test_resizing_interpolates_and_rounds_to_the_nearest_level():
    image = np.array([0, 255], np.uint8).reshape(1, 1, 2, 1)
    assert resized(image, 4)[0, 0, :, 0].tolist() == [0, 64, 191, 255]


def test_resizing_in_batches_equals_resizing_one_by_one(monkeypatch):
    images = np.random.RandomState(0).randint(0, 256, (7, 28, 28, 1)).astype(np.uint8)
    whole = resized(images, 32)
    monkeypatch.setattr("dgm_tf.data.arrays._RESIZE_BATCH", 3)
    assert np.array_equal(resized(images, 32), whole)


def test_no_images_are_resized_to_no_images():
    assert resized(np.zeros((0, 28, 28, 1), np.uint8), 32).shape == (0, 32, 32, 1)


def test_split_has_the_number_of_its_images_as_length():
    assert len(Split(np.zeros((3, 4, 4, 1), np.uint8), np.zeros(3, np.int32))) == 3


def test_the_images_of_a_class_keep_their_order():
    images = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1)
    assert Split(images, np.array([1, 0, 1, 1, 0], np.int32)).of_class(1).ravel().tolist() == [0, 2, 3]


@pytest.mark.parametrize(
    ("images", "labels", "message"),
    [
        (np.zeros((3, 4, 4, 1), np.float32), np.zeros(3, np.int32), "Split.images: expected uint8"),
        (np.zeros((3, 4, 4), np.uint8), np.zeros(3, np.int32), "Split.images: expected uint8"),
        (np.zeros((3, 4, 4, 1), np.uint8), np.zeros(2, np.int32), "Split.labels: expected int32"),
        (np.zeros((3, 4, 4, 1), np.uint8), np.zeros(3, np.int64), "Split.labels: expected int32"),
        (np.zeros((3, 4, 4, 1), np.uint8), [0, 0, 0], "Split.labels: expected int32"),
    ],
)
def test_split_refuses_other_forms(images, labels, message):
    with pytest.raises(UserError, match=message):
        Split(images, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train_images": np.zeros((2, 4, 4, 1))}, "train_images: expected uint8"),
        ({"test_labels": np.array([0.0, 1.0])}, "test_labels: expected integers"),
        ({"train_labels": np.array([0, 1, 1])}, "train_labels: expected integers"),
        ({"test_labels": np.array([-1, -1])}, "test_labels: expected labels from 0 to 1.*without labels"),
        ({"train_labels": np.array([0, 2])}, "train_labels: expected labels from 0 to 1"),
        ({"test_images": np.zeros((2, 4, 4, 3), np.uint8)}, "test_images: expected.*training.*shape"),
        ({"class_names": None}, "class_names: expected a tuple of names, got None"),
        ({"class_names": "ab"}, "class_names: expected a tuple of names, got 'ab'"),
        ({"class_names": (3, 7)}, r"class_names: expected a tuple of names, got \(3, 7\)"),
        ({"class_names": ()}, r"class_names: expected a tuple of names, got \(\)"),
        ({"class_keys": (1, 2, 3)}, "class_keys: expected 2 integers, one for each name, got tuple"),
    ],
)
def test_arrays_refuse_what_is_no_data_set(changes, message):
    with pytest.raises(UserError, match=message):
        arrays(**changes)
