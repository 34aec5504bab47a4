"""Pools of labelled images, in memory or on disk, gathered by index inside the training step."""

import numpy as np
import tensorflow as tf

from dgm_tf.data.rows import Rows
from dgm_tf.training import schedules


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


class _Floats:
    """`Rows` of uint8 images as float32 in [-1, 1], made when they are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, rows):
        self._rows, self.shape = rows, rows.shape

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, indices):
        return np.asarray(to_float(tf.constant(self._rows[indices])))


def _streamed(parts):
    """Groups' images as `Rows`, all uint8 or all float32."""
    if all(part.dtype == np.uint8 for part in parts):
        return Rows(parts)
    floats = [
        part if part.dtype != np.uint8 else _Floats(part) if isinstance(part, Rows) else to_float(part).numpy()
        for part in parts
    ]
    return Rows(floats)


class ImagePool:
    """Groups of labelled images, such as the replay of each earlier task and the current task's images.

    Images that come as `Rows` stay where they are, and each step reads its own; the results are the same.

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
        parts, labels = zip(*groups, strict=True)
        self.labels = np.concatenate(labels).astype(np.int32)
        streams = any(isinstance(part, Rows) for part in parts)
        self._images = _streamed(parts) if streams else tf.constant(merged(groups)[0])
        self._labels = tf.constant(self.labels)

    def __len__(self):
        return len(self.labels)

    def gather(self, indices):
        """(float32 images in [-1, 1], int32 labels) for int32 indices [N]."""
        return to_float(self._images_at(indices)), tf.gather(self._labels, indices)

    def _images_at(self, indices):
        if not isinstance(self._images, Rows):
            return tf.gather(self._images, indices)
        # Stateless, so that a graph which asks for labels alone reads no image.
        kind = tf.as_dtype(self._images.dtype)
        images = tf.numpy_function(lambda i: np.asarray(self._images[i]), [indices], kind, stateful=False)
        return tf.ensure_shape(images, [*indices.shape, *self._images.shape[1:]])

    def num_batches(self, batch_size):
        """Batches in one pass."""
        return schedules.num_batches(len(self), batch_size)

    def epoch_batches(self, rng, batch_size):
        """One pass in random order, [batches, batch_size] indices."""
        return schedules.epoch_batches(rng, len(self), batch_size)


class RehearsalPool(ImagePool):
    """A few stored images of earlier classes and the current task's many: every batch is drawn from both.

    A pass is as long as one over the current images alone. In a plain pass over all of them ten stored images of a
    class would be lost among thousands of the current ones.

    Args:
      stored, current: (images, labels), as `ImagePool`'s groups.
      current_share: share in (0, 1] of current images in a batch, on average; None: every class equally often.
    """

    def __init__(self, stored, current, current_share=None):
        super().__init__([stored, current])
        self._current_share = current_share

    def num_batches(self, batch_size):
        """Batches in one pass."""
        start, stop = self.ranges[-1]
        return schedules.num_batches(stop - start, batch_size)

    def epoch_batches(self, rng, batch_size):
        """Indices [batches, batch_size], drawn with replacement."""
        return schedules.constant(rng, self, batch_size, self.num_batches(batch_size), self._current_share)
