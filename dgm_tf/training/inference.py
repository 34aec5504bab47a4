"""Running a network over many images."""

import numpy as np

from dgm_tf.training.pool import to_float


def in_batches(function, inputs, batch_size=250):
    """numpy outputs of a function of [n, ...] arrays, called with at most `batch_size` rows at a time."""
    parts = [inputs[i : i + batch_size] for i in range(0, len(inputs), batch_size)]
    return np.concatenate([np.asarray(function(part)) for part in parts])


def network_logits(network, images):
    """float32 [N, classes] of a two-headed network for images, uint8 or float in [-1, 1], in inference mode."""
    return in_batches(lambda part: network(to_float(part), training=False)[1], images)
