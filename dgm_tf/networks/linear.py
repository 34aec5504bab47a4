"""A linear classifier of feature vectors, with random features before it where wanted."""

import gin
import keras
import tensorflow as tf

from dgm_tf.registry import register


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class LinearClassifier(keras.Model):
    """logits = f @ kernel + bias, f being the vectors, or random ReLU features of them.

    Random features are max(0, vectors @ projection) with a fixed Gaussian projection (RanPAC: McDonnell et al.,
    NeurIPS 2023).

    Args:
      image_shape: (D,), of a vector.
      num_classes: outputs, >= 1.
      random_features: their number; 0: none.

    Shapes: vectors float32 [N, D] -> (realness [N], always 0, logits [N, num_classes]).
    """

    def __init__(self, image_shape=(1,), num_classes=1, random_features=0):
        super().__init__(name="discriminator", dtype="float32")
        self.image_shape, self.num_classes, self.random_features = tuple(image_shape), num_classes, random_features
        size = self.image_shape[0]
        self.projection = None
        if random_features:
            self.projection = self.add_weight(
                shape=(size, random_features), initializer="zeros", trainable=False, name="projection"
            )
        shape = (random_features or size, num_classes)
        self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(num_classes,), initializer="zeros", name="bias")
        self.built = True

    def features(self, images, training=False, update_statistics=False):
        """What the kernel is multiplied with, [N, random_features or D]; images: vectors [N, D]."""
        return images if self.projection is None else tf.nn.relu(tf.matmul(images, self.projection))

    def call(self, images, training=False, update_statistics=False):
        """(zeros [N], logits)."""
        logits = tf.matmul(self.features(images), self.kernel) + self.bias
        return tf.zeros_like(logits[:, 0]), logits

    def get_config(self):
        """Keras config."""
        shape = list(self.image_shape)
        return {"image_shape": shape, "num_classes": self.num_classes, "random_features": self.random_features}
