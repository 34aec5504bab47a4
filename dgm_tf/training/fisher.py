"""The diagonal Fisher information of a classifier, from the gradients of single examples."""

import contextlib
import logging

import numpy as np
import tensorflow as tf

from dgm_tf import stopping
from dgm_tf.training.classifier import class_variables
from dgm_tf.training.inference import network_logits
from dgm_tf.training.randomness import replica_count, replica_slice


def diagonal_fisher(network, images, labels=None, batch_size=32):
    """E_x E_y (d log p(y | x) / d theta)^2, one float32 array for each of `class_variables(network)`.

    The expectation over y is exact and over the network's own distribution p(y | x), as the Fisher information is
    defined; with labels it is the empirical Fisher, y being each image's label. Gradients are squared example by
    example, as the square of a batch's mean gradient is something else, and the network is in inference mode, as batch
    statistics would tie the examples together.

    Args:
      network: two-headed network.
      images: float32 [N, H, W, C] in [-1, 1].
      labels: int [N] or None.
      batch_size: gradients that a replica computes at a time; each is as large as the network.
    """
    rows, classes, weights = _pairs(network, images, labels)
    variables, step = class_variables(network), batch_size * replica_count()
    squares = _distributed(lambda *batch: _weighted_squares(network, variables, batch))
    sums = [np.zeros(v.shape) for v in variables]
    for start in range(0, len(rows), step):
        stopping.check()
        part = np.arange(start, start + step)
        kept = part < len(rows)  # the last batch is filled up by examples of weight 0, so that nothing is traced anew
        part = np.minimum(part, len(rows) - 1)
        batch = images[rows[part]], classes[part], (weights[part] * kept).astype(np.float32)
        with _quiet_tracing():
            parts = squares(*map(tf.constant, batch))
        for total, square in zip(sums, parts, strict=True):
            total += np.asarray(square)
    return [(total / len(images)).astype(np.float32) for total in sums]


@contextlib.contextmanager
def _quiet_tracing():
    """Keeps TensorFlow from warning of each convolution that its vectorized_map has to loop over."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


def _distributed(function):
    """The function's sum over replicas, each of which has its share of the batch."""
    strategy = tf.distribute.get_strategy()

    @tf.function
    def total(*batch):
        parts = strategy.run(lambda: function(*map(replica_slice, batch)))
        return [strategy.reduce(tf.distribute.ReduceOp.SUM, part, axis=None) for part in parts]

    return total


def _pairs(network, images, labels):
    """(rows, classes, weights) of all (image, class) pairs to be summed over."""
    if labels is not None:
        return np.arange(len(images)), np.asarray(labels, np.int32), np.ones(len(images))
    probabilities = np.asarray(tf.nn.softmax(network_logits(network, images)))
    rows, classes = np.indices(probabilities.shape)
    return rows.ravel(), classes.ravel().astype(np.int32), probabilities.ravel()


def _weighted_squares(network, variables, batch):
    """Sum over a batch of weight * (d log p(class | image) / d variable)^2."""

    def of_example(example):
        image, label, weight = example
        with tf.GradientTape() as tape:
            _, logits = network(image[None], training=False)
            log_probability = -tf.nn.sparse_softmax_cross_entropy_with_logits(label[None], logits)[0]
        return [weight * tf.square(gradient) for gradient in tape.gradient(log_probability, variables)]

    return [tf.reduce_sum(squares, axis=0) for squares in tf.vectorized_map(of_example, batch)]
