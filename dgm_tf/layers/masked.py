"""Masked layers: learnable binary masks divide their weights or output units among tasks."""

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers import mask_algebra
from dgm_tf.layers.host_variables import host_variables
from dgm_tf.layers.storage import Storage, stored_as

PLASTICITIES = ("weights", "units", None)


class MaskedLayer(keras.layers.Layer):
    """A linear layer with a mask over its weights (DGMw) or its output units (DGMa).

    It holds the embedding of the task being learned, the cumulated mask of the tasks before, and the
    stored bits of every task up to this one, each in the shape that the layer had when it was learned.
    Call it with `mask_scale`, a float scalar; without plasticity the argument is ignored.

    Subclasses give the geometry and call the width by Keras's name for it (`width_name`).

    Args:
      width: int, output units / channels.
      plasticity: "weights" masks the kernel (eq. 1), "units" the outputs, None nothing.
      task_shapes: list of (inputs, outputs), one for each earlier task; (0, 0): it was learned without this layer.
      kernel_initializer: for the kernel, also for what growth adds to it.

    Attributes:
      first_shape: (inputs, outputs) at the layer's first task, where that was forgotten; else None.

    Reference: Ostapenko et al., Learning to Remember, CVPR 2019, section 3.1 and 3.2.
    """

    width_name = "width"
    first_shape: tuple[int, int] | None = None

    def __init__(self, width, plasticity=None, task_shapes=(), kernel_initializer="glorot_uniform", **kwargs):
        # Masks and their scale stay float32 under a mixed precision policy: s * e needs more than bfloat16's 8 bits.
        super().__init__(**kwargs | {"autocast": False})
        if plasticity not in PLASTICITIES:
            raise ValueError(f"plasticity: expected one of {PLASTICITIES}, got {plasticity!r}")
        if not isinstance(width, int) or width < 1:
            raise ValueError(f"{self.width_name} of {self.name}: expected a positive integer, got {width!r}")
        self.width = width
        self.plasticity = plasticity
        self.task_shapes = [tuple(shape) for shape in task_shapes]
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def kernel_shape(self, inputs, outputs):
        """Shape of the kernel that maps `inputs` to `outputs` channels."""
        raise NotImplementedError

    def linear(self, inputs, kernel):
        """The layer's linear map with the given kernel."""
        raise NotImplementedError

    def mask_shape(self, inputs, outputs):
        """Shape of a task's mask when the layer is `inputs` x `outputs` wide."""
        return self.kernel_shape(inputs, outputs) if self.plasticity == "weights" else (outputs,)

    @property
    def shapes(self):
        """(inputs, outputs) for each task, the current one last."""
        return [*self.task_shapes, (self.inputs_width, self.width)]

    @property
    def initial_shape(self):
        """(inputs, outputs) at the layer's first task."""
        return self.first_shape or next(shape for shape in self.shapes if all(shape))

    @property
    def initial_size(self):
        """Number of mask entries at the layer's first task."""
        return int(np.prod(self.mask_shape(*self.initial_shape)))

    def build(self, input_shape):
        """Creates the kernel and, with plasticity, embedding, cumulated mask and the tasks' bits."""
        self.input_rank = len(input_shape)
        self.inputs_width = int(input_shape[-1])
        self.kernel = self.add_weight(
            name="kernel",
            shape=self.kernel_shape(self.inputs_width, self.width),
            initializer=self.kernel_initializer,
        )
        if self.plasticity is not None:
            self._build_masks()
        super().build(input_shape)

    def _build_masks(self):
        shape = self.mask_shape(self.inputs_width, self.width)
        self.embedding = self._rebuilt_weight(name="embedding", shape=shape, initializer="zeros", autocast=False)
        self.reserved = self._rebuilt_weight(name="reserved", shape=shape, initializer="zeros", trainable=False)
        if self.plasticity == "units":
            # Ones: the network's input z counts as reserved, so that a kernel fed by it is blocked by its
            # output unit alone. `PlasticGenerator` overwrites it for the layers behind.
            self.reserved_inputs = self._rebuilt_weight(
                name="reserved_inputs", shape=(self.inputs_width,), initializer="ones", trainable=False
            )
        self.task_bits = [self._bits(k, self.mask_shape(*shapes)) for k, shapes in enumerate(self.shapes)]

    def _rebuilt_weight(self, **kwargs):
        """Adds a weight that is empty between tasks or follows from the tasks' bits."""
        return stored_as(self.add_weight(**kwargs), Storage.REBUILD)

    def _bits(self, task, mask_shape):
        with host_variables():
            bits = self.add_weight(
                name=f"task_{task}_bits",
                shape=(mask_algebra.packed_size(mask_shape),),
                initializer="zeros",
                dtype="uint8",
                trainable=False,
            )
        return stored_as(bits, Storage.BITS)

    def call(self, inputs, mask_scale=None):
        """Masked linear map of the task being learned."""
        kernel = tf.convert_to_tensor(self.kernel)
        if self.plasticity == "weights":
            kernel *= self.mask(mask_scale)
        outputs = self.linear(tf.cast(inputs, self.compute_dtype), tf.cast(kernel, self.compute_dtype))
        return outputs * tf.cast(self.mask(mask_scale), outputs.dtype) if self.plasticity == "units" else outputs

    def mask(self, mask_scale):
        """The current task's soft mask (eq. 2)."""
        return mask_algebra.soft_mask(tf.convert_to_tensor(self.embedding), mask_scale)

    def kernel_gate(self):
        """Factor of kernel gradients, 1 - m^{<t} (eq. 5): 0 where an earlier task has reserved."""
        if self.plasticity == "weights":
            return 1.0 - tf.convert_to_tensor(self.reserved)
        blocked = mask_algebra.blocked_by_units(
            tf.convert_to_tensor(self.reserved_inputs), tf.convert_to_tensor(self.reserved)
        )
        return 1.0 - self._spread_channels(blocked)

    def _spread_channels(self, matrix):
        """Transposes an [inputs, outputs] matrix to the kernel's axis order, broadcastable to the kernel."""
        return matrix

    def reserve(self):
        """Ends the task: stores the binary mask's bits and adds them to the cumulated mask."""
        mask = mask_algebra.binarize(self.embedding)
        self.task_bits[-1].assign(mask_algebra.pack(mask))
        self.reserved.assign(np.maximum(np.asarray(self.reserved), mask.astype(np.float32)))

    def task_mask(self, task):
        """Stored binary mask of a learned task, numpy bool in the layer's shape at that time."""
        return mask_algebra.unpack(self.task_bits[task], self.mask_shape(*self.shapes[task]))

    def earlier_mask(self, task):
        """Cumulated binary mask m^{<task}, numpy bool in the layer's current shape."""
        earlier = np.zeros(self.mask_shape(self.inputs_width, self.width), bool)
        for k in range(task):
            mask = self.task_mask(k)
            earlier[tuple(slice(0, n) for n in mask.shape)] |= mask
        return earlier

    def task_kernel(self, task):
        """Kernel of a learned task as numpy: its slice of the layer, masked if weights are plastic."""
        corner = tuple(slice(0, n) for n in self.kernel_shape(*self.shapes[task]))
        kernel = np.asarray(self.kernel)[corner]
        return masked(kernel, self.task_mask(task)) if self.plasticity == "weights" else kernel

    def task_weights(self, task, units):
        """Which weights a learned task uses, numpy bool in the kernel's shape at that time.

        units: numpy [inputs], 1 for those that the task uses.
        """
        shape, mask = self.kernel_shape(*self.shapes[task]), self.task_mask(task)
        outputs = mask if self.plasticity == "units" else np.ones(self.shapes[task][1], bool)
        used = np.broadcast_to(np.asarray(self._spread_channels(np.outer(units, outputs) != 0)), shape)
        return used & mask if self.plasticity == "weights" else used

    def task_kernel_between(self, task, units):
        """As `task_kernel`; weights of units that the task does not use, which later tasks may change, are set to 0.

        units: as in `task_weights`.
        """
        corner = tuple(slice(0, n) for n in self.kernel_shape(*self.shapes[task]))
        return masked(np.asarray(self.kernel)[corner], self.task_weights(task, units))

    def grow(self, width, inputs_width=None):
        """Returns the layer for the next task: at least as wide, with the old weights in their places.

        New weights come from the kernel's initializer, the cumulated mask is padded with 0, the embedding
        starts at 0 and the tasks so far keep their bits.

        Args:
          width: output channels of the new layer, >= the present ones.
          inputs_width: input channels of the new layer, >= the present ones (default: unchanged).

        Raises:
          ValueError: if a width would shrink.
        """
        inputs_width = self.inputs_width if inputs_width is None else inputs_width
        if width < self.width or inputs_width < self.inputs_width:
            raise ValueError(
                f"grow of {self.name}: expected at least {self.inputs_width} x {self.width} channels, "
                f"got {inputs_width} x {width}"
            )
        layer = type(self).from_config(self.get_config() | self._grown_config(width))
        layer.build((*(None,) * (self.input_rank - 1), inputs_width))
        layer.inherit(self)
        return layer

    def inherit(self, layer):
        """Takes over the weights of the smaller layer that this one was grown from."""
        paste(self.kernel, layer.kernel)
        if self.plasticity is not None:
            paste(self.reserved, layer.reserved)
            for new, old in zip(self.task_bits, layer.task_bits, strict=False):
                new.assign(old)

    def _grown_config(self, width):
        return {self.width_name: width, "task_shapes": self.shapes}

    def get_config(self):
        """Keras config: true widths, those of the earlier tasks included."""
        return super().get_config() | {
            self.width_name: self.width,
            "plasticity": self.plasticity,
            "task_shapes": [list(shape) for shape in self.task_shapes],
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
        }


def masked(values, mask):
    """Returns the values where the mask is True, else 0, in numpy. A product would let NaN through."""
    return np.where(mask, values, np.float32(0))


def paste(target, source):
    """Copies the source into the corner of the larger target variable."""
    values = np.asarray(target).copy()
    values[tuple(slice(0, n) for n in source.shape)] = np.asarray(source)
    target.assign(values)
