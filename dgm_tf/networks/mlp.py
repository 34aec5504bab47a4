"""The multi-layer perceptron of the importance-regularised classifiers, for MNIST."""

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.networks.two_headed import TwoHeadedNetwork
from dgm_tf.registry import register


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class MLPDiscriminator(TwoHeadedNetwork):
    """Dense layers with ReLU on the flattened image, two heads.

    By default the network of Table 1's MNIST rows: two hidden layers of 256 units (Chaudhry et al., 2018). It has no
    normalization, so that training and inference are the same function.

    Args:
      image_shape: (H, W, channels).
      num_classes: outputs of the class head, >= 1.
      units: of the hidden layers.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> (realness [N], logits [N, num_classes]).
    """

    def __init__(self, image_shape=(32, 32, 1), num_classes=1, units=(256, 256)):
        super().__init__(name="discriminator")
        self.image_shape, self.num_classes, self.units = tuple(image_shape), num_classes, units
        checks.integers(self, "units", "[1, inf)")
        self.hidden = [keras.layers.Dense(u, activation="relu", name=f"hidden_{i}") for i, u in enumerate(self.units)]
        self.realness = keras.layers.Dense(1, name="realness")
        self.logits = keras.layers.Dense(num_classes, name="logits")
        self._build_layers()

    def _build_layers(self):
        inputs = int(np.prod(self.image_shape))
        for layer in self.hidden:
            layer.build((None, inputs))
            inputs = layer.units
        self.realness.build((None, inputs))
        self.logits.build((None, inputs))
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        """The last hidden layer, [N, units[-1]]."""
        x = tf.reshape(images, [-1, int(np.prod(self.image_shape))])
        for layer in self.hidden:
            x = layer(x)
        return x

    def get_config(self):
        """Keras config."""
        return {"image_shape": list(self.image_shape), "num_classes": self.num_classes, "units": list(self.units)}
