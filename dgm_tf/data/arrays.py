"""Arrays of images and labels: a whole data set, and one split of a task."""

import dataclasses
from collections.abc import Callable

import numpy as np

from dgm_tf.data.rows import Images, Rows
from dgm_tf.errors import UserError
from dgm_tf.text import shown

# Images resized at once: as fast as all of them together, in a fraction of the memory.
_RESIZE_BATCH = 1024


@dataclasses.dataclass(frozen=True, eq=False)
class Split:
    """Labelled images.

    images: uint8 [N, H, W, C], an array or `Rows`; labels: int32 [N], learning-order labels. Arrays of other libraries,
    such as tensors, become NumPy's.

    Raises:
        UserError: shapes or types differ from these.
    """

    images: Images
    labels: np.ndarray

    def __post_init__(self):
        for name in ("images", "labels"):
            object.__setattr__(self, name, _as_numpy(getattr(self, name)))
        _check_images("Split.images", self.images)
        if np.shape(self.labels) != (len(self.images),) or _dtype(self.labels) != np.int32:
            raise UserError(
                f"Split.labels: expected int32 [{len(self.images)}], one for each image, got {_described(self.labels)}"
            )

    def __len__(self):
        return len(self.labels)

    def of_class(self, label):
        """Returns the images of one class, uint8 [n, H, W, C]."""
        return self.images[self.labels == label]


@dataclasses.dataclass(frozen=True, eq=False)
class Arrays:
    """A whole data set, as returned by a source's `load()`.

    Args:
        train_images, test_images: uint8 [N, H, W, C], arrays or `Rows`.
        train_labels, test_labels: integers [N], indices into class_names.
        class_names: the data set's own names in its own order.
        class_keys: a uint32 for each class, the seed of its validation split; None: its label.
        natural_order: labels in natural order; None: as they are.
        facts: `fingerprints.FACTS` of training and test images; None: not known yet.
        place: function from "train" or "test" and a row to a text that identifies the image.
        notes: sentences to show to the user.

    Raises:
        UserError: shapes or types differ from these, or a label has no name.
    """

    train_images: Images
    train_labels: np.ndarray
    test_images: Images
    test_labels: np.ndarray
    class_names: tuple[str, ...]
    class_keys: tuple[int, ...] | None = None
    natural_order: tuple[int, ...] | None = None
    facts: tuple | None = None
    place: Callable[[str, int], str] | None = None
    notes: tuple[str, ...] = ()

    def __post_init__(self):
        _check_names(self.class_names, self.class_keys)
        for part in ("train", "test"):
            images, labels = getattr(self, f"{part}_images"), getattr(self, f"{part}_labels")
            _check_images(f"{part}_images", images)
            _check_labels(f"{part}_labels", labels, len(images), len(self.class_names))
        if self.train_images.shape[1:] != self.test_images.shape[1:]:
            raise UserError(
                f"test_images: expected the training images' shape {self.train_images.shape[1:]}, got "
                f"{self.test_images.shape[1:]}"
            )


def resized(images, size):
    """Resizes images to size x size: bilinear, antialiased if they shrink, rounded.

    images: uint8 [N, H, W, C]; size: pixels. Returns uint8 [N, size, size, C].
    """
    height, width, channels = images.shape[1:]
    if (height, width) == (size, size):
        return images
    if isinstance(images, Rows):
        raise UserError(
            f"image_size: expected {height}, the size of images that are too many for memory, got {size} (set the "
            "source's size to the same)"
        )
    import tensorflow as tf  # here, so that importing the package stays quick

    result = np.empty((len(images), size, size, channels), np.uint8)
    # On the CPU whatever else there is: the same pixels on every machine.
    with tf.device("CPU:0"):
        for start in range(0, len(images), _RESIZE_BATCH):
            batch = images[start : start + _RESIZE_BATCH]
            batch = tf.image.resize(batch, (size, size), antialias=size < max(height, width))
            result[start : start + _RESIZE_BATCH] = np.clip(np.rint(batch.numpy()), 0, 255)
    return result


def _check_names(names, keys):
    fits = isinstance(names, (tuple, list)) and all(isinstance(name, str) for name in names)
    if not fits or not names:
        raise UserError(f"class_names: expected a tuple of names, got {shown(repr(names), most=80)}")
    if keys is not None and np.shape(keys) != (len(names),):
        raise UserError(f"class_keys: expected {len(names)} integers, one for each name, got {_described(keys)}")


def _check_images(argument, images):
    if np.ndim(images) != 4 or _dtype(images) != np.uint8:
        raise UserError(f"{argument}: expected uint8 [N, H, W, C], got {_described(images)}")


def _check_labels(argument, labels, num_images, num_classes):
    if np.shape(labels) != (num_images,) or not np.issubdtype(_dtype(labels), np.integer):
        raise UserError(f"{argument}: expected integers [{num_images}], one for each image, got {_described(labels)}")
    if num_images and not 0 <= labels.min() <= labels.max() < num_classes:
        raise UserError(
            f"{argument}: expected labels from 0 to {num_classes - 1}, one for each class name, got "
            f"{labels.min()} to {labels.max()} (a split without labels?)"
        )


def _as_numpy(array):
    """Converts an array of another library to NumPy; returns anything else unchanged."""
    if isinstance(array, (np.ndarray, Rows)) or not hasattr(array, "dtype") or not hasattr(array, "__array__"):
        return array
    try:
        return np.asarray(array)
    except Exception:  # one that holds no values, or none that this process may read: each library has its own error
        return array


def _dtype(array):
    return getattr(array, "dtype", np.dtype(object))  # lists and the like are no arrays


def _described(array):
    return f"{getattr(array, 'dtype', type(array).__name__)} {list(np.shape(array))}"
