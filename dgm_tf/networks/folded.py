"""Folded generators: a learned task's generator with masks and batch norm folded into its kernels."""

import functools

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers import few_channels
from dgm_tf.layers.convolution import transposed_convolution
from dgm_tf.networks.forward import in_sequence


class FoldedNetwork(keras.Model):
    """A network of constants.

    Args:
      latent_size: dimensions of z.
      heads: number of classes that have an output layer each, or None: there is one for all.
      name: of the model.

    Shapes: latents float32 [N, latent_size (+ heads)] -> what it makes, float32.
    """

    def __init__(self, latent_size, heads, name):
        super().__init__(name=name, dtype="float32")
        self._latent_size, self._heads = latent_size, heads

    def _constant(self, name, value):
        weight = self.add_weight(name=name, shape=value.shape, trainable=False)
        weight.assign(value)
        return weight

    def _made(self, function, structure, latents, constants):
        """What the network makes of latents, by one graph for all networks of a structure.

        function: of (structure, z [N, latent_size], which: one-hot [N, heads] or None, *constants).
        structure: hashable, all that the graph is built by beside the sizes of kernels.
        """
        z, which = latents[:, : self._latent_size], latents[:, self._latent_size :]
        inputs = [z, *([] if self._heads is None else [which])]
        constants = [tf.convert_to_tensor(constant) for constant in constants]
        specs = tuple(tf.TensorSpec(_known_shape(constant)) for constant in constants)
        return _graph(function, structure, self._heads is not None, specs)(*inputs, *constants)


class FoldedGenerator(FoldedNetwork):
    """Transposed convolutions, ReLU between them and tanh behind; masks and batch norm are folded into them.

    Channels that are 0 for every input are left out, with the weights that they would feed: identical images for
    less work.

    Args:
      maps: list of (kernel [k, k, outputs, inputs], offset [outputs], (strides, padding)), transposed convolutions;
        the last one's offset is None.
      name, heads: see `FoldedNetwork`.

    Attributes:
      widths: channels left of each hidden map; full_widths: before dead ones were left out.
    """

    def __init__(self, maps, name, heads=None):
        super().__init__(maps[0][0].shape[-1], heads, name)
        self._kernels, self._offsets, self._geometry = [], [], tuple(geometry for _, _, geometry in maps)
        self.full_widths = [len(offset) for _, offset, _ in maps[:-1]]
        alive = np.arange(self._latent_size)
        for i, (kernel, offset, _) in enumerate(maps):
            kernel = kernel[..., alive]
            if offset is not None:
                alive = _alive_channels(kernel, offset)
                kernel, offset = kernel[..., alive, :], offset[alive]
            self._kernels.append(self._constant(f"kernel_{i}", kernel))
            self._offsets.append(None if offset is None else self._constant(f"offset_{i}", offset))
        self.widths = [int(kernel.shape[-2]) for kernel in self._kernels[:-1]]
        outputs = maps[-1][0].shape[2]
        self._structure = self._geometry, outputs if outputs <= few_channels.FEW else None
        self.built = True

    def call(self, latents, training=False):
        """Images."""
        offsets = [offset for offset in self._offsets if offset is not None]
        return self._made(_images, self._structure, latents, [*self._kernels, *offsets])


def _images(structure, z, which, *constants):
    return as_images(_maps(structure, as_pixels(z), *constants), which)


def _maps(structure, x, *constants):
    geometry, few_outputs = structure
    kernels, offsets = list(constants[: len(geometry)]), constants[len(geometry) :]
    if few_outputs is not None:  # the one width that a graph knows: it decides how the convolution is computed
        kernels[-1] = tf.ensure_shape(kernels[-1], [*kernels[-1].shape[:2], few_outputs, None])
    *convolutions, image = (
        functools.partial(transposed_convolution, kernel=kernel, strides=strides, padding=padding)
        for kernel, (strides, padding) in zip(kernels, geometry, strict=True)
    )
    return in_sequence(x, convolutions, [functools.partial(_activated, offset=offset) for offset in offsets], image)


def _activated(x, offset):
    return tf.nn.relu(tf.nn.bias_add(x, offset))


@functools.cache
def _graph(function, structure, per_class, specs):
    """The compiled function of (z, [N, heads] where outputs are per class, *constants) that gives what is made.

    Its shapes follow from the arguments here, never from those of the first call in a process: a graph for other
    shapes may sum in another order, and images would depend on what was asked before.
    """
    inputs = [tf.TensorSpec([None, None])] * (2 if per_class else 1)

    @tf.function(input_signature=(*inputs, *specs))
    def made(z, *rest):
        which, constants = (rest[0], rest[1:]) if per_class else (None, rest)
        return function(structure, z, which, *constants)

    return made


def _known_shape(constant):
    """What the graph knows of a constant: of a kernel its size, and no widths."""
    return [*constant.shape[:-2], None, None] if constant.shape.rank > 1 else [None]


def as_pixels(z):
    """z [N, latent_size] as maps of one pixel, [N, 1, 1, latent_size]."""
    return z[:, None, None, :]


def as_images(maps, which):
    """Images in [-1, 1] from [N, H, W, C], or from the maps of all classes, see `of_class`; which may be None."""
    return tf.tanh(maps if which is None else of_class(maps, which))


def of_class(maps, which):
    """Each image's maps of its class: maps [N, H, W, classes * C], which: one-hot [N, classes] -> [N, H, W, C]."""
    _, height, width, _ = maps.shape
    count = tf.shape(which)[1]
    per_class = tf.reshape(maps, [-1, height, width, count, tf.shape(maps)[-1] // count])
    return tf.reduce_sum(per_class * tf.cast(which, maps.dtype)[:, None, None, :, None], axis=3)


def _alive_channels(kernel, offset):
    """Indices of the output channels that can be other than 0 after ReLU; one at least."""
    return at_least_one(np.any(kernel != 0, axis=(0, 1, 3)) | (offset > 0))


def at_least_one(alive):
    """Indices of what is True; [0] where nothing is."""
    indices = np.flatnonzero(alive)
    return indices if len(indices) else np.arange(1)
