"""Exemplars: stored real images of earlier classes, and ways of choosing them."""

import numpy as np
import tensorflow as tf

from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.training.inference import in_batches
from dgm_tf.training.pool import to_float


class ExemplarMemory:
    """Stored images of each class, the most valuable first, so that a shrinking budget drops the last ones.

    The stream stays strict: what is here was chosen while its task was learned. It counts in `memory_bytes`.
    """

    def __init__(self):
        self._images = {}

    def __len__(self):
        return sum(map(len, self._images.values()))

    @property
    def classes(self):
        """Labels of the classes stored, in the order of being added."""
        return list(self._images)

    @property
    def nbytes(self):
        """Bytes of the stored images, one a pixel and channel."""
        return sum(images.nbytes for images in self._images.values())

    def add(self, label, images):
        """Stores a class's images, uint8 [n, H, W, C], the most worth keeping first."""
        self._images[int(label)] = np.array(images)

    def truncate(self, per_class):
        """Keeps at most the first `per_class` images of each class."""
        self._images = {label: images[:per_class].copy() for label, images in self._images.items()}

    def remove(self, labels):
        """Drops the images of some classes; the labels of later ones move down."""
        kept = {label: images for label, images in self._images.items() if label not in labels}
        self._images = {label - sum(gone < label for gone in labels): images for label, images in kept.items()}

    def images_of(self, label):
        """uint8 [n, H, W, C] of one class."""
        return self._images[int(label)]

    def group(self):
        """(images uint8 [N, H, W, C], labels int32 [N]) of all classes; a `Pool`'s group. Not for an empty memory."""
        labels = np.repeat(np.asarray(self.classes, np.int32), [len(images) for images in self._images.values()])
        return np.concatenate(list(self._images.values())), labels

    def arrays(self):
        """For `Method.arrays`."""
        return {f"exemplars/{label:04d}": images for label, images in self._images.items()}

    @staticmethod
    def array_specs(num_classes, image_shape):
        """For `Method.array_specs`: images of every class."""
        is_vector = len(image_shape) == 1  # in a feature space
        spec = ArraySpec((None, *image_shape), np.dtype(np.float32 if is_vector else np.uint8))
        return {f"exemplars/{label:04d}": spec for label in range(num_classes)}

    def restore(self, arrays):
        """The inverse of `arrays`; other keys are ignored."""
        self._images = {int(k.split("/")[1]): v for k, v in arrays.items() if k.startswith("exemplars/")}


def random_order(rng, images, count):
    """Positions of `count` images (or all, if there are fewer) at random. images: [n, ...]."""
    return rng.permutation(len(images))[:count]


def herding_order(features, count):
    """Positions of images whose running feature mean stays closest to the class's mean (Rebuffi et al. 2017, Alg. 4).

    features: float [n, d], normalised to length 1; returns min(count, n) positions, the most worth keeping first.
    """
    features = np.asarray(features, np.float64)
    mean, total = features.mean(axis=0), np.zeros(features.shape[1])
    lengths = np.sum(features**2, axis=1)
    left, chosen = np.ones(len(features), bool), []
    for k in range(1, min(count, len(features)) + 1):
        # |k mean - total - f|^2 but for what all have in common: one product instead of a difference for each.
        distances = lengths - 2.0 * features @ (k * mean - total)
        best = int(np.argmin(np.where(left, distances, np.inf)))
        left[best] = False
        total += features[best]
        chosen.append(best)
    return np.asarray(chosen, int)


def normalized_features(network, images):
    """float32 [N, features] of length 1, in inference mode; images: uint8 or float32 in [-1, 1], [N, H, W, C]."""
    return in_batches(
        lambda part: tf.math.l2_normalize(network.features(to_float(part), training=False), axis=1),
        images,
        images.shape[1:],
    )


def herded(network, images, count):
    """The `count` images (or all, if there are fewer) that herding chooses by a network's features, in its order."""
    return images[herding_order(normalized_features(network, images), count)]
