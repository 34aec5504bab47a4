"""Class-conditional batch normalization: parameters and statistics for each class."""

import keras
import tensorflow as tf

from dgm_tf.layers.mask_algebra import gated
from dgm_tf.layers.normalization import EPSILON, BatchNormalization, by_batch


@keras.saving.register_keras_serializable("dgm_tf")
class ClassBatchNormalization(BatchNormalization):
    """Class-conditional batch normalization (Dumoulin et al., 2017; de Vries et al., 2017): gamma and beta per class.

    The moving averages are per class, too: each follows the batches that its class is in, so that a class which is
    no longer trained on keeps the statistics that it was learned with.

    Args:
      num_classes: int >= 1.
      **kwargs: see `BatchNormalization`.

    Shapes: inputs [batch, H, W, channels], codes [batch, num_classes], one-hot -> [batch, H, W, channels].
    """

    def __init__(self, num_classes, **kwargs):
        super().__init__(**kwargs)
        self.num_classes = num_classes

    def _weight_shape(self, channels):
        return (self.num_classes, channels)

    def call(self, inputs, codes, training=False):
        """Normalises by the batch in training, else by the moving averages of each image's class."""
        inputs = tf.cast(inputs, tf.float32)
        gamma, beta = self._per_image(codes, self.gamma), self._per_image(codes, self.beta)
        if training:
            channels = tf.zeros([inputs.shape[-1]])
            normalized, mean, variance = by_batch(inputs, channels + 1.0, channels)
            self._follow(codes, mean, variance)
            return normalized * gamma + beta
        mean, variance = self._per_image(codes, self.moving_mean), self._per_image(codes, self.moving_variance)
        return tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, EPSILON)

    def _per_image(self, codes, table):
        return tf.matmul(codes, tf.convert_to_tensor(table))[:, None, None, :]

    def _follow(self, codes, mean, variance):
        """Updates the moving averages of the classes in the batch."""
        present = tf.reduce_max(codes, axis=0)[:, None]
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            present = tf.minimum(1.0, tf.distribute.get_replica_context().all_reduce("sum", present))
        rate = (1.0 - self.momentum) * present
        for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
            average.assign(average + gated(tf.stop_gradient(value) - average, rate))

    def get_config(self):
        """Keras config."""
        return super().get_config() | {"num_classes": self.num_classes}
