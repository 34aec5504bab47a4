"""Conditional DCGAN generator of MeRGAN's paper: no masks, batch normalization for each class."""

import gin
import keras
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.layers import ClassBatchNormalization
from dgm_tf.layers.masked import paste
from dgm_tf.networks.dcgan import upsampling_layer
from dgm_tf.networks.task_generator import INITIALIZERS
from dgm_tf.registry import register


class Bias(keras.layers.Layer):
    """A number added to each channel, 0 at first."""

    def build(self, input_shape):
        """Creates it."""
        self.bias = self.add_weight(name="bias", shape=(input_shape[-1],), initializer="zeros")
        super().build(input_shape)

    def call(self, inputs):
        """inputs + bias."""
        return inputs + tf.cast(self.bias, inputs.dtype)


class SharedGenerator(keras.Model):
    """Base of class-conditional generators that all tasks share. A subclass is built in its constructor.

    Attributes:
      num_classes: width of the code; latent_size: dimensions of z.

    Shapes: latents float32 [N, num_classes + latent_size] -> what it makes, float32.
    """

    num_classes: int
    latent_size: int

    def latents(self, z, labels, num_classes=None, task=None):
        """The full input: z float32 [N, latent_size], labels int [N] -> [N, num_classes + latent_size].

        num_classes, task: as `TaskGenerator.latents`; the code is the same for all tasks.
        """
        return tf.concat([tf.one_hot(labels, self.num_classes, dtype=z.dtype), z], axis=1)

    def plain(self, task):
        """This network: all tasks share it, and it has no masks to be folded in."""
        return self

    def widen(self, num_classes):
        """Returns a copy that has room for new classes; everything learned is kept."""
        wider = type(self).from_config(self.get_config() | {"num_classes": num_classes})
        for new, old in zip(wider.weights, self.weights, strict=True):
            paste(new, old)
        return wider


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class ConditionalGenerator(SharedGenerator):
    """Three transposed convolutions with class-conditional batch norm and ReLU, one to the image (Wu et al., 2018).

    Its input is a class's one-hot code, which chooses gamma and beta, followed by z, which the convolutions see. With
    a single class it is an unconditional generator. The defaults are the paper's network: 5.19e5 weights, and 448 more
    for each class.

    Args:
      image_shape: (32, 32, channels).
      num_classes: width of the code, >= 1.
      filters: f; the layers are 4f, 2f and f wide.
      kernel_size: of all layers but the first, whose kernel is the 4x4 map that it makes.
      latent_size: dimensions of z.
      initializer: of the kernels, of `INITIALIZERS`.
      use_bias: whether the layers have biases.

    The published GAN has biases and starts with initializer "xavier", He's for a uniform distribution.

    Shapes: latents float32 [N, num_classes + latent_size] -> images float32 [N, 32, 32, channels] in [-1, 1].
    """

    def __init__(
        self, image_shape=(32, 32, 1), num_classes=1, filters=32, kernel_size=5, latent_size=128, initializer="normal",
        use_bias=False,
    ):  # fmt: skip
        super().__init__(name="generator", autocast=False)
        if tuple(image_shape[:2]) != (32, 32):
            raise UserError(f"image_shape: ConditionalGenerator makes 32x32 images, got {tuple(image_shape)}")
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.filters, self.kernel_size, self.latent_size = filters, kernel_size, latent_size
        for name in ("num_classes", "filters", "kernel_size", "latent_size"):
            checks.integer(self, name, "[1, inf)")
        self.initializer, self.use_bias = initializer, use_bias
        checks.choice(self, "initializer", INITIALIZERS)
        checks.flag(self, "use_bias")
        widths = [4 * filters, 2 * filters, filters]
        self.convolutions = [self._layer(i, width, f"convolution_{i}") for i, width in enumerate(widths)]
        self.norms = [ClassBatchNormalization(num_classes, name=f"norm_{i}") for i in range(len(widths))]
        self.output_layer = self._layer(len(widths), image_shape[-1], "image")
        self.biases = [Bias(name=f"bias_{i}") for i in range(len(widths) + 1)] if use_bias else []
        self._build_layers([latent_size, *widths])

    def _layer(self, index, filters, name):
        start = INITIALIZERS[self.initializer]()
        return upsampling_layer(index, filters, self.kernel_size, kernel_initializer=start, name=name)

    def _build_layers(self, widths):
        for layer, inputs in zip((*self.convolutions, self.output_layer), widths, strict=True):
            layer.build((None, None, None, inputs))
        for bias, outputs in zip(self.biases, (*widths[1:], self.image_shape[-1]), strict=bool(self.biases)):
            bias.build((None, None, None, outputs))
        for norm, width in zip(self.norms, widths[1:], strict=True):
            norm.build((None, None, None, width))
        self.built = True

    def call(self, latents, training=False):
        """Images."""
        codes, z = latents[:, : self.num_classes], latents[:, self.num_classes :]
        x = z[:, None, None, :]
        for i, norm in enumerate(self.norms):
            x = tf.nn.relu(norm(self._linear(i, x), codes, training=training))
        return tf.tanh(tf.cast(self._linear(len(self.norms), x), tf.float32))

    def _linear(self, index, x):
        """The layer at an index, with its bias."""
        x = (*self.convolutions, self.output_layer)[index](x)
        return self.biases[index](x) if self.use_bias else x

    def get_config(self):
        """Keras config."""
        names = ("num_classes", "filters", "kernel_size", "latent_size")
        later = {"initializer": self.initializer} if self.initializer != "normal" else {}
        later |= {"use_bias": True} if self.use_bias else {}
        return {"image_shape": list(self.image_shape)} | {name: getattr(self, name) for name in names} | later
