"""Inference over many images."""

import contextlib

import numpy as np
import tensorflow as tf

from dgm_tf import stopping
from dgm_tf.training.pool import to_float

_PIXELS = 2**20  # at once: 1,024 images of 32x32, so that the calls cost little beside the work


def in_batches(function, inputs, image_shape):
    """numpy outputs of a function of [n, ...] arrays, called with some rows at a time: fewer, the larger an image is.

    A GPU computes in float32 here, not in TF32, so that images and predictions are another device's but for rounding.

    Args:
      function: of so many rows of the inputs; images of `image_shape` go in or come out.
      inputs: [N, ...].
      image_shape: (H, W, channels).
    """
    if not len(inputs):  # Keras's convolutions cannot: what one row gives, without it
        one = np.zeros((1, *inputs.shape[1:]), np.asarray(inputs).dtype)
        return in_batches(function, one, image_shape)[:0]
    size = max(1, _PIXELS // int(np.prod(image_shape[:2])))
    outputs = []
    with _full_float32():
        for start in range(0, len(inputs), size):
            stopping.check()
            outputs.append(np.asarray(function(inputs[start : start + size])))
    return np.concatenate(outputs)


@contextlib.contextmanager
def _full_float32():
    """Inside, products have float32's 24 bits: TF32's 11 moved images by 0.002 where a process chose other kernels.

    TensorFlow keeps the kernel that it has chosen for a convolution's shapes, in whichever mode that was: as many rows
    as a training step has may still get TF32.
    """
    settings = tf.config.experimental
    enabled = settings.tensor_float_32_execution_enabled()
    settings.enable_tensor_float_32_execution(False)
    try:
        yield
    finally:
        settings.enable_tensor_float_32_execution(enabled)


def network_logits(network, images):
    """float32 [N, classes] of a two-headed network for images, uint8 or float in [-1, 1], in inference mode."""
    return in_batches(lambda part: network(to_float(part), training=False)[1], images, images.shape[1:])


def network_scores(network, images):
    """float32 [N], scores of a network with `logits_and_scores`; images as for `network_logits`."""
    return in_batches(lambda part: network.logits_and_scores(to_float(part))[1], images, images.shape[1:])


def network_features(network, images):
    """float32 [N, features] that a two-headed network's heads read (rounded to bfloat16 where it computes in that).

    Images as for `network_logits`.
    """
    features = in_batches(lambda part: network.features(to_float(part), training=False), images, images.shape[1:])
    return features.astype(np.float32)
