"""A learned task's generator with nothing left in it but what makes its images."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers.convolution import transposed_convolution


class FoldedGenerator(keras.Model):
    """Transposed convolutions, ReLU between them and tanh behind; masks and batch norm are folded into them.

    Channels that are 0 for every input are left out, with the weights that they would feed: identical images for
    less work.

    Args:
      maps: list of (kernel [k, k, outputs, inputs], offset [outputs], (strides, padding)), transposed convolutions;
        the last one's offset is None.
      name: of the model.

    Attributes:
      widths: channels left of each hidden map; full_widths: before dead ones were left out.

    Shapes: latents float32 [N, latent] -> images float32 [N, H, W, C] in [-1, 1].
    """

    def __init__(self, maps, name):
        super().__init__(name=name, dtype="float32")
        self._kernels, self._offsets, self._geometry = [], [], tuple(geometry for _, _, geometry in maps)
        self.full_widths = [len(offset) for _, offset, _ in maps[:-1]]
        alive = np.arange(maps[0][0].shape[-1])
        for kernel, offset, _ in maps:
            kernel = kernel[..., alive]
            if offset is not None:
                alive = _alive_channels(kernel, offset)
                kernel, offset = kernel[..., alive, :], offset[alive]
            self._kernels.append(self._constant("kernel", kernel))
            self._offsets.append(None if offset is None else self._constant("offset", offset))
        self.widths = [int(kernel.shape[-2]) for kernel in self._kernels[:-1]]
        self.built = True

    def _constant(self, name, value):
        weight = self.add_weight(name=f"{name}_{len(self._kernels)}", shape=value.shape, trainable=False)
        weight.assign(value)
        return weight

    def call(self, latents, training=False):
        """Images."""
        kernels = [tf.convert_to_tensor(kernel) for kernel in self._kernels]
        offsets = [tf.convert_to_tensor(offset) for offset in self._offsets if offset is not None]
        return _images(latents, kernels, offsets, self._geometry)


@tf.function(reduce_retracing=True)  # one graph for all tasks, whatever their widths
def _images(latents, kernels, offsets, geometry):
    x = latents[:, None, None, :]
    for kernel, offset, (strides, padding) in zip(kernels, offsets, geometry, strict=False):
        x = tf.nn.relu(tf.nn.bias_add(transposed_convolution(x, kernel, strides, padding), offset))
    return tf.tanh(transposed_convolution(x, kernels[-1], *geometry[-1]))


def _alive_channels(kernel, offset):
    """Indices of the output channels that can be other than 0 after ReLU; one at least."""
    axes = tuple(axis for axis in range(kernel.ndim) if axis != kernel.ndim - 2)
    alive = np.flatnonzero(np.any(kernel != 0, axis=axes) | (offset > 0))
    return alive if len(alive) else np.arange(1)
