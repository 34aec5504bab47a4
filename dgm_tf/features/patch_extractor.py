"""The network that extracts features of whitened patches: one or two layers of filters, rectified and pooled."""

import numbers

import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.errors import UserError
from dgm_tf.features.features import FeatureExtractor
from dgm_tf.registry import register

GREY_LEVELS = 127.5  # of uint8 that make 1 in images in [-1, 1]
_BATCH = 50
_MOST_VALUES = 100_000_000  # of a layer for a batch: a few such outputs are in memory at once
_LEAST_DEVIATION = 0.1  # of a feature that is divided by it, as a share of all features' (root mean square)


@register
@keras.saving.register_keras_serializable("dgm_tf")
class PatchExtractor(FeatureExtractor):
    """Convolutions of patches that are normalised by contrast, rectified in both signs and pooled.

    Args: as in `WhitenedPatches`, and image_shape (H, W, channels).

    Attributes:
      num_channels: of the first layer, 2 * filters for each patch size.
      num_features: for each filter of a layer and each sign one, and grid * grid more for its grid filters.

    Raises:
      UserError: an argument is not as described, or a layer would put out more than the limits.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> features float32 [N, num_features], whatever the policy.
    """

    def __init__(
        self, image_shape=(32, 32, 3), patch_sizes=(4, 6, 9), filters=130, cells=6, grid=3, grid_filters=130,
        second_filters=0, second_size=1, second_components=100, second_grid=2, second_grid_filters=0, mirrored=True,
        contrast=10.0,
    ):  # fmt: skip
        super().__init__(name="features", dtype="float32")
        _check_sizes("image_shape", image_shape, "[1, inf)")
        _check_sizes("patch_sizes", patch_sizes, "[1, inf)")
        self.image_shape, self.patch_sizes, self.filters = tuple(image_shape), tuple(patch_sizes), filters
        self.cells, self.grid, self.grid_filters = cells, grid, grid_filters
        self.mirrored, self.contrast = mirrored, contrast
        self.second_filters, self.second_size = second_filters, second_size
        self.second_components, self.second_grid = second_components, second_grid
        self.second_grid_filters = second_grid_filters
        self._check()
        self.num_channels = 2 * filters * len(self.patch_sizes)
        first = len(self.patch_sizes) * (filters + grid_filters * grid**2)
        self.num_features = 2 * (first + second_filters + second_grid_filters * second_grid**2)
        self.batch_size = max(1, min(FeatureExtractor.batch_size, _MOST_VALUES // self._largest()))
        self._build_first()
        if second_filters:
            self._build_second()
        self.means = self._constant("means", (self.num_features,))
        self.scales = self._constant("scales", (self.num_features,))
        self.built = True

    def _check(self):
        checks.argument("PatchExtractor.image_shape", self.image_shape, len(self.image_shape) == 3, "(H, W, channels)")
        most = min(self.image_shape[:2]) - max(self.patch_sizes) + 1
        checks.argument("PatchExtractor.patch_sizes", self.patch_sizes, most >= 1, "sizes that fit into the image")
        for field in ("filters", "second_components"):
            checks.integer(self, field, "[1, inf)")
        checks.integer(self, "cells", f"[1, {most}]")
        checks.integer(self, "grid", f"[1, {self.cells}]")
        checks.integer(self, "grid_filters", f"[0, {self.filters}]")
        checks.integer(self, "second_filters", "[0, inf)")
        checks.integer(self, "second_grid_filters", f"[0, {self.second_filters}]")
        if self.second_filters:
            checks.integer(self, "second_size", f"[1, {self.cells}]")
            checks.integer(self, "second_grid", f"[1, {self.cells - self.second_size + 1}]")
        checks.flag(self, "mirrored")
        checks.number(self, "contrast", "(0, inf)")

    def _largest(self):
        """Values of the largest output of a layer for one image."""
        height, width, _ = self.image_shape
        first = max((height - s + 1) * (width - s + 1) for s in self.patch_sizes) * self.filters
        later = self.cells**2 * max(self.num_channels, 2 * self.second_filters)
        largest = max(first, later, self.num_features)
        if largest > limits.MAX_BACKBONE_VALUES:
            most = f"{limits.MAX_BACKBONE_VALUES:,}"
            raise UserError(f"PatchExtractor: expected at most {most} values of a layer for an image, got {largest:,}")
        return largest

    def _build_first(self):
        depth, filters = self.image_shape[2], self.filters
        self.kernels = [self._constant(f"kernel_{s}", (s, s, depth, filters)) for s in self.patch_sizes]
        self.offsets = [self._constant(f"offset_{s}", (filters,)) for s in self.patch_sizes]

    def _build_second(self):
        size, depth, filters = self.second_size, self.second_components, self.second_filters
        self.axes = self._constant("axes", (1, 1, self.num_channels, depth))
        self.origin = self._constant("origin", (depth,))
        self.second_kernel = self._constant("second_kernel", (size, size, depth, filters))
        self.second_offset = self._constant("second_offset", (filters,))

    def _constant(self, name, shape):
        return self.add_weight(shape=shape, initializer="zeros", trainable=False, name=name)

    def assign_first(self, size, kernel, offset):
        """Takes the filters of a patch size: kernel [size * size * channels, filters], offset [filters]."""
        i = self.patch_sizes.index(size)
        self.kernels[i].assign(np.reshape(kernel, self.kernels[i].shape))
        self.offsets[i].assign(offset)

    def assign_axes(self, mean, axes):
        """Takes the mean of the first layer's channels and axes [channels, second_components] through it."""
        self.axes.assign(axes[None, None])
        self.origin.assign(mean @ axes)

    def assign_second(self, kernel, offset):
        """Takes the second layer's filters, as `assign_first`."""
        self.second_kernel.assign(np.reshape(kernel, self.second_kernel.shape))
        self.second_offset.assign(offset)

    def standardise(self, images):
        """Makes the features of these images have mean 0 and variance 1, but those that hardly vary less variance.

        What is the same in all images of one class may still differ in others.
        """
        features = np.concatenate(list(self.in_batches(self._pooled, images))).astype(np.float64)
        deviations = features.std(axis=0)
        least = max(_LEAST_DEVIATION * np.sqrt(np.mean(np.square(deviations))), 1e-3)
        self.means.assign(features.mean(axis=0))
        self.scales.assign(1.0 / np.maximum(deviations, least))

    def in_batches(self, function, images):
        """Yields arrays, the function's results for batches of the images."""
        compiled = tf.function(function, reduce_retracing=True)
        for i in range(0, len(images), _BATCH):
            yield compiled(tf.constant(images[i : i + _BATCH])).numpy()

    def call(self, images, training=False):
        """Features [N, num_features]."""
        return (self._pooled(images) - self.means) * self.scales

    def _pooled(self, images):
        views = [images, tf.reverse(images, [2])] if self.mirrored else [images]
        return tf.add_n([self._of_view(view) for view in views]) / len(views)

    def _of_view(self, images):
        cells = self._cells(images)
        means = _means(cells, self.filters, self.grid, self.grid_filters)
        if self.second_filters:
            responses = self._second_responses(self._components(tf.sqrt(cells)))
            signs = tf.concat([tf.nn.relu(responses), tf.nn.relu(-responses)], axis=3)
            means += _means(signs, self.second_filters, self.second_grid, self.second_grid_filters)
        return tf.concat([_flat(tf.sqrt(x)) for x in means], axis=1)

    def components(self, images):
        """What the second layer's patches are of, [N, cells, cells, second_components]."""
        return self._components(self.roots(images))

    def roots(self, images):
        """Square roots of the first layer's channels in each cell, [N, cells, cells, num_channels]."""
        return tf.sqrt(self._cells(images))

    def _cells(self, images):
        parts = [
            _means_of_both_signs(self._responses(images, size, kernel, offset), self.cells)
            for size, kernel, offset in zip(self.patch_sizes, self.kernels, self.offsets, strict=True)
        ]
        return tf.concat(parts, axis=3)

    def _responses(self, images, size, kernel, offset):
        contrast = self.contrast / GREY_LEVELS**2
        mean, square = (tf.reduce_mean(x, axis=3, keepdims=True) for x in (images, tf.square(images)))
        variance = tf.nn.relu(_mean_of_patches(square, size) - tf.square(_mean_of_patches(mean, size)))
        return _convolved(images, kernel) * tf.math.rsqrt(variance + contrast) - offset

    def _components(self, roots):
        return _convolved(roots, self.axes) - self.origin

    def _second_responses(self, components):
        square = tf.reduce_mean(tf.square(components), axis=3, keepdims=True)
        length = tf.sqrt(_mean_of_patches(square, self.second_size) + 1e-3)
        return _convolved(components, self.second_kernel) / length - self.second_offset

    def get_config(self):
        """Keras config."""
        names = (
            "filters", "cells", "grid", "grid_filters", "second_filters", "second_size", "second_components",
            "second_grid", "second_grid_filters", "mirrored", "contrast",
        )  # fmt: skip
        lists = {"image_shape": list(self.image_shape), "patch_sizes": list(self.patch_sizes)}
        return lists | {name: getattr(self, name) for name in names}


def _check_sizes(field, sizes, interval):
    fits = isinstance(sizes, (list, tuple)) and len(sizes) > 0
    fits = fits and all(checks.inside(size, interval, numbers.Integral) for size in sizes)
    checks.argument(f"PatchExtractor.{field}", sizes, fits, f"a list of integers in {interval}")


def _convolved(images, kernel):
    return tf.nn.conv2d(images, kernel, 1, "VALID")


def _mean_of_patches(images, size):
    return tf.nn.avg_pool2d(images, size, 1, "VALID")


def _means_of_both_signs(responses, grid):
    """Means of relu(x) and of relu(-x) = relu(x) - x, which so need not be computed."""
    positive = _grid_of_means(tf.nn.relu(responses), grid)
    negative = tf.nn.relu(positive - _grid_of_means(responses, grid))
    return tf.concat([positive, negative], axis=3)


def _means(channels, filters, grid, grid_filters):
    """Means over the whole image, and over a grid for the first `grid_filters` of each size and sign."""
    means = [_grid_of_means(channels, 1)]
    if grid_filters:
        sides, groups = channels.shape[1:3], channels.shape[3] // filters
        chosen = tf.reshape(channels, [-1, *sides, groups, filters])[..., :grid_filters]
        means.append(_grid_of_means(tf.reshape(chosen, [-1, *sides, groups * grid_filters]), grid))
    return means


def _grid_of_means(channels, grid):
    """Means over grid x grid windows of equal size, which overlap if the grid does not divide the side."""
    sides = channels.shape[1:3]
    strides = [side // grid for side in sides]
    window = [side - (grid - 1) * stride for side, stride in zip(sides, strides, strict=True)]
    return tf.nn.avg_pool2d(channels, window, strides, "VALID")


def _flat(channels):
    return tf.reshape(channels, [-1, int(np.prod(channels.shape[1:]))])
