"""The generator's last layer: unmasked, and one for each task."""

import keras
import numpy as np

from dgm_tf.layers.convolution import MaskedConv2DTranspose


@keras.saving.register_keras_serializable("dgm_tf")
class TaskConv2DTranspose(MaskedConv2DTranspose):
    """Unmasked transposed convolution with a kernel of its own for each task (section 2).

    Args and shapes: as `MaskedConv2DTranspose`, without plasticity.
    """

    def __init__(self, filters, kernel_size, plasticity=None, **kwargs):
        super().__init__(filters, kernel_size, plasticity=plasticity, **kwargs)
        if plasticity is not None:
            raise ValueError(f"plasticity of {self.name}: expected None, got {plasticity!r}")

    def build(self, input_shape):
        """Creates the current kernel and, frozen, those of the earlier tasks."""
        super().build(input_shape)
        self.task_kernels = [
            self.add_weight(name=f"task_{k}_kernel", shape=self.kernel_shape(*shape), trainable=False)
            for k, shape in enumerate(self.task_shapes)
        ]

    def task_kernel(self, task):
        """Kernel of a learned task, numpy."""
        return np.asarray(self.task_kernels[task] if task < len(self.task_shapes) else self.kernel)

    def inherit(self, layer):
        """Keeps the kernels of the tasks so far; the next task's own one is fresh."""
        for task, kernel in enumerate(self.task_kernels):
            kernel.assign(layer.task_kernel(task))
