"""Conditional generator of feature vectors: no masks, batch normalization for each class."""

import gin
import keras
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.layers import ClassBatchNormalization
from dgm_tf.networks.conditional import SharedGenerator
from dgm_tf.registry import register


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class ConditionalDenseGenerator(SharedGenerator):
    """Dense layers with class-conditional batch norm and ReLU, then one to vectors: `ConditionalGenerator` of features.

    Args:
      image_shape: (D,), of a vector.
      num_classes: width of the code, >= 1.
      units: of the hidden layers.
      latent_size: dimensions of z.

    Shapes: latents float32 [N, num_classes + latent_size] -> vectors float32 [N, D].
    """

    def __init__(self, image_shape=(1,), num_classes=1, units=(512, 512), latent_size=128):
        super().__init__(name="generator", autocast=False)
        self.image_shape, self.num_classes = tuple(image_shape), num_classes
        self.units, self.latent_size = units, latent_size
        fits = len(self.image_shape) == 1 and checks.inside(self.image_shape[0], f"[1, {limits.MAX_BACKBONE_FEATURES}]")
        expected = "(D,), of feature vectors; for images choose ConditionalGenerator"
        checks.argument("ConditionalDenseGenerator.image_shape", self.image_shape, fits, expected)
        checks.integers(self, "units", "[1, inf)")
        for name in ("num_classes", "latent_size"):
            checks.integer(self, name, "[1, inf)")
        self.hidden = [
            keras.layers.Dense(u, use_bias=False, kernel_initializer="he_normal", name=f"hidden_{i}")
            for i, u in enumerate(self.units)
        ]
        self.norms = [ClassBatchNormalization(num_classes, name=f"norm_{i}") for i in range(len(self.units))]
        self.output_layer = keras.layers.Dense(self.image_shape[0], name="vector")
        self._build_layers([latent_size, *self.units])

    def _build_layers(self, widths):
        for layer, inputs in zip((*self.hidden, self.output_layer), widths, strict=True):
            layer.build((None, inputs))
        for norm, width in zip(self.norms, widths[1:], strict=True):
            norm.build((None, None, None, width))
        self.built = True

    def call(self, latents, training=False):
        """Vectors."""
        codes, x = latents[:, : self.num_classes], latents[:, self.num_classes :]
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            x = tf.nn.relu(norm(layer(x)[:, None, None, :], codes, training=training)[:, 0, 0])
        return tf.cast(self.output_layer(x), tf.float32)

    def get_config(self):
        """Keras config."""
        config = {"num_classes": self.num_classes, "units": list(self.units), "latent_size": self.latent_size}
        return {"image_shape": list(self.image_shape)} | config
