"""The generator of feature vectors: masked dense layers."""

import functools

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.keeps import Keeps
from dgm_tf.layers import MaskedDense, TaskDense
from dgm_tf.networks.folded import FoldedNetwork, at_least_one, of_class
from dgm_tf.networks.forward import in_sequence
from dgm_tf.networks.gaussians import principal_axes
from dgm_tf.networks.plastic import PlasticGenerator
from dgm_tf.networks.task_generator import CODE_SHARE, FOLLOW_FROM_TASKS
from dgm_tf.registry import register

STARTS = ("random", "mean", "gaussian")
ONE_HOT_SHARE = 2  # one-hot codes take up to one in so many entries of z


@gin.register(denylist=FOLLOW_FROM_TASKS)
@register
@keras.saving.register_keras_serializable("dgm_tf")
class DenseGenerator(PlasticGenerator):
    """Masked dense layers with batch norm and ReLU, then an unmasked one that reads them and z: feature vectors.

    The unmasked layer, of which each task has its own, may start from the task's vectors, or from each of its classes',
    so that the rest of the network learns only how they differ from that:

    - "random": from nothing.
    - "mean": its bias starts as their mean.
    - "gaussian": what it makes of z starts as their principal components, too: up to their number, the generator
      starts as a Gaussian of their mean and covariance. What is saved then holds these statistics, more or less.

    Args:
      image_shape: (D,), of a vector.
      units: widths of the masked layers at the first task.
      start: "random", "mean" or "gaussian"; this takes as many components as z has entries beside the class's code.
      The others: see `TaskGenerator`, whose `filters` has no meaning here.

    Shapes: latents float32 [N, latent_size (+ classes of the task, where outputs are per class)] -> vectors float32
    [N, D].
    """

    def __init__(self, image_shape=(1,), units=(512, 512), start="mean", widths=None, **kwargs):
        self.units, self.start = units, start
        checks.integers(self, "units", "[1, inf)")
        checks.choice(self, "start", STARTS)
        super().__init__(image_shape=image_shape, widths=widths, **kwargs)

    def _check(self, plasticity):
        super()._check(plasticity)
        fits = len(self.image_shape) == 1 and checks.inside(self.image_shape[0], f"[1, {limits.MAX_BACKBONE_FEATURES}]")
        expected = "(D,), of feature vectors; for images choose DCGANGenerator or ResNetGenerator"
        checks.argument("DenseGenerator.image_shape", self.image_shape, fits, expected)

    @property
    def keeps(self):
        """What is kept of images: class statistics where it starts from them."""
        return Keeps.STATISTICS if self.start == "gaussian" else Keeps.WEIGHTS

    def _first_widths(self):
        return list(self.units)

    def _wiring(self, task):
        return {f"masked_{i}": (i, i + 1) for i in range(len(self.widths))}

    def _masked_layers(self):
        return [
            MaskedDense(
                width, plasticity=self.plasticity, task_shapes=self._task_shapes(name),
                kernel_initializer=self._kernel_initializer("he_normal"), name=name,
            )
            for name, width in zip(self._wiring(self.num_tasks - 1), self.widths, strict=True)
        ]  # fmt: skip

    def _output_inputs(self, widths):
        return widths[-1] + self.latent_size

    def _output_layer(self, channels, task_shapes):
        return TaskDense(channels, use_bias=True, task_shapes=task_shapes, name="vector")

    def start_near(self, images, labels):
        """Starts the outputs as the attribute says; images: vectors [N, D], an array or `Rows`; labels: int [N]."""
        if self.start == "random":
            return
        groups = [np.arange(len(labels))] if self._heads(-1) is None else _rows_of_classes(labels)
        kernel, bias = np.zeros(self.output_layer.kernel.shape, np.float32), []
        for head, rows in enumerate(groups):
            vectors = np.asarray(images[rows], np.float64)
            bias.append(vectors.mean(axis=0))
            if self.start == "gaussian":
                axes = principal_axes(vectors - bias[-1], self.latent_size - self._code_entries)[::-1]
                kernel[len(kernel) - len(axes) :, head * len(bias[-1]) : (head + 1) * len(bias[-1])] = axes
        self.output_layer.kernel.assign(kernel)
        self.output_layer.bias.assign(np.concatenate(bias))

    @property
    def _code_entries(self):
        """The first entries of z, which the class's code may take."""
        return self.latent_size // (CODE_SHARE if self.conditioning == "embedding" else ONE_HOT_SHARE)

    def call(self, latents, mask_scale, training=False):
        """Vectors of the task being learned, at the given mask scale."""
        z, which = latents[:, : self.latent_size], latents[:, self.latent_size :]
        layers = [functools.partial(layer, mask_scale=mask_scale) for layer in self.masked_layers]
        activations = self._activations(mask_scale, training)
        vectors = in_sequence(z, layers, activations, lambda x: self.output_layer(tf.concat([x, z], axis=1)))
        return _of_class(tf.cast(vectors, tf.float32), which if self.output_per == "class" else None)

    def fold(self, task):
        """`FoldedDense` of a learned task: the slice of the network that the task was learned on."""
        used, layers = self.task_junction_masks(task), []
        for layer, norm, inputs in zip(self.masked_layers, self.norms, used, strict=False):
            scale, offset = norm.affine(task)
            if self.plasticity == "units":
                scale, offset = scale * layer.task_mask(task), offset * layer.task_mask(task)
            layers.append((layer.task_kernel_between(task, inputs) * scale, offset))
        output = self.output_layer.task_kernel(task), self.output_layer.task_bias(task)
        return FoldedDense(layers, output, f"task_{task}", self._heads(task))

    def get_config(self):
        """Keras config, widths of all tasks included."""
        return super().get_config() | {"units": list(self.units), "start": self.start}


def _rows_of_classes(labels):
    return [np.flatnonzero(labels == label) for label in np.unique(labels)]


class FoldedDense(FoldedNetwork):
    """Dense layers with ReLU between them, and an output that reads the last and z; masks and norms are folded in.

    Units that are 0 for every input are left out, with the weights that they would feed.

    Args:
      layers: list of (kernel [inputs, outputs], bias [outputs]).
      output: (kernel [units of the last layer + latent_size, D (* heads)], bias).
      name, heads: see `FoldedNetwork`.

    Attributes:
      widths: units left of each layer; full_widths: before dead ones were left out.
    """

    def __init__(self, layers, output, name, heads=None):
        super().__init__(layers[0][0].shape[0], heads, name)
        self.full_widths = [len(bias) for _, bias in layers]
        self._parts, self.widths, alive = [], [], np.arange(self._latent_size)
        for i, (kernel, bias) in enumerate(layers):
            kernel = kernel[alive]
            alive = at_least_one(np.any(kernel != 0, axis=0) | (bias > 0))
            self._add(f"{i}", kernel[:, alive], bias[alive])
            self.widths.append(len(alive))
        kernel, bias = output
        behind = np.arange(self.full_widths[-1], len(kernel))
        self._add("output", kernel[np.concatenate([alive, behind])], bias)
        self.built = True

    def _add(self, name, kernel, bias):
        self._parts += [self._constant(f"kernel_{name}", kernel), self._constant(f"bias_{name}", bias)]

    def call(self, latents, training=False):
        """Vectors."""
        return self._made(_vectors, len(self._parts), latents, self._parts)


def _vectors(structure, z, which, *parts):
    *layers, output = (
        functools.partial(_affine, kernel=kernel, bias=bias)
        for kernel, bias in zip(parts[::2], parts[1::2], strict=True)
    )
    activations = [tf.nn.relu] * len(layers)
    return _of_class(in_sequence(z, layers, activations, lambda x: output(tf.concat([x, z], axis=1))), which)


def _affine(x, kernel, bias):
    return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def _of_class(vectors, which):
    """Each vector of its class: [N, classes * D] -> [N, D]; which: one-hot [N, classes], or None: as they are."""
    return vectors if which is None else of_class(vectors[:, None, None, :], which)[:, 0, 0]
