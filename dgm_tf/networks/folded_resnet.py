"""A learned task's ResNet generator, folded."""

import itertools
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dgm_tf.layers.convolution import transposed_convolution
from dgm_tf.networks.folded import FoldedNetwork, as_images, as_pixels, at_least_one
from dgm_tf.networks.forward import resnet_maps


class FoldedBlock(NamedTuple):
    """One block's arrays; kernels are [k, k, inputs, outputs].

    scale, offset [inputs]: batch norm before the first convolution; first, bias: that convolution with the batch norm
    behind it; second: the other one; shortcut: the 1x1 kernel past both, or None: the input is passed as it is.
    """

    scale: object
    offset: object
    first: object
    bias: object
    second: object
    shortcut: object


class FoldedResNet(FoldedNetwork):
    """A ResNet generator; masks are folded into it, and batch norm where a convolution comes before it.

    Channels that are 0 for every input are left out.

    Args:
      dense: kernel [4, 4, outputs, latent_size] of the first layer.
      blocks: list of `FoldedBlock`.
      output: (scale, offset, kernel, bias): batch norm and the 3x3 convolution to the image.
      name, heads: see `FoldedNetwork`.

    Attributes:
      widths: channels left of the dense layer's maps, then of each block's inner and outer ones; full_widths: before.
    """

    def __init__(self, dense, blocks, output, name, heads=None):
        super().__init__(dense.shape[-1], heads, name)
        self.full_widths = _widths(dense, blocks)
        dense, blocks, output = _without_dead(dense, blocks, output)
        self.widths = _widths(dense, blocks)
        self._dense = self._constant("dense", dense)
        self._blocks = [
            FoldedBlock(*(
                None if array is None else self._constant(f"block_{i}_{part}", array)
                for part, array in zip(FoldedBlock._fields, block, strict=True)
            ))
            for i, block in enumerate(blocks)
        ]  # fmt: skip
        self._output = [
            self._constant(f"output_{part}", array)
            for part, array in zip(("scale", "offset", "kernel", "bias"), output, strict=True)
        ]
        self._structure = tuple(block.shortcut is not None for block in blocks)
        self.built = True

    def call(self, latents, training=False):
        """Images."""
        parts = [part for block in self._blocks for part in block if part is not None]
        return self._made(_images, self._structure, latents, [self._dense, *parts, *self._output])


def _images(has_shortcut, z, which, *parts):
    return as_images(_maps(has_shortcut, as_pixels(z), *parts), which)


def _maps(has_shortcut, x, dense, *parts):
    parts = iter(parts)
    blocks = [FoldedBlock(*itertools.islice(parts, 5), next(parts) if shortcut else None) for shortcut in has_shortcut]
    scale, offset, kernel, bias = parts
    layers = [[_convolution(block.first), _convolution(block.second), _convolution(block.shortcut)] for block in blocks]
    activations = [f for block in blocks for f in (_scaled(block.scale, block.offset), _shifted(block.bias))]
    return resnet_maps(
        x,
        lambda x: transposed_convolution(x, dense, 1, "valid"),
        layers,
        [*activations, _scaled(scale, offset)],
        lambda x: tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, "SAME"), bias),
    )


def _convolution(kernel):
    return None if kernel is None else lambda x: tf.nn.conv2d(x, kernel, 1, "SAME")


def _scaled(scale, offset):
    return lambda x: tf.nn.relu(x * scale + offset)


def _shifted(bias):
    return lambda x: tf.nn.relu(tf.nn.bias_add(x, bias))


def _widths(dense, blocks):
    return [dense.shape[2], *(width for block in blocks for width in (block.first.shape[3], block.second.shape[3]))]


def _without_dead(dense, blocks, output):
    """The same without channels that are 0, before and behind every batch norm that reads them, for every input."""
    streams = _alive_streams(dense, blocks, output)
    pruned = []
    for block, (start, end) in zip(blocks, itertools.pairwise(streams), strict=True):
        inner = at_least_one(np.any(block.first != 0, axis=(0, 1, 2)) | (block.bias > 0))
        pruned.append(FoldedBlock(
            block.scale[start], block.offset[start],
            block.first[:, :, start][..., inner], block.bias[inner],
            block.second[:, :, inner][..., end],
            None if block.shortcut is None else block.shortcut[:, :, start][..., end],
        ))  # fmt: skip
    scale, offset, kernel, bias = output
    last = streams[-1]
    return dense[:, :, streams[0]], pruned, (scale[last], offset[last], kernel[:, :, last], bias)


def _alive_streams(dense, blocks, output):
    """Indices of the channels that are kept of the blocks' inputs and of the last output.

    Blocks that pass their input on have all the same ones: it runs from the first to the last of them.
    """
    writers = [[np.moveaxis(dense, 2, 3)]]
    writers += [[block.second] if block.shortcut is None else [block.second, block.shortcut] for block in blocks]
    offsets = [*(block.offset for block in blocks), output[1]]
    alive = [
        np.any([np.any(kernel != 0, axis=(0, 1, 2)) for kernel in kernels], axis=0) | (offset > 0)
        for kernels, offset in zip(writers, offsets, strict=True)
    ]
    for i in (*range(len(blocks)), *reversed(range(len(blocks)))):
        if blocks[i].shortcut is None:
            alive[i] = alive[i + 1] = alive[i] | alive[i + 1]
    return [at_least_one(channels) for channels in alive]
