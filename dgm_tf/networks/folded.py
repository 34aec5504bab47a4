"""A learned task's generator with nothing left in it but what makes its images: what all kinds share."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers.convolution import transposed_convolution


class FoldedNetwork(keras.Model):
    """A network of constants.

    Args:
      latent_size: dimensions of z.
      heads: number of classes that have an output layer each, or None: there is one for all.
      name: of the model.

    Shapes: latents float32 [N, latent_size (+ heads)] -> images float32 [N, H, W, C] in [-1, 1].
    """

    def __init__(self, latent_size, heads, name):
        super().__init__(name=name, dtype="float32")
        self._latent_size, self._heads = latent_size, heads

    def _constant(self, name, value):
        weight = self.add_weight(name=name, shape=value.shape, trainable=False)
        weight.assign(value)
        return weight

    def _split(self, latents):
        """(pixels [N, 1, 1, latent_size] that the first layer reads, [N, heads] or None)."""
        z, which = latents[:, : self._latent_size], latents[:, self._latent_size :]
        return z[:, None, None, :], None if self._heads is None else which


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
        self.built = True

    def call(self, latents, training=False):
        """Images."""
        kernels = [tf.convert_to_tensor(kernel) for kernel in self._kernels]
        offsets = [tf.convert_to_tensor(offset) for offset in self._offsets if offset is not None]
        return _images(*self._split(latents), kernels, offsets, self._geometry)


@tf.function(reduce_retracing=True)  # one graph for all tasks, whatever their widths
def _images(x, which, kernels, offsets, geometry):
    for kernel, offset, (strides, padding) in zip(kernels, offsets, geometry, strict=False):
        x = tf.nn.relu(tf.nn.bias_add(transposed_convolution(x, kernel, strides, padding), offset))
    maps = transposed_convolution(x, kernels[-1], *geometry[-1])
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
