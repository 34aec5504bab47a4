"""Output layers of a generator: unmasked, one for each task."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers.convolution import MaskedConv2D, MaskedConv2DTranspose
from dgm_tf.layers.dense import MaskedDense


class _TaskOutput:
    """A kernel, and a bias where asked for, of its own for each task; to be mixed into a masked layer.

    Args:
      use_bias: whether there is a bias.
      The others: as the masked layer, without plasticity.
    """

    def __init__(self, *args, plasticity=None, use_bias=False, **kwargs):
        super().__init__(*args, plasticity=plasticity, **kwargs)
        if plasticity is not None:
            raise ValueError(f"plasticity of {self.name}: expected None, got {plasticity!r}")
        self.use_bias = use_bias

    def build(self, input_shape):
        """Creates the current weights and, frozen, those of the earlier tasks."""
        super().build(input_shape)
        self.task_kernels = [
            self.add_weight(name=f"task_{k}_kernel", shape=self.kernel_shape(*shape), trainable=False)
            for k, shape in enumerate(self.task_shapes)
        ]
        if self.use_bias:
            self.bias = self.add_weight(name="bias", shape=(self.width,), initializer="zeros")
            self.task_biases = [
                self.add_weight(name=f"task_{k}_bias", shape=(outputs,), trainable=False, initializer="zeros")
                for k, (_, outputs) in enumerate(self.task_shapes)
            ]

    def call(self, inputs):
        """The current task's outputs."""
        outputs = super().call(inputs)
        return outputs + tf.cast(tf.convert_to_tensor(self.bias), outputs.dtype) if self.use_bias else outputs

    def task_kernel(self, task):
        """Kernel of a learned task, numpy."""
        return np.asarray(self.task_kernels[task] if task < len(self.task_shapes) else self.kernel)

    def task_bias(self, task):
        """Bias of a learned task, numpy [outputs]."""
        return np.asarray(self.task_biases[task] if task < len(self.task_shapes) else self.bias)

    def inherit(self, layer):
        """Takes over the weights of all tasks so far. Those of the next task are new."""
        for task, kernel in enumerate(self.task_kernels):
            kernel.assign(layer.task_kernel(task))
            if self.use_bias:
                self.task_biases[task].assign(layer.task_bias(task))

    def get_config(self):
        """Keras config."""
        return super().get_config() | {"use_bias": self.use_bias}


@keras.saving.register_keras_serializable("dgm_tf")
class TaskConv2D(_TaskOutput, MaskedConv2D):
    """Unmasked convolution with separate weights for each task; args as `MaskedConv2D`, and use_bias."""


@keras.saving.register_keras_serializable("dgm_tf")
class TaskConv2DTranspose(_TaskOutput, MaskedConv2DTranspose):
    """Unmasked transposed convolution with separate weights for each task; args as `MaskedConv2DTranspose`, and
    use_bias.
    """


@keras.saving.register_keras_serializable("dgm_tf")
class TaskDense(_TaskOutput, MaskedDense):
    """Unmasked dense layer with separate weights for each task; args as `MaskedDense`, and use_bias."""
