"""Whitened patches: filters found without labels in the first task's images, rectified and pooled."""

import dataclasses

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.features import patches
from dgm_tf.features.features import FeatureExtractor, Features
from dgm_tf.registry import register
from dgm_tf.training.pool import to_float
from dgm_tf.training.randomness import numpy_generator

MOST_IMAGES = 5_000  # of which patches are drawn, and
MOST_STANDARDISED = 2_000  # whose features give their means and deviations
_BATCH = 100


@gin.register
@register
@dataclasses.dataclass
class WhitenedPatches(Features):
    """Filters by spherical k-means on whitened patches (Coates & Ng, 2012), of several sizes.

    Settings:
      patch_sizes: pixels along each side.
      filters: of each size. A filter gives two channels: where it fits, and where its negative does.
      grid: a channel's means over grid x grid cells of the image are its features.
      threshold: taken away from a filter's absolute response before it counts.
      root: whether a feature is the square root of such a mean.
      mirrored: whether a feature is the mean of the image's and its mirror image's. An image and its mirror image
        then have the same features.
      contrast: added to a patch's variance, in squares of grey levels, before the patch is divided by its deviation.
      whitening: added to the variance along each principal axis of the normalised patches.
      patches: of each size, drawn to find the filters.
      iterations: of k-means.

    The features are standardised: they have mean 0 and variance 1 over the first task's images.
    """

    patch_sizes: tuple = (4, 6, 9)
    filters: int = 130
    grid: int = 3
    threshold: float = 0.0
    root: bool = True
    mirrored: bool = True
    contrast: float = 10.0
    whitening: float = 0.1
    patches: int = 100_000
    iterations: int = 10

    def __post_init__(self):
        checks.integers(self, "patch_sizes", "[2, inf)")
        different = len(set(self.patch_sizes)) == len(self.patch_sizes)
        checks.argument("WhitenedPatches.patch_sizes", self.patch_sizes, different, "different sizes")
        for field in ("filters", "grid", "patches", "iterations"):
            checks.integer(self, field, "[1, inf)")
        checks.number(self, "threshold", "[0, inf)")
        for field in ("contrast", "whitening"):
            checks.number(self, field, "(0, inf)")
        for field in ("root", "mirrored"):
            checks.flag(self, field)

    def check(self, image_shape):
        """A patch of each size must fit into the image at `grid` places along each side."""
        most = min(image_shape[:2]) - self.grid + 1
        if max(self.patch_sizes) > most:
            raise UserError(
                f"WhitenedPatches.patch_sizes: expected at most {most} pixels for images of {image_shape[0]}x"
                f"{image_shape[1]} and a grid of {self.grid}, got {max(self.patch_sizes)}; choose smaller patches or "
                "a coarser grid"
            )

    def extractor_class(self):
        """`PatchExtractor`."""
        return PatchExtractor

    def extractor(self, images, seed):
        """A `PatchExtractor` whose filters come from these images alone."""
        extractor = PatchExtractor(
            images.shape[1:], self.patch_sizes, self.filters, self.grid, self.threshold, self.root, self.mirrored,
            self.contrast,
        )  # fmt: skip
        floats = _sample(images, MOST_IMAGES, numpy_generator(seed, "images of patches"))
        for size in self.patch_sizes:
            extractor.assign(size, *self._filters(floats, size, numpy_generator(seed, "patches", size)))
        extractor.standardise(_sample(images, MOST_STANDARDISED, numpy_generator(seed, "images of features")))
        return extractor

    def _filters(self, images, size, generator):
        drawn = patches.drawn(images, size, self.patches, generator)
        drawn = patches.normalised(drawn, _in_floats(self.contrast))
        mean, matrix = patches.whitening(drawn, self.whitening)
        filters = patches.spherical_means((drawn - mean) @ matrix, self.filters, self.iterations, generator)
        return patches.convolution(mean, matrix, filters)


def _sample(images, most, generator):
    """At most so many of the images, as float32. Of `Rows` no others are read."""
    chosen = np.sort(generator.permutation(len(images))[:most])
    return to_float(tf.constant(np.asarray(images[chosen]))).numpy()


def _in_floats(contrast):
    """The square of 127.5 grey levels is 1."""
    return contrast / 127.5**2


@register
@keras.saving.register_keras_serializable("dgm_tf")
class PatchExtractor(FeatureExtractor):
    """Convolutions of patches that are normalised by contrast, rectified in both signs and pooled.

    Args: as in `WhitenedPatches`, and image_shape (H, W, channels).

    Attributes:
      num_features: 2 * filters * grid * grid for each size.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> features float32 [N, num_features].
    """

    def __init__(
        self, image_shape=(32, 32, 3), patch_sizes=(4, 6, 9), filters=130, grid=3, threshold=0.0, root=True,
        mirrored=True, contrast=10.0,
    ):  # fmt: skip
        super().__init__(name="features")
        self.image_shape, self.patch_sizes = tuple(image_shape), tuple(patch_sizes)
        self.filters, self.grid, self.threshold = filters, grid, threshold
        self.root, self.mirrored, self.contrast = root, mirrored, contrast
        self.num_features = len(self.patch_sizes) * 2 * filters * grid * grid
        self.kernels = [self._constant(f"kernel_{s}", (s, s, self.image_shape[2], filters)) for s in self.patch_sizes]
        self.offsets = [self._constant(f"offset_{s}", (filters,)) for s in self.patch_sizes]
        self.means = self._constant("means", (self.num_features,))
        self.scales = self._constant("scales", (self.num_features,), "ones")
        self.built = True

    def _constant(self, name, shape, initializer="zeros"):
        return self.add_weight(shape=shape, initializer=initializer, trainable=False, name=name)

    def assign(self, size, kernel, offset):
        """Takes the filters of a patch size: kernel [size * size * channels, filters], offset [filters]."""
        i = self.patch_sizes.index(size)
        self.kernels[i].assign(np.reshape(kernel, self.kernels[i].shape))
        self.offsets[i].assign(offset)

    def standardise(self, images):
        """Makes the features of these images have mean 0 and variance 1. Constant ones become 0."""
        pooled = tf.function(self._pooled)
        parts = [pooled(images[i : i + _BATCH]).numpy() for i in range(0, len(images), _BATCH)]
        features = np.concatenate(parts).astype(np.float64)
        deviations = features.std(axis=0)
        self.means.assign(features.mean(axis=0))
        self.scales.assign(np.where(deviations > 1e-6, 1.0 / np.maximum(deviations, 1e-6), 0.0))

    def call(self, images, training=False):
        """Features [N, num_features]."""
        return (self._pooled(images) - self.means) * self.scales

    def _pooled(self, images):
        views = [images, tf.reverse(images, [2])] if self.mirrored else [images]
        return tf.add_n([self._of_view(view) for view in views]) / len(views)

    def _of_view(self, images):
        parts = [
            self._of_size(images, size, kernel, offset)
            for size, kernel, offset in zip(self.patch_sizes, self.kernels, self.offsets, strict=True)
        ]
        return tf.concat(parts, axis=1)

    def _of_size(self, images, size, kernel, offset):
        responses = tf.nn.conv2d(images, kernel, 1, "VALID") / self._deviations(images, size) - offset
        signs = [tf.nn.relu(responses - self.threshold), tf.nn.relu(-responses - self.threshold)]
        cells = tf.concat([self._cells(sign) for sign in signs], axis=3)
        cells = tf.sqrt(cells) if self.root else cells
        return tf.reshape(cells, [-1, 2 * self.filters * self.grid * self.grid])

    def _deviations(self, images, size):
        """Standard deviation of each patch, [N, H', W', 1]."""
        moments = tf.concat([tf.reduce_mean(f(images), axis=3, keepdims=True) for f in (tf.identity, tf.square)], 3)
        moments = tf.nn.avg_pool2d(moments, size, 1, "VALID")
        variances = tf.nn.relu(moments[..., 1:] - tf.square(moments[..., :1]))
        return tf.sqrt(variances + _in_floats(self.contrast))

    def _cells(self, channels):
        """Means over grid x grid cells of equal size, which overlap if the grid does not divide the side."""
        sides = channels.shape[1:3]
        strides = [side // self.grid for side in sides]
        window = [side - (self.grid - 1) * stride for side, stride in zip(sides, strides, strict=True)]
        return tf.nn.avg_pool2d(channels, window, strides, "VALID")

    def get_config(self):
        """Keras config."""
        return {
            "image_shape": list(self.image_shape),
            "patch_sizes": list(self.patch_sizes),
            "filters": self.filters,
            "grid": self.grid,
            "threshold": self.threshold,
            "root": self.root,
            "mirrored": self.mirrored,
            "contrast": self.contrast,
        }
