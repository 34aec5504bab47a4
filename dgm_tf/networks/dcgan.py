"""The DCGAN pair of section 2, for MNIST and SVHN: 32x32 images."""

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.layers import (
    BatchNormalization,
    MaskedConv2DTranspose,
    TaskBatchNormalization,
    TaskConv2DTranspose,
)
from dgm_tf.layers.masked import PLASTICITIES
from dgm_tf.networks.folded import FoldedGenerator
from dgm_tf.networks.plastic import PlasticGenerator
from dgm_tf.networks.two_headed import TwoHeadedNetwork

KERNEL_STDDEV = 0.02  # Radford et al., 2016


def _initializer():
    return keras.initializers.RandomNormal(stddev=KERNEL_STDDEV)


def upsampling_layer(index, filters, kernel_size=4, **kwargs):
    """The generator's layer `index`: the first makes a 4x4 map from one pixel, each other doubles height and width.

    Its weights start as N(0, 0.02). kwargs: of `MaskedConv2DTranspose`.
    """
    geometry = {"kernel_size": kernel_size, "strides": 2} if index else {"kernel_size": 4, "padding": "valid"}
    return MaskedConv2DTranspose(filters, **geometry, kernel_initializer=_initializer(), **kwargs)


@gin.register
@keras.saving.register_keras_serializable("dgm_tf")
class DCGANGenerator(PlasticGenerator):
    """Three masked 4x4 transposed convolutions with batch norm and ReLU, then one to the image.

    Args:
      image_shape: (32, 32, channels).
      plasticity: "weights" (DGMw) or "units" (DGMa).
      filters: f; the masked layers start 4f, 2f and f wide. The paper: 6 for DGMw, 20 for DGMa.
      latent_size: dimensions of z.
      task_widths: list of the three widths, for each earlier task.
      widths: the three widths now; default (4f, 2f, f).

    Shapes: latents float32 [N, latent_size] -> images float32 [N, 32, 32, channels] in [-1, 1].
    """

    def __init__(
        self, image_shape=(32, 32, 1), plasticity="weights", filters=6, latent_size=128, widths=None, task_widths=()
    ):
        super().__init__(name="generator", autocast=False)
        if tuple(image_shape[:2]) != (32, 32):
            raise UserError(f"image_shape: DCGANGenerator makes 32x32 images, got {tuple(image_shape)}")
        self.image_shape = tuple(image_shape)
        self.filters, self.latent_size = filters, latent_size
        checks.integer(self, "filters", "[1, inf)")
        checks.integer(self, "latent_size", "[1, inf)")
        if plasticity not in PLASTICITIES:
            raise UserError(f"DCGANGenerator.plasticity: expected one of {PLASTICITIES}, got {plasticity!r}")
        self.widths = list(widths or self._first_widths())
        self.task_widths = [list(w) for w in task_widths]
        self.masked_layers = [
            self._masked_layer(i, width, plasticity) for i, width in enumerate(self.widths)
        ]
        self.norms = [
            TaskBatchNormalization(task_widths=[w[i] for w in self.task_widths], name=f"norm_{i}")
            for i in range(len(self.widths))
        ]
        self.output_layer = TaskConv2DTranspose(
            image_shape[-1], 4, strides=2, task_shapes=[(w[-1], image_shape[-1]) for w in self.task_widths],
            kernel_initializer=_initializer(), name="image",
        )  # fmt: skip
        self._build_layers()

    def _first_widths(self):
        return [4 * self.filters, 2 * self.filters, self.filters]

    def _masked_layer(self, index, width, plasticity):
        shapes = [(w[index - 1] if index else self.latent_size, w[index]) for w in self.task_widths]
        return upsampling_layer(index, width, plasticity=plasticity, task_shapes=shapes, name=f"masked_{index}")

    def _build_layers(self):
        inputs = self.latent_size
        for layer, norm in zip(self.masked_layers, self.norms, strict=True):
            layer.build((None, None, None, inputs))
            inputs = layer.width
            norm.build((None, None, None, inputs))
        self.output_layer.build((None, None, None, inputs))
        self.built = True

    @property
    def num_tasks(self):
        """Tasks learned or being learned."""
        return len(self.task_widths) + 1

    @property
    def initial_sizes(self):
        """Mask entries of each masked layer at the first task."""
        widths = self._first_widths()
        inputs = [self.latent_size, *widths]
        return [
            int(np.prod(layer.mask_shape(inputs[i], widths[i]))) for i, layer in enumerate(self.masked_layers)
        ]

    def call(self, latents, mask_scale, training=False):
        """Images of the task being learned, at the given mask scale."""
        x = latents[:, None, None, :]
        for layer, norm in zip(self.masked_layers, self.norms, strict=True):
            x = tf.nn.relu(norm(layer(x, mask_scale), training=training))
            if self.plasticity == "units":
                # Batch norm's beta would let a unit of mask 0 speak again, through weights that later
                # tasks are free to change.
                x *= tf.cast(layer.mask(mask_scale), x.dtype)
        return tf.tanh(tf.cast(self.output_layer(x), tf.float32))

    def fold(self, task):
        """`FoldedGenerator` of a learned task: the slice of the network that the task was learned on."""
        maps = [
            (*self._folded(layer, norm, task), (layer.strides, layer.padding))
            for layer, norm in zip(self.masked_layers, self.norms, strict=True)
        ]
        image = self.output_layer
        maps.append((image.task_kernel(task), None, (image.strides, image.padding)))
        return FoldedGenerator(maps, name=f"task_{task}")

    def _folded(self, layer, norm, task):
        """(kernel, bias) of a learned task's masked layer with mask and batch norm folded in."""
        scale, offset = norm.affine(task)
        if self.plasticity == "units":
            scale, offset = scale * layer.task_mask(task), offset * layer.task_mask(task)
        return layer.task_kernel(task) * scale[:, None], offset

    def _next(self, widths):
        config = self.get_config() | {"widths": widths, "task_widths": [*self.task_widths, self.widths]}
        grown = type(self).from_config(config)
        for new, old in zip(grown.layers, self.layers, strict=True):
            new.inherit(old)
        return grown

    def get_config(self):
        """Keras config, widths of all tasks included."""
        return {
            "image_shape": list(self.image_shape),
            "plasticity": self.plasticity,
            "filters": self.filters,
            "latent_size": self.latent_size,
            "widths": list(self.widths),
            "task_widths": [list(w) for w in self.task_widths],
        }


@gin.register
@keras.saving.register_keras_serializable("dgm_tf")
class DCGANDiscriminator(TwoHeadedNetwork):
    """Three 5x5 stride-2 convolutions, leaky ReLU, batch norm on the second and third, two heads.

    Args:
      image_shape: (H, W, channels); H and W divisible by 2 for each convolution, so by 8.
      num_classes: outputs of the class head, >= 1.
      filters: of the three convolutions.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> (realness [N], logits [N, num_classes]).
    """

    def __init__(self, image_shape=(32, 32, 1), num_classes=1, filters=(32, 64, 128)):
        super().__init__(name="discriminator", autocast=False)
        self.image_shape, self.num_classes, self.filters = tuple(image_shape), num_classes, filters
        checks.integers(self, "filters", "[1, inf)")
        if any(size % 2 ** len(filters) for size in self.image_shape[:2]):
            raise UserError(
                f"image_shape: DCGANDiscriminator expects a height and a width divisible by {2 ** len(filters)}, "
                f"got {self.image_shape}"
            )
        self.convolutions = [
            keras.layers.Conv2D(
                f, 5, 2, padding="same", use_bias=False, kernel_initializer=_initializer(), name=f"convolution_{i}"
            )
            for i, f in enumerate(self.filters)
        ]
        self.norms = [BatchNormalization(name=f"norm_{i}") for i in range(1, len(self.filters))]
        head = {"kernel_initializer": _initializer(), "dtype": "float32"}
        self.realness = keras.layers.Dense(1, name="realness", **head)
        self.logits = keras.layers.Dense(num_classes, name="logits", **head)
        self._build_layers()

    def _build_layers(self):
        channels, area = self.image_shape[-1], int(np.prod(self.image_shape[:2]))
        for i, filters in enumerate(self.filters):
            self.convolutions[i].build((None, None, None, channels))
            channels, area = filters, area // 4
            if i:
                self.norms[i - 1].build((None, None, None, channels))
        self.realness.build((None, area * channels))
        self.logits.build((None, area * channels))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        """The flattened output of the last convolution, [N, features]."""
        x = images
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x)
            if i:
                x = self.norms[i - 1](x, training=training, update_statistics=update_statistics)
            x = tf.nn.leaky_relu(x, 0.2)
        return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])

    def get_config(self):
        """Keras config."""
        return {
            "image_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "filters": list(self.filters),
        }
