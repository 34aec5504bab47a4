"""Augmentation of a classifier's inputs, so that it does not learn the generators' fingerprints."""

import dataclasses

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.registry import register
from dgm_tf.training.randomness import normal, split_seed, uniform


@gin.register
@register
@dataclasses.dataclass(frozen=True)
class Augmentation:
    """Levels, affine changes and noise, each image its own; 0 or a pair of equal ends turns one off.

    It touches classification updates only, never the critic. Its randomness is stateless, so that a resumed run
    draws the same (Keras's random layers keep a state that a checkpoint would have to carry).

    Each kind has a setting of its own, since which changes leave a class what it is depends on the images: a digit may
    be turned a little and not mirrored.

    Attributes:
      black_level: (low, high) added to images in [0, 1], then clipped.
      contrast: (low, high) factor on images in [0, 1].
      translation: largest shift, share of the image's side.
      rotation: largest angle, share of a full turn.
      zoom: largest relative change of size.
      noise: standard deviation of Gaussian noise on images in [-1, 1].
      horizontal_flip: whether every other image, at random, is mirrored.
    """

    black_level: tuple = (0.0, 0.3)
    contrast: tuple = (0.7, 1.1)
    translation: float = 0.08
    rotation: float = 0.03
    zoom: float = 0.1
    noise: float = 0.15
    horizontal_flip: bool = False

    def __post_init__(self):
        checks.pair(self, "black_level", "[-1, 1]")
        checks.pair(self, "contrast", "[0, inf)")
        for name in ("translation", "rotation", "zoom"):
            checks.number(self, name, "[0, 1)")
        checks.number(self, "noise", "[0, inf)")
        checks.flag(self, "horizontal_flip")

    def __call__(self, images, seed):
        """float32 images [N, H, W, C] in [-1, 1], int32 seed [2] -> images of the same shape."""
        changes, noise, mirroring = split_seed(seed, 3)
        draws = uniform([7, tf.shape(images)[0]], changes)
        if self.horizontal_flip:
            flipped = uniform([tf.shape(images)[0], 1, 1, 1], mirroring) < 0.5
            images = tf.where(flipped, images[:, :, ::-1], images)
        if self.translation or self.rotation or self.zoom:
            images = self._affine(images, draws)
        images = self._levels(images, draws)
        return images + self.noise * normal(tf.shape(images), noise)

    def _levels(self, images, draws):
        black, contrast = (
            (low + (high - low) * draw)[:, None, None, None]
            for (low, high), draw in zip((self.black_level, self.contrast), tf.unstack(draws[:2]), strict=True)
        )
        light = (images + 1.0) / 2.0
        return tf.clip_by_value(black + contrast * light, 0.0, 1.0) * 2.0 - 1.0

    def _affine(self, images, draws):
        height, width = images.shape[1:3]
        dx, dy, angle, zoom_x, zoom_y = (2.0 * d - 1.0 for d in tf.unstack(draws[2:]))
        angle = angle * self.rotation * 2.0 * np.pi
        scale_x, scale_y = 1.0 + self.zoom * zoom_x, 1.0 + self.zoom * zoom_y
        a, b = scale_x * tf.cos(angle), -scale_y * tf.sin(angle)
        c, d = scale_x * tf.sin(angle), scale_y * tf.cos(angle)
        center_x, center_y = (width - 1) / 2.0, (height - 1) / 2.0
        shift_x = center_x - a * center_x - b * center_y + dx * self.translation * width
        shift_y = center_y - c * center_x - d * center_y + dy * self.translation * height
        zeros = tf.zeros_like(a)
        transforms = tf.stack([a, b, shift_x, c, d, shift_y, zeros, zeros], axis=1)
        background = -1.0  # black beyond the border, as in the images
        return keras.ops.image.affine_transform(
            images - background, transforms, "bilinear", "constant", 0.0, data_format="channels_last"
        ) + background  # fmt: skip
