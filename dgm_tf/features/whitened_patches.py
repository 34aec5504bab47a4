"""Whitened patches: filters found without labels in the first task's images, rectified and pooled."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.features import patches
from dgm_tf.features.features import Features
from dgm_tf.features.patch_extractor import GREY_LEVELS, PatchExtractor
from dgm_tf.registry import register
from dgm_tf.training.pool import to_float
from dgm_tf.training.randomness import numpy_generator

MOST_IMAGES = 5_000  # of which the first layer's patches are drawn
MOST_EXTRACTED = 2_000  # of which the second layer's patches are drawn, and whose features are made standard


@gin.register
@register
@dataclasses.dataclass
class WhitenedPatches(Features):
    """Filters by spherical k-means on whitened patches (Coates & Ng, 2012), of several sizes, in one or two layers.

    A filter gives two channels: how well it fits a patch, and how well its negative does. Features are square roots of
    a channel's means over parts of the image. They are made standard: mean 0 and variance 1 over the first task's
    images, less variance where they hardly vary.

    The second layer's filters are for patches of the first layer's channels, reduced to principal components.

    Settings:
      patch_sizes: pixels along each side.
      filters: of each size.
      cells: the first layer's channels are averaged over cells x cells parts of the image.
      grid: a channel's mean over the whole image is a feature, and so are its means over grid x grid parts.
      grid_filters: of each size, for which the latter is so; None: all. They cost grid x grid times as many features.
      second_filters: of the second layer; 0: there is none.
      second_size: cells along each side of the second layer's patches.
      second_components: principal components of the first layer's channels.
      second_grid: as `grid`, for the second layer.
      second_grid_filters: as `grid_filters`, for the second layer.
      mirrored: whether a feature is the mean of the image's and its mirror image's. Both then have the same features,
        as if mirrored copies were learned and each image classified together with its own.
      contrast: added to a patch's variance, in squares of grey levels, before the patch is divided by its deviation.
      whitening: added to the variance along each principal axis of the normalised patches.
      second_whitening: the same for the second layer.
      patches: drawn to find the filters, for each size and for the second layer.
      iterations: of k-means.
    """

    patch_sizes: tuple = (4, 6, 9)
    filters: int = 130
    cells: int = 6
    grid: int = 3
    grid_filters: int | None = None
    second_filters: int = 0
    second_size: int = 1
    second_components: int = 100
    second_grid: int = 2
    second_grid_filters: int | None = None
    mirrored: bool = True
    contrast: float = 10.0
    whitening: float = 0.1
    second_whitening: float = 1.0
    patches: int = 100_000
    iterations: int = 10

    def __post_init__(self):
        checks.integers(self, "patch_sizes", "[2, inf)")
        different = len(set(self.patch_sizes)) == len(self.patch_sizes)
        checks.argument("WhitenedPatches.patch_sizes", self.patch_sizes, different, "different sizes")
        for field in ("filters", "cells", "second_components", "second_grid", "patches", "iterations"):
            checks.integer(self, field, "[1, inf)")
        checks.integer(self, "second_filters", "[0, inf)")
        for field in ("contrast", "whitening", "second_whitening"):
            checks.number(self, field, "(0, inf)")
        checks.flag(self, "mirrored")
        self._check_layers()

    def _check_layers(self):
        checks.integer(self, "grid", f"[1, {self.cells}]")
        for field, most in (("grid_filters", self.filters), ("second_grid_filters", self.second_filters)):
            if getattr(self, field) is not None:
                checks.integer(self, field, f"[0, {most}]")
        checks.integer(self, "second_size", f"[1, {self.cells}]")
        if self.second_filters:
            most = self.cells - self.second_size + 1
            checks.integer(self, "second_grid", f"[1, {most}]")
            checks.integer(self, "second_components", f"[1, {2 * self.filters * len(self.patch_sizes)}]")

    def check(self, image_shape):
        """A patch of each size must fit into the image at `cells` places along each side."""
        most = min(image_shape[:2]) - self.cells + 1
        if max(self.patch_sizes) > most:
            raise UserError(
                f"WhitenedPatches.patch_sizes: expected at most {most} pixels for images of {image_shape[0]}x"
                f"{image_shape[1]} and {self.cells} cells along each side, got {max(self.patch_sizes)}; choose smaller "
                "patches or fewer cells"
            )

    def extractor_class(self):
        """`PatchExtractor`."""
        return PatchExtractor

    def extractor(self, images, seed):
        """A `PatchExtractor` whose filters come from these images alone."""
        extractor = PatchExtractor(
            image_shape=images.shape[1:],
            patch_sizes=self.patch_sizes,
            filters=self.filters,
            cells=self.cells,
            grid=self.grid,
            grid_filters=self.filters if self.grid_filters is None else self.grid_filters,
            second_filters=self.second_filters,
            second_size=self.second_size,
            second_components=self.second_components,
            second_grid=self.second_grid,
            second_grid_filters=self.second_filters if self.second_grid_filters is None else self.second_grid_filters,
            mirrored=self.mirrored,
            contrast=self.contrast,
        )
        self._find_first(extractor, _sample(images, MOST_IMAGES, numpy_generator(seed, "images of patches")), seed)
        few = _sample(images, MOST_EXTRACTED, numpy_generator(seed, "images of features"))
        if self.second_filters:
            self._find_second(extractor, few, numpy_generator(seed, "patches of channels"))
        extractor.standardise(few)
        return extractor

    def _find_first(self, extractor, images, seed):
        for size in self.patch_sizes:
            generator = numpy_generator(seed, "patches", size)
            drawn = patches.drawn(images, size, self.patches, generator)
            normalised = patches.normalised(drawn, self.contrast / GREY_LEVELS**2)
            kernel, offset = self._filters(normalised, self.filters, self.whitening, generator)
            # An image's patches keep their means: the kernel takes them away.
            extractor.assign_first(size, kernel - kernel.mean(axis=0), offset)

    def _find_second(self, extractor, images, generator):
        roots = extractor.in_batches(extractor.roots, images)
        extractor.assign_axes(*patches.principal_axes(roots, self.second_components))
        components = np.concatenate(list(extractor.in_batches(extractor.components, images)))
        drawn = patches.drawn(components, self.second_size, self.patches, generator)
        unit = drawn / np.sqrt(np.mean(np.square(drawn), axis=1, keepdims=True) + 1e-3)
        kernel, offset = self._filters(unit, self.second_filters, self.second_whitening, generator)
        extractor.assign_second(kernel, offset)

    def _filters(self, drawn, count, epsilon, generator):
        mean, matrix = patches.whitening(drawn, epsilon)
        filters = patches.spherical_means((drawn - mean) @ matrix, count, self.iterations, generator)
        kernel = matrix @ filters.T
        return kernel, mean @ kernel


def _sample(images, most, generator):
    """At most so many of the images, as float32. Of `Rows` no others are read."""
    chosen = np.sort(generator.permutation(len(images))[:most])
    return to_float(tf.constant(np.asarray(images[chosen]))).numpy()
