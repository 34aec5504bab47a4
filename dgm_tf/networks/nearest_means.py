"""Nearest-mean classifier: the class with the nearest feature mean, instead of the class head."""

import keras
import tensorflow as tf


class NearestMeans(keras.Model):
    """Classifies by the nearest class mean of normalised features (Rebuffi et al. 2017, Algorithm 1).

    It shares the network's weights and adds the means, so that weights and answers can be kept and exported together.

    Args:
      network: built two-headed network with `features`.

    Attributes:
      means: [classes, features], of length 1 each; 0 before they are assigned.

    Shapes: images float32 [N, H, W, C] in [-1, 1] -> (realness [N], logits [N, classes]), the logits being minus the
    squared distances to the means.
    """

    def __init__(self, network):
        super().__init__(name="nearest_means")
        self.network = network
        shape = (network.num_classes, network.logits.kernel.shape[0])
        self.means = self.add_weight(shape=shape, initializer="zeros", trainable=False, name="means")
        self.built = True

    def call(self, images, training=False):
        """(realness, logits)."""
        features = self.network.features(images, training=training)
        return self.network.realness(features)[:, 0], self._closeness(tf.math.l2_normalize(features, axis=1))

    def _closeness(self, features):
        means = tf.convert_to_tensor(self.means)
        products = tf.matmul(features, means, transpose_b=True)
        squares = [tf.reduce_sum(tf.square(x), axis=1) for x in (features, means)]
        return 2.0 * products - squares[0][:, None] - squares[1][None, :]
