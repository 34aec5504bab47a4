"""Pools of labelled images, in memory or on disk, gathered by index inside the training step."""

import itertools

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
    """One group (images, labels int32 [sum of N]) of several.

    The images are uint8 if all are, else float32 in [-1, 1]; they are `Rows`, and not read, if some are.
    """
    parts, labels = zip(*groups, strict=True)
    streams = any(isinstance(part, Rows) for part in parts)
    if any(part.dtype != np.uint8 for part in parts):
        parts = [_as_floats(part) for part in parts]
    images = parts[0] if len(parts) == 1 else Rows(parts) if streams else np.concatenate(parts)
    return images, np.concatenate(labels).astype(np.int32)


def _as_floats(part):
    if part.dtype != np.uint8:
        return part
    return _Floats(part) if isinstance(part, Rows) else to_float(tf.constant(part)).numpy()


class _Floats:
    """`Rows` of uint8 images as float32 in [-1, 1], made when they are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, rows):
        self._rows, self.shape = rows, rows.shape

    def __len__(self):
        return len(self._rows)

    def __getitem__(self, indices):
        return np.asarray(to_float(tf.constant(self._rows[indices])))


class Pool:
    """Labelled images that a phase learns from: a task's own, and the replay of earlier ones.

    A group is a pair (images [N, H, W, C] uint8 or float32 in [-1, 1], labels int [N]). Images that come as `Rows` stay
    where they are, and each step reads its own; the results are the same.

    Args:
      replay: list of groups, as a rule one for each earlier task.
      current: group of the task being learned.

    Attributes:
      replay, current: the rows of each group of replay, and of the current one, as `range`s.
      labels: numpy int32 [rows].
    """

    def __init__(self, replay, current):
        stops = np.cumsum([0, *(len(labels) for _, labels in (*replay, current))]).tolist()
        *self.replay, self.current = itertools.starmap(range, itertools.pairwise(stops))
        images, self.labels = merged([*replay, current])
        self._images = images if isinstance(images, Rows) else tf.constant(images)
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


class RehearsalPool(Pool):
    """A few stored images of earlier classes and the current task's many: every batch is drawn from both.

    A pass is as long as one over the current images alone. In a plain pass over all of them ten stored images of a
    class would be lost among thousands of the current ones.

    Args:
      stored, current: groups.
      current_share: share in (0, 1] of current images in a batch, on average; None: every class equally often.
    """

    def __init__(self, stored, current, current_share=None):
        super().__init__([stored], current)
        self._current_share = current_share

    def num_batches(self, batch_size):
        """Batches in one pass."""
        return schedules.num_batches(len(self.current), batch_size)

    def epoch_batches(self, rng, batch_size):
        """Indices [batches, batch_size], drawn with replacement."""
        return schedules.constant(rng, self, batch_size, self.num_batches(batch_size), self._current_share)
