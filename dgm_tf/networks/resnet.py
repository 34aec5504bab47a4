"""The paper's ResNet generator, for CIFAR-10 and ImageNet-50."""

import functools

import gin
import keras
import numpy as np

from dgm_tf.layers import MaskedConv2D, MaskedConv2DTranspose, TaskConv2D
from dgm_tf.networks.folded_resnet import FoldedBlock, FoldedResNet
from dgm_tf.networks.forward import resnet_maps
from dgm_tf.networks.image_shape import checked_size, doublings
from dgm_tf.networks.plastic import PlasticGenerator
from dgm_tf.networks.task_generator import FOLLOW_FROM_TASKS, INITIALIZERS
from dgm_tf.registry import register


def convolution_initializer():
    """Glorot-uniform with a gain of sqrt 2."""
    return INITIALIZERS["xavier"]()


@gin.register(denylist=FOLLOW_FROM_TASKS)
@register
@keras.saving.register_keras_serializable("dgm_tf")
class ResNetGenerator(PlasticGenerator):
    """A masked dense layer to 4x4 maps, pre-activation blocks that double the size, and an unmasked 3x3 convolution.

    A block adds to its upsampled input what two masked 3x3 convolutions, each behind batch norm and ReLU, make of it.
    All start f wide, so that the input is passed as it is. When growth makes input and output of a block differ in
    width, a masked 1x1 convolution leads past from then on; tasks learned before keep the identity on their slice.

    Two blocks make 16x16 images, three 32x32, four 64x64, five 128x128.

    Args and shapes: see `PlasticGenerator`; filters: default 64.

    Reference: Gulrajani et al., Improved training of Wasserstein GANs, NeurIPS 2017, the generator of its appendix.
    """

    # Junctions: 1 is the dense layer's output, then for each block the one within it and its output.

    default_filters = 64

    def _first_widths(self):
        return [self.filters] * (1 + 2 * doublings(4, checked_size(self, self.image_shape)))

    @property
    def _num_blocks(self):
        return len(self.widths) // 2

    def _wiring(self, task):
        wiring = {"dense": (0, 1)}
        for block in range(self._num_blocks):
            start, inner, end = 2 * block + 1, 2 * block + 2, 2 * block + 3
            wiring |= {f"block_{block}_first": (start, inner), f"block_{block}_second": (inner, end)}
            if self._has_shortcut(block, task):
                wiring[f"block_{block}_shortcut"] = (start, end)
        return wiring

    def _has_shortcut(self, block, task):
        """Whether the task's network has a convolution, and not the identity, past the block."""
        return any(w[2 * block] != w[2 * block + 2] for w in self._seen(task))

    def _passes(self, task):
        blocks = range(self._num_blocks)
        return [(2 * block + 1, 2 * block + 3) for block in blocks if not self._has_shortcut(block, task)]

    def _masked_layers(self):
        return [
            self._masked_layer(name, self.widths[target - 1])
            for name, (_, target) in self._wiring(self.num_tasks - 1).items()
        ]

    def _masked_layer(self, name, width):
        settings = {"plasticity": self.plasticity, "task_shapes": self._task_shapes(name), "name": name}
        if name == "dense":  # over one pixel a transposed convolution is a dense layer, masked by feature map
            limit = float(np.sqrt(6.0 / (self.latent_size + 16 * width)))
            initializer = keras.initializers.RandomUniform(-limit, limit)
            initializer = self._kernel_initializer(initializer)
            return MaskedConv2DTranspose(width, 4, padding="valid", kernel_initializer=initializer, **settings)
        size, initializer = 1 if name.endswith("shortcut") else 3, self._kernel_initializer(convolution_initializer())
        return MaskedConv2D(width, size, kernel_initializer=initializer, **settings)

    def _output_layer(self, channels, task_shapes):
        return TaskConv2D(
            channels, 3, use_bias=True, task_shapes=task_shapes, kernel_initializer=convolution_initializer(),
            name="image",
        )  # fmt: skip

    def _blocks(self, task):
        """For each block of a task's network its first and second convolution and its shortcut or None."""
        layers = {layer.name: layer for layer in self.masked_layers}
        present = self._wiring(task)
        for block in range(self._num_blocks):
            names = [f"block_{block}_{part}" for part in ("first", "second", "shortcut")]
            yield [layers[name] if name in present else None for name in names]

    def call(self, latents, mask_scale, training=False):
        """Images of the task being learned, at the given mask scale."""

        def at_scale(layer):
            return layer and functools.partial(layer, mask_scale=mask_scale)

        x, dense = latents[:, None, None, : self.latent_size], at_scale(self.masked_layers[0])
        blocks = [map(at_scale, block) for block in self._blocks(self.num_tasks - 1)]
        activations = self._activations(mask_scale, training)
        return self._images(resnet_maps(x, dense, blocks, activations, self.output_layer), latents)

    def fold(self, task):
        """`FoldedResNet` of a learned task: the slice of the network that the task was learned on."""
        used = self.task_junction_masks(task)
        affine = [
            [values * mask for values in norm.affine(task)] for norm, mask in zip(self.norms, used[1:], strict=True)
        ]
        blocks = []
        for block, (first, second, shortcut) in enumerate(self._blocks(task)):
            start, inner = 2 * block + 1, 2 * block + 2
            scale, offset = affine[inner - 1]
            blocks.append(FoldedBlock(
                *affine[start - 1],
                first.task_kernel_between(task, used[start]) * scale, offset,
                second.task_kernel_between(task, used[inner]),
                None if shortcut is None else shortcut.task_kernel_between(task, used[start]),
            ))  # fmt: skip
        dense = self.masked_layers[0].task_kernel_between(task, used[0])
        output = (*affine[-1], self.output_layer.task_kernel(task), self.output_layer.task_bias(task))
        return FoldedResNet(dense, blocks, output, f"task_{task}", self._heads(task))
