"""Images held in one array and gathered by index inside the training step."""

import numpy as np
import tensorflow as tf


def to_float(images):
    """uint8 [0, 255] -> float32 [-1, 1]; float images pass as they are."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0 if images.dtype == tf.uint8 else images


def to_uint8(images):
    """float [-1, 1] -> uint8 [0, 255], rounded: numpy in, numpy out."""
    return np.clip(np.rint((np.asarray(images) + 1.0) * 127.5), 0, 255).astype(np.uint8)


def merged(groups):
    """One group (images, labels int32 [sum of N]) of several: uint8 if all are, else float32 in [-1, 1]."""
    exact = all(images.dtype == np.uint8 for images, _ in groups)
    parts = [images if exact else to_float(tf.constant(images)).numpy() for images, _ in groups]
    return np.concatenate(parts), np.concatenate([labels for _, labels in groups]).astype(np.int32)


class ImagePool:
    """Groups of labelled images, such as the replay of each earlier task and the current task's images.

    Args:
      groups: list of (images [N, H, W, C] uint8 or float32 in [-1, 1], labels int [N]).

    Attributes:
      ranges: (start, stop) of each group's indices.
      labels: numpy int32 [sum of N].
    """

    def __init__(self, groups):
        sizes = [len(labels) for _, labels in groups]
        stops = np.cumsum(sizes)
        self.ranges = list(zip((stops - sizes).tolist(), stops.tolist(), strict=True))
        images, self.labels = merged(groups)
        self._images, self._labels = tf.constant(images), tf.constant(self.labels)

    def __len__(self):
        return len(self.labels)

    def gather(self, indices):
        """(float32 images in [-1, 1], int32 labels) for int32 indices [N]."""
        return to_float(tf.gather(self._images, indices)), tf.gather(self._labels, indices)
