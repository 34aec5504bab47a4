"""What every generator with task masks can do: be trained masked, reserve, grow, replay a learned task."""

import functools

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.layers import mask_algebra

FOLDED_KEPT = 32  # generators of earlier tasks, a float a weight, that are kept for replay


def conditional_latents(z, labels, num_classes):
    """z with its first `num_classes` entries overwritten by the class's one-hot code (section 2).

    z: float32 [N, latent]; labels: int [N] in [0, num_classes); returns [N, latent].
    """
    return tf.concat([tf.one_hot(labels, num_classes, dtype=z.dtype), z[:, num_classes:]], axis=1)


class PlasticGenerator(keras.Model):
    """A generator made of masked layers in a row (`masked_layers`), each feeding the next.

    Subclasses build the layers and define `call(latents, mask_scale, training)`, `fold(task)` (a Keras model that
    makes a learned task's images from latents [N, latent_size]) and `_next(widths)`.

    Attributes:
      masked_layers: list of `MaskedLayer`, in the order of the forward pass.
      initial_sizes: free capacity to be kept, per masked layer: mask entries at the first task.
      num_tasks: tasks learned or being learned; the last one is trainable.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self._fold_once = functools.lru_cache(FOLDED_KEPT)(self.fold)

    def plain(self, task):
        """The generator of a learned task as an ordinary Keras model, masks and batch norm folded into its kernels.

        Its cost and its output never change. Those of earlier tasks are kept for the next call, up to a number.
        """
        return self._fold_once(task) if task < self.num_tasks - 1 else self.fold(task)

    def fold(self, task):
        """What `plain` gives, made anew."""
        raise NotImplementedError

    @property
    def plasticity(self):
        """"weights", "units" or None."""
        return self.masked_layers[0].plasticity

    def masks(self, mask_scale):
        """The current task's soft masks, one per masked layer."""
        return [layer.mask(mask_scale) for layer in self.masked_layers]

    def sparsity(self, mask_scale):
        """R of eq. 6 for the current task."""
        reserved = [tf.convert_to_tensor(layer.reserved) for layer in self.masked_layers]
        return mask_algebra.sparsity(self.masks(mask_scale), reserved)

    def transform_gradients(self, gradients, variables, mask_scale, epoch_scale):
        """Blocks what earlier tasks reserved (eq. 5) and compensates the embeddings' gradients (section 3)."""
        transforms = {}
        for layer in self.masked_layers:
            transforms[layer.kernel.path] = lambda g, layer=layer: g * layer.kernel_gate()
            transforms[layer.embedding.path] = lambda g, layer=layer: mask_algebra.compensate(
                g, tf.convert_to_tensor(layer.embedding), mask_scale, epoch_scale
            )
        return [
            transforms.get(variable.path, lambda g: g)(gradient)
            for gradient, variable in zip(gradients, variables, strict=True)
        ]

    def reserve(self):
        """Ends the current task: its binary masks are stored and cumulated in every masked layer."""
        for layer in self.masked_layers:
            layer.reserve()
        self.share_reserved_units()

    def restore_reserved(self):
        """Sets the cumulated masks to what the stored bits of the tasks before the current one say."""
        for layer in self.masked_layers:
            layer.reserved.assign(layer.earlier_mask(self.num_tasks - 1).astype(np.float32))
        self.share_reserved_units()

    def grown_widths(self):
        """Output widths for the next task that restore each layer's free capacity (section 3.2)."""
        widths, inputs = [], None
        for layer, target in zip(self.masked_layers, self.initial_sizes, strict=True):
            inputs = layer.inputs_width if inputs is None else inputs
            free = _free(layer)
            if self.plasticity == "units":
                added = target - free
            else:
                area = int(np.prod(layer.kernel.shape)) // (layer.inputs_width * layer.width)
                free += area * (inputs - layer.inputs_width) * layer.width
                added = mask_algebra.additional_outputs(free, target, inputs * area)
            inputs = layer.width + added
            widths.append(inputs)
        return widths

    def grow(self):
        """Returns the generator for the next task, with every layer's free capacity restored.

        Raises:
          AssertionError: if a layer has less free capacity than at the start, or more than one output's
            worth above it without wider inputs having brought it.
        """
        grown = self._next(self.grown_widths())
        for old, new, target in zip(self.masked_layers, grown.masked_layers, self.initial_sizes, strict=True):
            _check_free_capacity(old, new, target)
        grown.share_reserved_units()
        return grown

    def share_reserved_units(self):
        """Tells each unit-masked layer which of its inputs are reserved: the units of the layer before."""
        if self.plasticity == "units":
            for before, layer in zip(self.masked_layers, self.masked_layers[1:], strict=False):
                layer.reserved_inputs.assign(before.reserved)

    def task_size(self):
        """Parameters of the generator on the current task: kernels, batch norm and image layer, no embeddings."""
        embeddings = sum(int(np.prod(layer.embedding.shape)) for layer in self.masked_layers)
        return sum(int(np.prod(v.shape)) for v in self.trainable_variables) - embeddings

    def free_capacity(self):
        """Mask entries that no task has reserved, per masked layer's name."""
        return {layer.name: _free(layer) for layer in self.masked_layers}

    def capacity(self):
        """Per masked layer: units, parameters, mask_entries, and of these used, newly_reserved and reused.

        To be called between `reserve` and `grow`, for the task just ended.
        """
        rows = {}
        for layer in self.masked_layers:
            mask = layer.task_mask(self.num_tasks - 1)
            earlier = layer.earlier_mask(self.num_tasks - 1)
            rows[layer.name] = {
                "units": layer.width,
                "parameters": int(np.prod(layer.kernel.shape)),
                "mask_entries": int(mask.size),
                "used": int(mask.sum()),
                "newly_reserved": int((mask & ~earlier).sum()),
                "reused": int((mask & earlier).sum()),
            }
        return rows


def _free(layer):
    return int(np.sum(np.asarray(layer.reserved) == 0))


def _check_free_capacity(old, new, target):
    rest = int(np.prod(new.mask_shape(new.inputs_width, 1))) if new.plasticity == "weights" else 1
    free = _free(new)
    if free < target or (new.width > old.width and free >= target + rest):
        raise AssertionError(f"free capacity of {new.name}: expected {target} (+ < {rest}), got {free}")
