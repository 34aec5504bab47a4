"""Layer normalization, and batch normalization: fused, synchronised over replicas, with statistics for each task."""

import keras
import numpy as np
import tensorflow as tf

EPSILON = 1e-5


@keras.saving.register_keras_serializable("dgm_tf")
class BatchNormalization(keras.layers.Layer):
    """Batch normalization over all axes but the last (Ioffe and Szegedy, 2015).

    Unlike Keras's it runs TensorFlow's fused kernel on one replica, always shares its batch statistics over
    several, and can normalise by the batch without moving its averages (a critic's batches of one
    class must not shift what the classifier is tested with).

    Args:
      momentum: float in [0, 1), of the moving averages.
    """

    def __init__(self, momentum=0.9, **kwargs):
        # Statistics, gamma and beta stay float32 under a mixed precision policy; the kernels take them so.
        super().__init__(**kwargs | {"autocast": False})
        self.momentum = momentum

    def build(self, input_shape):
        """Creates gamma, beta and the moving averages, each [channels]."""
        shape = self._weight_shape(int(input_shape[-1]))
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones")
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros")
        self.moving_mean = self._average("moving_mean", shape, "zeros")
        self.moving_variance = self._average("moving_variance", shape, "ones")
        super().build(input_shape)

    def _weight_shape(self, channels):
        return (channels,)

    def _average(self, name, shape, initializer):
        return self.add_weight(name=name, shape=shape, initializer=initializer, trainable=False, aggregation="mean")

    def call(self, inputs, training=False, update_statistics=True):
        """Normalises [batch, ..., channels]; by the batch when training, else by the moving averages."""
        inputs = tf.cast(inputs, self.compute_dtype)
        gamma, beta = tf.convert_to_tensor(self.gamma), tf.convert_to_tensor(self.beta)
        if not training:
            mean, variance = tf.convert_to_tensor(self.moving_mean), tf.convert_to_tensor(self.moving_variance)
            scale = gamma * tf.math.rsqrt(variance + EPSILON)
            return inputs * tf.cast(scale, inputs.dtype) + tf.cast(beta - mean * scale, inputs.dtype)
        outputs, mean, variance = by_batch(inputs, gamma, beta)
        if update_statistics:
            for average, value in ((self.moving_mean, mean), (self.moving_variance, variance)):
                average.assign(average * self.momentum + tf.stop_gradient(value) * (1.0 - self.momentum))
        return outputs

    def compute_output_shape(self, input_shape):
        """The input's shape."""
        return input_shape

    def get_config(self):
        """Keras config."""
        return super().get_config() | {"momentum": self.momentum}


def by_batch(inputs, gamma, beta):
    """(outputs, mean, variance): normalised by the batch, over all replicas; all but inputs and outputs [channels]."""
    normalize = _fused if tf.distribute.get_strategy().num_replicas_in_sync == 1 else _synchronised
    return normalize(inputs, gamma, beta)


def _fused(inputs, gamma, beta):
    shape = tf.shape(inputs)
    images = inputs if inputs.shape.rank == 4 else tf.reshape(inputs, [-1, 1, 1, inputs.shape[-1]])
    outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(images, gamma, beta, epsilon=EPSILON)
    return tf.reshape(outputs, shape), mean, variance


def _synchronised(inputs, gamma, beta):
    dtype, inputs = inputs.dtype, tf.cast(inputs, tf.float32)
    axes = list(range(inputs.shape.rank - 1))
    replica = tf.distribute.get_replica_context()
    mean = replica.all_reduce("mean", tf.reduce_mean(inputs, axes))
    variance = replica.all_reduce("mean", tf.reduce_mean(tf.square(inputs - mean), axes))
    count = tf.cast(tf.size(inputs) // inputs.shape[-1], tf.float32) * replica.num_replicas_in_sync
    outputs = tf.nn.batch_normalization(inputs, mean, variance, beta, gamma, EPSILON)
    return tf.cast(outputs, dtype), mean, variance * count / (count - 1.0)  # the fused kernel reports it unbiased, too


@keras.saving.register_keras_serializable("dgm_tf")
class LayerNormalization(keras.layers.GroupNormalization):
    """Each image normalised by its own mean and variance over pixels and channels (Ba et al., 2016).

    To be put in `BatchNormalization`'s place, whose arguments it takes: it has no statistics to keep.
    """

    def __init__(self, groups=1, epsilon=EPSILON, **kwargs):
        super().__init__(groups, epsilon=epsilon, **kwargs | {"autocast": False})

    def call(self, inputs, training=False, update_statistics=False):
        """Normalises [batch, ..., channels]."""
        return super().call(tf.cast(inputs, self.compute_dtype))


@keras.saving.register_keras_serializable("dgm_tf")
class TaskBatchNormalization(BatchNormalization):
    """Batch normalization with separate parameters and statistics for each task.

    Args:
      task_widths: list of int, channels of each earlier task.
      **kwargs: see `BatchNormalization`.
    """

    def __init__(self, task_widths=(), **kwargs):
        super().__init__(**kwargs)
        self.task_widths = list(task_widths)

    def build(self, input_shape):
        """Creates the current task's weights and, frozen, those of earlier tasks, [4, channels] each."""
        super().build(input_shape)
        self.task_parameters = [
            self.add_weight(name=f"task_{k}", shape=(4, width), initializer="zeros", trainable=False)
            for k, width in enumerate(self.task_widths)
        ]

    def affine(self, task):
        """Returns (scale, offset), numpy [channels], of normalization in inference for a learned task."""
        gamma, beta, mean, variance = self.task_values(task)
        scale = gamma / np.sqrt(variance + np.float32(EPSILON))
        return scale, beta - mean * scale

    def task_values(self, task):
        """gamma, beta, mean and variance of a learned task, numpy [4, channels]."""
        if task < len(self.task_widths):
            return np.asarray(self.task_parameters[task])
        return np.stack([np.asarray(v) for v in (self.gamma, self.beta, self.moving_mean, self.moving_variance)])

    def grow(self, width):
        """Returns the layer for the next task: new parameters beside those of the learned tasks."""
        tasks = [*self.task_widths, int(self.gamma.shape[0])]
        layer = type(self).from_config(self.get_config() | {"task_widths": tasks})
        layer.build((None, width))
        layer.inherit(self)
        return layer

    def inherit(self, layer):
        """Takes over the parameters of the tasks so far from the layer that this one was grown from."""
        for task, parameters in enumerate(self.task_parameters):
            parameters.assign(layer.task_values(task))

    def get_config(self):
        """Keras config, the widths of the earlier tasks included."""
        return super().get_config() | {"task_widths": list(self.task_widths)}
