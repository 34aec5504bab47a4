"""The paper's DCGAN pair, for MNIST and SVHN."""

import functools

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.layers import BatchNormalization, MaskedConv2DTranspose, SpectralConv2D, TaskConv2DTranspose
from dgm_tf.networks.folded import FoldedGenerator
from dgm_tf.networks.forward import in_sequence
from dgm_tf.networks.image_shape import checked_size, doublings
from dgm_tf.networks.plastic import PlasticGenerator
from dgm_tf.networks.task_generator import FOLLOW_FROM_TASKS, INITIALIZERS
from dgm_tf.networks.two_headed import TwoHeadedNetwork
from dgm_tf.registry import register

HEADS = ("normal", "uniform")
NORMALIZATIONS = ("batch", None)


def _initializer():
    return INITIALIZERS["normal"]()


def torch_uniform():
    """U(-1 / sqrt(inputs), 1 / sqrt(inputs)): PyTorch's kernels of dense layers and convolutions."""
    return keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform")


def upsampling_layer(index, filters, kernel_size=4, **kwargs):
    """The generator's layer `index`: the first makes a 4x4 map from one pixel, each other doubles height and width.

    Its weights start as N(0, 0.02), unless kwargs say otherwise. kwargs: of `MaskedConv2DTranspose`.
    """
    geometry = {"kernel_size": kernel_size, "strides": 2} if index else {"kernel_size": 4, "padding": "valid"}
    return MaskedConv2DTranspose(filters, **{"kernel_initializer": _initializer()} | geometry | kwargs)


@gin.register(denylist=FOLLOW_FROM_TASKS)
@register
@keras.saving.register_keras_serializable("dgm_tf")
class DCGANGenerator(PlasticGenerator):
    """Masked 4x4 transposed convolutions with batch norm and ReLU, then an unmasked one to the image.

    For 32x32 images three masked layers, which start 4f, 2f and f wide; each doubling of the size puts one of twice the
    width before them. The paper's f is 6 for DGMw and 20 for DGMa.

    Args and shapes: see `PlasticGenerator`; filters: default 6.
    """

    default_filters = 6

    def _first_widths(self):
        return [self.filters * 2**i for i in reversed(range(doublings(4, checked_size(self, self.image_shape))))]

    def _wiring(self, task):
        return {f"masked_{i}": (i, i + 1) for i in range(len(self.widths))}

    def _masked_layers(self):
        return [
            upsampling_layer(
                i, width, plasticity=self.plasticity, task_shapes=self._task_shapes(name),
                kernel_initializer=self._kernel_initializer(_initializer()), name=name,
            )
            for i, (name, width) in enumerate(zip(self._wiring(self.num_tasks - 1), self.widths, strict=True))
        ]  # fmt: skip

    def _output_layer(self, channels, task_shapes):
        return TaskConv2DTranspose(
            channels, 4, strides=2, task_shapes=task_shapes, kernel_initializer=_initializer(), name="image"
        )

    def call(self, latents, mask_scale, training=False):
        """Images of the task being learned, at the given mask scale."""
        layers = [functools.partial(layer, mask_scale=mask_scale) for layer in self.masked_layers]
        activations = self._activations(mask_scale, training)
        maps = in_sequence(latents[:, None, None, : self.latent_size], layers, activations, self.output_layer)
        return self._images(maps, latents)

    def fold(self, task):
        """`FoldedGenerator` of a learned task: the slice of the network that the task was learned on."""
        used = self.task_junction_masks(task)
        maps = [
            (*self._folded(layer, norm, task, inputs), (layer.strides, layer.padding))
            for layer, norm, inputs in zip(self.masked_layers, self.norms, used, strict=False)
        ]
        image = self.output_layer
        maps.append((image.task_kernel(task), None, (image.strides, image.padding)))
        return FoldedGenerator(maps, f"task_{task}", self._heads(task))

    def _folded(self, layer, norm, task, inputs):
        """(kernel, bias) of a learned task's masked layer with masks and batch norm folded in.

        inputs: numpy [inputs], 1 for the layer's inputs that the task uses.
        """
        scale, offset = norm.affine(task)
        if self.plasticity == "units":
            scale, offset = scale * layer.task_mask(task), offset * layer.task_mask(task)
        return layer.task_kernel_between(task, inputs) * scale[:, None], offset


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class DCGANDiscriminator(TwoHeadedNetwork):
    """5x5 stride-2 convolutions (three for 32x32 images), leaky ReLU, batch norm on all but the first, two heads.

    Args:
      image_shape: (H, W, channels): 16, 32, 64 or 128 pixels square, 1 or 3 channels.
      num_classes: outputs of the class head, >= 1.
      filters: of the convolutions, each of which halves height and width; None: 32, 64, 128 ... down to 4x4 maps.
      spectral_normalization: whether the convolutions' kernels are divided by their largest singular value (not the
        paper's).
      heads: how they start: "normal", as the convolutions, or "uniform", as the published experiments' do, whose class
        head has no bias either: within 1 / sqrt(features).
      initializer: of the convolutions' kernels, of `INITIALIZERS`.
      normalization: "batch", or None, as in MeRGAN's GAN: a gradient penalty for each image forbids batch norm.
      use_bias: whether convolutions have biases, as in MeRGAN's GAN.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> (realness [N], logits [N, num_classes]).
    """

    def __init__(
        self, image_shape=(32, 32, 1), num_classes=1, filters=None, spectral_normalization=False, heads="normal",
        initializer="normal", normalization="batch", use_bias=False,
    ):  # fmt: skip
        super().__init__(name="discriminator", autocast=False)
        size = checked_size(self, image_shape)
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.filters = [32 * 2**i for i in range(doublings(4, size))] if filters is None else filters
        checks.integers(self, "filters", "[1, inf)")
        if size % 2 ** len(self.filters):
            raise UserError(
                f"DCGANDiscriminator.filters: expected at most {doublings(1, size)} convolutions, each of which halves "
                f"an image of {size} pixels, got {len(self.filters)}"
            )
        self.spectral_normalization, self.heads, self.initializer = spectral_normalization, heads, initializer
        self.normalization, self.use_bias = normalization, use_bias
        self._check()
        start = INITIALIZERS[initializer]
        convolution = SpectralConv2D if spectral_normalization else keras.layers.Conv2D
        self.convolutions = [
            convolution(f, 5, 2, padding="same", use_bias=use_bias, kernel_initializer=start(), name=f"convolution_{i}")
            for i, f in enumerate(self.filters)
        ]
        normalized = range(1, len(self.filters) if normalization else 1)
        self.norms = [BatchNormalization(name=f"norm_{i}") for i in normalized]
        normal = heads == "normal"
        head = {"kernel_initializer": start() if normal else torch_uniform(), "dtype": "float32"}
        self.realness = keras.layers.Dense(1, name="realness", **head)
        self.logits = keras.layers.Dense(num_classes, use_bias=normal, name="logits", **head)
        self._build_layers()

    def _check(self):
        for name in ("spectral_normalization", "use_bias"):
            checks.flag(self, name)
        checks.choice(self, "heads", HEADS)
        checks.choice(self, "initializer", INITIALIZERS)
        checks.choice(self, "normalization", NORMALIZATIONS)

    def _build_layers(self):
        channels, area = self.image_shape[-1], int(np.prod(self.image_shape[:2]))
        for i, filters in enumerate(self.filters):
            self.convolutions[i].build((None, None, None, channels))
            channels, area = filters, area // 4
            if i and self.norms:
                self.norms[i - 1].build((None, None, None, channels))
        self.realness.build((None, area * channels))
        self.logits.build((None, area * channels))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        """The flattened output of the last convolution, [N, features]."""
        x = images
        for i, convolution in enumerate(self.convolutions):
            x = convolution(x, training=training)
            if i and self.norms:
                x = self.norms[i - 1](x, training=training, update_statistics=update_statistics)
            x = tf.nn.leaky_relu(x, 0.2)
        return tf.reshape(x, [-1, int(np.prod(x.shape[1:]))])

    def get_config(self):
        """Keras config; defaults of what came later are left out, so that networks stay as they were saved before."""
        config = {
            "image_shape": list(self.image_shape),
            "num_classes": self.num_classes,
            "filters": list(self.filters),
        }
        defaults = {
            "spectral_normalization": False, "heads": "normal", "initializer": "normal", "normalization": "batch",
            "use_bias": False,
        }  # fmt: skip
        return config | {name: getattr(self, name) for name in defaults if getattr(self, name) != defaults[name]}
