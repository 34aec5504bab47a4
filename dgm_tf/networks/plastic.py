"""Base class of generators with task masks: masked training, reserving, growing, replay of a learned task."""

import functools

import numpy as np
import tensorflow as tf

from dgm_tf.layers import mask_algebra
from dgm_tf.networks import growth
from dgm_tf.networks.task_generator import TaskGenerator


class PlasticGenerator(TaskGenerator):
    """Generator whose masked layers are divided among the tasks.

    Args, attributes and shapes: see `TaskGenerator`.
    """

    @property
    def initial_sizes(self):
        """Free capacity to be kept, per masked layer: its mask entries at its first task."""
        return [layer.initial_size for layer in self.masked_layers]

    def masks(self, mask_scale):
        """The current task's soft masks, one per masked layer."""
        return [layer.mask(mask_scale) for layer in self.masked_layers]

    def sparsity(self, mask_scale):
        """R of eq. 6 for the current task."""
        reserved = [tf.convert_to_tensor(layer.reserved) for layer in self.masked_layers]
        return mask_algebra.sparsity(self.masks(mask_scale), reserved)

    def junction_masks(self, masks, task):
        """Which channels of each junction are in use, by unit masks: a list, all of z first.

        masks: dict masked layer's name -> mask [outputs] of a task, soft or binary. A channel of a sum is in use where
        one of its summands is: 1 - (1 - a) (1 - b).
        """
        used = [np.ones(self.latent_size, np.float32)] + [None] * len(self.widths)
        wiring = sorted(self._wiring(task).items(), key=lambda item: item[1][1])
        summands = [(source, target, masks[name]) for name, (source, target) in wiring]
        summands += [(source, target, None) for source, target in self._passes(task)]
        for source, target, mask in sorted(summands, key=lambda summand: summand[1]):
            mask = used[source] if mask is None else mask
            used[target] = mask if used[target] is None else used[target] + mask - used[target] * mask
        return used

    def task_junction_masks(self, task):
        """`junction_masks` of a learned task, numpy float32; all ones where weights are masked."""
        if self.plasticity == "weights":
            return [np.ones(width, np.float32) for width in (self.latent_size, *self._history[task])]
        present = self._wiring(task)
        masks = {
            layer.name: layer.task_mask(task).astype(np.float32)
            for layer in self.masked_layers if layer.name in present
        }  # fmt: skip
        return self.junction_masks(masks, task)

    def _soft_junction_masks(self, mask_scale):
        """`junction_masks` of the current task; None if weights are masked."""
        if self.plasticity != "units":
            return [None] * (len(self.widths) + 1)
        masks = {layer.name: layer.mask(mask_scale) for layer in self.masked_layers}
        return self.junction_masks(masks, self.num_tasks - 1)

    def _activations(self, mask_scale, training):
        """For each junction but z a function of its values: batch norm and ReLU."""

        def activated(x, norm, used):
            x = tf.nn.relu(norm(x, training=training))
            # Batch norm's beta would let a unit of mask 0 speak again, through weights that later tasks may change.
            return x if used is None else x * tf.cast(used, x.dtype)

        used = self._soft_junction_masks(mask_scale)[1:]
        return [functools.partial(activated, norm=norm, used=u) for norm, u in zip(self.norms, used, strict=True)]

    def transform_gradients(self, gradients, variables, mask_scale, epoch_scale):
        """Blocks what earlier tasks reserved (eq. 5) and compensates the embeddings' gradients (HAT's eq. 5)."""
        transforms = {}
        for layer in self.masked_layers:
            transforms[layer.kernel.path] = lambda g, layer=layer: mask_algebra.gated(g, layer.kernel_gate())
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
        self._share_reserved_units(self.num_tasks)

    def restore_reserved(self):
        """Sets the cumulated masks to what the stored bits of the tasks before the current one say."""
        for layer in self.masked_layers:
            layer.reserved.assign(layer.earlier_mask(self.num_tasks - 1).astype(np.float32))
        self._share_reserved_units(self.num_tasks - 1)

    def _share_reserved_units(self, ended):
        """Tells each unit-masked layer which of its inputs the first `ended` tasks have reserved.

        In a sum these are the units of all summands, an earlier task's identity included: any of them makes the
        channel other than 0 for the task, which then depends on the weights that lead on from it.
        """
        if self.plasticity != "units":
            return
        reserved = [np.zeros(width, np.float32) for width in (self.latent_size, *self.widths)]
        for task in range(ended):
            for units, mask in zip(reserved, self.task_junction_masks(task), strict=True):
                units[: len(mask)] = np.maximum(units[: len(mask)], mask)
        for layer, (source, _) in zip(self.masked_layers, self._wiring(self.num_tasks - 1).values(), strict=True):
            if source:
                layer.reserved_inputs.assign(reserved[source])

    def grown_widths(self):
        """Widths for the next task that restore each layer's free capacity.

        Layers that are summed end at one width, that of the layer which needs most.
        """
        widths = [self.latent_size, *self.widths]
        wiring = list(zip(self.masked_layers, self._wiring(self.num_tasks - 1).values(), strict=True))
        for junction in range(1, len(widths)):
            widths[junction] += max(
                growth.needed_outputs(layer, widths[source]) for layer, (source, target) in wiring if target == junction
            )
        return widths[1:]

    def grow(self):
        """Returns the generator for the next task, with every layer's free capacity restored.

        Raises:
          AssertionError: if a layer's free capacity is not what `growth.check_free_capacity` allows.
        """
        config = {
            "widths": self.grown_widths(),
            "task_widths": self._history,
            "classes": [*self.classes, self.classes[-1]],
        }
        grown = type(self).from_config(self.get_config() | config)
        earlier = {layer.name: layer for layer in self.layers}
        for layer in grown.layers:
            if layer.name in earlier:
                layer.inherit(earlier[layer.name])
        for layer in grown.masked_layers:
            if layer.name in earlier:
                growth.check_free_capacity(earlier[layer.name], layer)
        grown._share_reserved_units(self.num_tasks)
        return grown

    def task_size(self):
        """Parameters of the generator on the current task: kernels, batch norm and image layer, no embeddings."""
        embeddings = sum(int(np.prod(layer.embedding.shape)) for layer in self.masked_layers)
        return sum(int(np.prod(v.shape)) for v in self.trainable_variables) - embeddings

    def free_capacity(self):
        """Mask entries that no task has reserved, per masked layer's name."""
        return {layer.name: growth.free_entries(layer) for layer in self.masked_layers}

    def aligned_capacity(self, grown):
        """Free entries, per masked layer's name, that growing to `grown` adds only since sums have one width."""
        after = {layer.name: layer for layer in grown.masked_layers}
        return {layer.name: growth.aligned_entries(layer, after[layer.name]) for layer in self.masked_layers}

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
