"""The paper's ResNet-18 discriminator, for CIFAR-10 and ImageNet-50."""

import gin
import keras
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.layers import BatchNormalization, LayerNormalization
from dgm_tf.networks.image_shape import checked_size
from dgm_tf.networks.resnet import convolution_initializer
from dgm_tf.networks.two_headed import TwoHeadedNetwork
from dgm_tf.registry import register

NORMALIZATIONS = {"batch": BatchNormalization, "layer": LayerNormalization}
PADDINGS = ("symmetric", "same")
STAGES = 4  # of 1, 2, 4 and 8 times `filters`; all but the first halve height and width


class _ConvolutionNorm(keras.layers.Layer):
    """A convolution without bias and a normalization."""

    def __init__(self, filters, kernel_size, strides, normalization, padding, **kwargs):
        super().__init__(**kwargs)
        # As many zeros on each side; the last strides - 1 of them no window reaches.
        before, after = kernel_size // 2, kernel_size // 2 - strides + 1
        shifted = padding == "symmetric" and strides > 1
        self.zeros = [[0, 0], [before, after], [before, after], [0, 0]] if shifted else None
        self.convolution = keras.layers.Conv2D(
            filters, kernel_size, strides, padding="valid" if shifted else "same", use_bias=False,
            kernel_initializer=convolution_initializer(), name="convolution",
        )  # fmt: skip
        self.norm = NORMALIZATIONS[normalization](name="norm")

    def build(self, input_shape):
        """Builds both."""
        self.convolution.build(input_shape)
        self.norm.build((None, None, None, self.convolution.filters))
        super().build(input_shape)

    def call(self, inputs, **statistics):
        """statistics: training and update_statistics of `BatchNormalization`."""
        inputs = inputs if self.zeros is None else tf.pad(inputs, self.zeros)
        return self.norm(self.convolution(inputs), **statistics)


class _Block(keras.layers.Layer):
    """Two 3x3 convolutions and a way past them, a 1x1 convolution where the shape changes (He et al., 2016)."""

    def __init__(self, filters, strides, normalization, padding, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides, self.normalization = filters, strides, normalization
        self.first = _ConvolutionNorm(filters, 3, strides, normalization, padding, name="first")
        self.second = _ConvolutionNorm(filters, 3, 1, normalization, padding, name="second")
        self.shortcut = None

    def build(self, input_shape):
        """Builds the convolutions; the shortcut depends on the input's width."""
        inner = (None, None, None, self.filters)
        self.first.build(input_shape)
        self.second.build(inner)
        if self.strides > 1 or input_shape[-1] != self.filters:
            self.shortcut = _ConvolutionNorm(self.filters, 1, 1, self.normalization, "same", name="shortcut")
            self.shortcut.build(input_shape)
        super().build(input_shape)

    def call(self, inputs, **statistics):
        """statistics: as above."""
        residual = self.second(tf.nn.relu(self.first(inputs, **statistics)), **statistics)
        # What a 1x1 convolution's stride would skip is cut out before it: with a stride of its own and few channels
        # its gradient in oneDNN (TensorFlow 2.21) writes where it must not.
        past = inputs[:, :: self.strides, :: self.strides]
        past = past if self.shortcut is None else self.shortcut(past, **statistics)
        return tf.nn.relu(residual + tf.cast(past, residual.dtype))


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class ResNetDiscriminator(TwoHeadedNetwork):
    """ResNet-18 with a small stem, global average pooling, a dense layer with a normalization and ReLU, two heads.

    The stem's stride follows the size of the images, 1 up to 32 pixels, 2 for 64, 4 for 128, so that the last maps are
    at most 4x4; its kernel is twice the stride and one wide.

    Args:
      image_shape: (H, W, channels): 16, 32, 64 or 128 pixels square, 1 or 3 channels.
      num_classes: outputs of the class head, >= 1.
      filters: of the stem and the first of four stages; each other has twice as many as the one before.
      blocks: residual blocks of each stage; 2 make ResNet-18.
      units: of the dense layer. With fewer blocks and units a run on CPU cores is quicker.
      normalization: "batch", the paper's, or "layer", as Gulrajani et al. (2017) advise for a critic with gradient
        penalty: normalised by its batch, an image's score depends on the others'.
      padding: of convolutions with a stride: "symmetric", the original's, or "same", TensorFlow's, which centres them
        on odd pixels while the shortcut takes the even ones.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> (realness [N], logits [N, num_classes]).

    Reference: He et al., Deep residual learning for image recognition, CVPR 2016.
    """

    def __init__(
        self, image_shape=(32, 32, 3), num_classes=1, filters=64, blocks=2, units=128, normalization="batch",
        padding="symmetric",
    ):  # fmt: skip
        super().__init__(name="discriminator", autocast=False)
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.filters, self.blocks, self.units = filters, blocks, units
        for name in ("filters", "blocks", "units"):
            checks.integer(self, name, "[1, inf)")
        self.normalization, self.padding = normalization, padding
        checks.choice(self, "normalization", NORMALIZATIONS)
        checks.choice(self, "padding", PADDINGS)
        strides = max(1, checked_size(self, image_shape) // 32)
        self.stem = _ConvolutionNorm(filters, 2 * strides + 1, strides, normalization, padding, name="stem")
        self.stages = [
            _Block(
                filters * 2**stage, 2 if stage and not b else 1, normalization, padding, name=f"stage_{stage}_block_{b}"
            )
            for stage in range(STAGES)
            for b in range(blocks)
        ]
        self.dense = keras.layers.Dense(units, use_bias=False, name="dense")
        self.dense_norm = NORMALIZATIONS[normalization](name="dense_norm")
        self.realness = keras.layers.Dense(1, name="realness", dtype="float32")
        self.logits = keras.layers.Dense(num_classes, name="logits", dtype="float32")
        self._build_layers()

    def _build_layers(self):
        self.stem.build((None, None, None, self.image_shape[-1]))
        channels = self.filters
        for block in self.stages:
            block.build((None, None, None, channels))
            channels = block.filters
        self.dense.build((None, channels))
        for layer in (self.dense_norm, self.realness, self.logits):
            layer.build((None, self.units))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        """The dense layer's output, [N, units]."""
        statistics = {"training": training, "update_statistics": update_statistics}
        x = tf.nn.relu(self.stem(images, **statistics))
        for block in self.stages:
            x = block(x, **statistics)
        x = self.dense(tf.reduce_mean(tf.cast(x, tf.float32), axis=(1, 2)))
        return tf.nn.relu(self.dense_norm(x, **statistics))

    def get_config(self):
        """Keras config."""
        names = ("num_classes", "filters", "blocks", "units", "normalization", "padding")
        return {"image_shape": list(self.image_shape)} | {name: getattr(self, name) for name in names}
