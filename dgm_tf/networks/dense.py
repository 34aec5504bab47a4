"""The generator of feature vectors: masked dense layers."""

import functools

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.layers import MaskedDense, TaskDense
from dgm_tf.networks.folded import FoldedNetwork, at_least_one, of_class
from dgm_tf.networks.forward import in_sequence
from dgm_tf.networks.plastic import PlasticGenerator
from dgm_tf.networks.task_generator import FOLLOW_FROM_TASKS
from dgm_tf.registry import register

_READ_AT_ONCE = 1024  # vectors


@gin.register(denylist=FOLLOW_FROM_TASKS)
@register
@keras.saving.register_keras_serializable("dgm_tf")
class DenseGenerator(PlasticGenerator):
    """Masked dense layers with batch norm and ReLU, then an unmasked one to feature vectors.

    The unmasked layer's bias starts as the mean of the task's vectors, or of each of its classes: the rest of the
    network learns how vectors differ from it.

    Args:
      image_shape: (D,), of a vector.
      units: widths of the masked layers at the first task.
      The others: see `TaskGenerator`, whose `filters` has no meaning here.

    Shapes: latents float32 [N, latent_size (+ classes of the task, where outputs are per class)] -> vectors float32
    [N, D].
    """

    def __init__(self, image_shape=(1,), units=(512, 512), widths=None, **kwargs):
        self.units = units
        checks.integers(self, "units", "[1, inf)")
        super().__init__(image_shape=image_shape, widths=widths, **kwargs)

    def _first_widths(self):
        return list(self.units)

    def _check(self, plasticity):
        super()._check(plasticity)
        fits = len(self.image_shape) == 1 and checks.inside(self.image_shape[0], f"[1, {limits.MAX_BACKBONE_FEATURES}]")
        expected = "(D,), of feature vectors; for images choose DCGANGenerator or ResNetGenerator"
        checks.argument("DenseGenerator.image_shape", self.image_shape, fits, expected)

    def _wiring(self, task):
        return {f"masked_{i}": (i, i + 1) for i in range(len(self.widths))}

    def _masked_layers(self):
        return [
            MaskedDense(
                width, plasticity=self.plasticity, task_shapes=self._task_shapes(name),
                kernel_initializer="he_normal", name=name,
            )
            for name, width in zip(self._wiring(self.num_tasks - 1), self.widths, strict=True)
        ]  # fmt: skip

    def _output_layer(self, channels, task_shapes):
        return TaskDense(channels, use_bias=True, task_shapes=task_shapes, name="vector")

    def start_near(self, images, labels):
        """Makes the mean vectors the outputs' bias; images: vectors [N, D], an array or `Rows`; labels: int [N]."""
        first = int(np.min(labels)) if len(labels) else 0
        heads = self._heads(-1) or 1
        sums, counts = np.zeros((heads, *self.image_shape)), np.zeros(heads)
        for start in range(0, len(labels), _READ_AT_ONCE):
            part = slice(start, start + _READ_AT_ONCE)
            which = (labels[part] - first) if heads > 1 else np.zeros(len(labels[part]), int)
            np.add.at(sums, which, np.asarray(images[part], np.float64))
            np.add.at(counts, which, 1)
        self.output_layer.bias.assign((sums / np.maximum(counts, 1)[:, None]).ravel())

    def call(self, latents, mask_scale, training=False):
        """Vectors of the task being learned, at the given mask scale."""
        layers = [functools.partial(layer, mask_scale=mask_scale) for layer in self.masked_layers]
        vectors = in_sequence(
            latents[:, : self.latent_size], layers, self._activations(mask_scale, training), self.output_layer
        )
        which = latents[:, self.latent_size :] if self.output_per == "class" else None
        return _of_class(tf.cast(vectors, tf.float32), which)

    def fold(self, task):
        """`FoldedDense` of a learned task: the slice of the network that the task was learned on."""
        used, layers = self.task_junction_masks(task), []
        for layer, norm, inputs in zip(self.masked_layers, self.norms, used, strict=False):
            scale, offset = norm.affine(task)
            if self.plasticity == "units":
                scale, offset = scale * layer.task_mask(task), offset * layer.task_mask(task)
            layers.append((layer.task_kernel_between(task, inputs) * scale, offset))
        layers.append((self.output_layer.task_kernel(task), self.output_layer.task_bias(task)))
        return FoldedDense(layers, f"task_{task}", self._heads(task))

    def get_config(self):
        """Keras config, widths of all tasks included."""
        return super().get_config() | {"units": list(self.units)}


class FoldedDense(FoldedNetwork):
    """Dense layers with ReLU between them; masks and batch norm are folded into them.

    Units that are 0 for every input are left out, with the weights that they would feed.

    Args:
      layers: list of (kernel [inputs, outputs], bias [outputs]).
      name, heads: see `FoldedNetwork`.

    Attributes:
      widths: units left of each hidden layer; full_widths: before dead ones were left out.
    """

    def __init__(self, layers, name, heads=None):
        super().__init__(layers[0][0].shape[0], heads, name)
        self.full_widths = [len(bias) for _, bias in layers[:-1]]
        self._parts, alive = [], np.arange(self._latent_size)
        for i, (kernel, bias) in enumerate(layers):
            kernel = kernel[alive]
            if i < len(layers) - 1:
                alive = at_least_one(np.any(kernel != 0, axis=0) | (bias > 0))
                kernel, bias = kernel[:, alive], bias[alive]
            self._parts += [self._constant(f"kernel_{i}", kernel), self._constant(f"bias_{i}", bias)]
        self.widths = [int(kernel.shape[1]) for kernel in self._parts[:-2:2]]
        self.built = True

    def call(self, latents, training=False):
        """Vectors."""
        return self._made(_vectors, len(self._parts), latents, self._parts)


def _vectors(structure, z, which, *parts):
    *layers, output = (
        functools.partial(_affine, kernel=kernel, bias=bias)
        for kernel, bias in zip(parts[::2], parts[1::2], strict=True)
    )
    return _of_class(in_sequence(z, layers, [tf.nn.relu] * len(layers), output), which)


def _affine(x, kernel, bias):
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _of_class(vectors, which):
    """Each vector of its class: [N, classes * D] -> [N, D]; which: one-hot [N, classes], or None: as they are."""
    return vectors if which is None else of_class(vectors[:, None, None, :], which)[:, 0, 0]
