"""Growth of masked layers: how many outputs restore each layer's free capacity."""

import numpy as np

from dgm_tf.layers import mask_algebra


def free_entries(layer):
    """Number of mask entries that no task has reserved."""
    return int(np.sum(np.asarray(layer.reserved) == 0))


def needed_outputs(layer, inputs):
    """Number of outputs to add to a layer whose input will be `inputs` wide."""
    free = free_entries(layer)
    if layer.plasticity == "units":
        return max(0, layer.initial_size - free)
    area = int(np.prod(layer.kernel.shape)) // (layer.inputs_width * layer.width)
    free += area * (inputs - layer.inputs_width) * layer.width
    return mask_algebra.additional_outputs(free, layer.initial_size, inputs * area)


def aligned_entries(old, new):
    """Free entries that a grown layer has for no need of its own, but to be as wide as another that it is added to."""
    per_output = int(np.prod(new.mask_shape(new.inputs_width, 1)))
    return (new.width - old.width - needed_outputs(old, new.inputs_width)) * per_output


def check_free_capacity(old, new):
    """Asserts that a grown layer is as free as at its first task.

    At least np entries are free; at most np, what alignment to a shared width adds, and, where weights are masked and
    the division leaves a rest, fewer than one output's worth more. Wider inputs alone may bring more than that.

    Raises:
      AssertionError: if it is not.
    """
    target, aligned, free = new.initial_size, aligned_entries(old, new), free_entries(new)
    rest = int(np.prod(new.mask_shape(new.inputs_width, 1)))
    grew = needed_outputs(old, new.inputs_width) > 0
    if free < target or (grew and free - aligned >= target + rest):
        raise AssertionError(f"free capacity of {new.name}: expected {target} + {aligned} (+ < {rest}), got {free}")
