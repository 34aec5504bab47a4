"""Spectral normalization of a discriminator's convolutions."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("dgm_tf")
class SpectralConv2D(keras.layers.Conv2D):
    """Convolution whose kernel is divided by its spectral norm, taken as a matrix [height * width * inputs, outputs].

    The value is estimated by one power iteration a training step from a vector that is kept (Miyato et al., 2018,
    algorithm 1). Keras's `SpectralNormalization` overwrites the kernel at every call instead, so that no gradient
    passes through the division.
    """

    def build(self, input_shape):
        """Creates the kernel and the vector, [1, outputs]."""
        super().build(input_shape)
        self.singular_vector = self.add_weight(
            name="singular_vector", shape=(1, self.filters), initializer="random_normal", trainable=False,
            aggregation="mean",
        )  # fmt: skip

    def call(self, inputs, training=False):
        """Convolves [batch, height, width, channels]; training: whether the vector takes a step."""
        matrix = tf.cast(tf.reshape(self.kernel, [-1, self.filters]), tf.float32)
        vector = tf.cast(tf.convert_to_tensor(self.singular_vector), tf.float32)
        left = tf.math.l2_normalize(tf.matmul(vector, matrix, transpose_b=True))
        right = tf.math.l2_normalize(tf.matmul(left, matrix))
        left, right = tf.stop_gradient(left), tf.stop_gradient(right)
        if training:
            self.singular_vector.assign(right)
        singular_value = tf.reduce_sum(tf.matmul(left, matrix) * right)
        outputs = self.convolution_op(inputs, self.kernel / tf.cast(singular_value, self.kernel.dtype))
        return outputs if self.bias is None else outputs + self.bias
