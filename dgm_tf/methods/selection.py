"""Selection of images by class from an unconditional generator, by a classifier's choices."""

import tensorflow as tf

CANDIDATES = 500  # a round
ROUNDS = 10  # at least, where they are needed


def select(labels, candidates, num_classes, latent_size, limit):
    """z of images that a classifier takes for the labels; TensorFlow, also inside a graph.

    In each round the k-th candidate that is taken for a class goes to the k-th label still without one. At the end a
    label without one repeats, in turn, what was found of its class; where nothing was, the candidate with the largest
    share of the class.

    Args:
      labels: int32 [N] in [0, num_classes).
      candidates: round (int32) -> (z [CANDIDATES, latent_size], shares of the classes [CANDIDATES, num_classes]).
      num_classes, latent_size: int.
      limit: int, candidates in all for each label; `ROUNDS` rounds may be made in any case.

    Returns:
      float32 [N, latent_size].
    """
    count = tf.size(labels)
    rounds = tf.maximum(ROUNDS, -(-limit * count // CANDIDATES))
    found, z = tf.zeros([count], tf.bool), tf.zeros([count, latent_size])
    best, best_share = tf.zeros([num_classes, latent_size]), tf.zeros([num_classes])
    i = tf.constant(0)
    while i < rounds and not tf.reduce_all(found):
        made, shares = candidates(i)
        source = _match(labels, ~found, tf.argmax(shares, 1, tf.int32), num_classes)
        z = tf.where(source[:, None] >= 0, tf.gather(made, tf.maximum(source, 0)), z)
        found |= source >= 0
        share = tf.reduce_max(shares, axis=0)
        best = tf.where((share > best_share)[:, None], tf.gather(made, tf.argmax(shares, 0)), best)
        best_share = tf.maximum(share, best_share)
        i += 1
    return _filled_up(labels, found, z, best)


def _match(labels, wanting, classes, num_classes):
    """int32 [N]: for the k-th wanting label of a class the position of the k-th candidate of the class, or -1."""
    places = _ranks(classes, tf.ones_like(classes, tf.bool), num_classes)
    positions = 1 + tf.range(tf.size(classes))
    table = tf.scatter_nd(tf.stack([classes, places], 1), positions, [num_classes, CANDIDATES])
    ranks = _ranks(labels, wanting, num_classes)
    source = tf.gather_nd(table, tf.stack([labels, tf.minimum(ranks, CANDIDATES - 1)], 1)) - 1
    return tf.where(wanting & (ranks < CANDIDATES), source, -1)


def _ranks(labels, counted, num_classes):
    """int32 [N]: how many counted labels of the same class stand before each."""
    ones = tf.one_hot(labels, num_classes, dtype=tf.int32) * tf.cast(counted, tf.int32)[:, None]
    return tf.gather(tf.cumsum(ones, exclusive=True), labels, batch_dims=1)


def _filled_up(labels, found, z, best):
    """z with the rows that were not found repeating those that were, or else the best."""
    num_classes, count = best.shape[0], tf.size(labels)
    rows = tf.where(found)[:, 0]
    places = tf.stack([tf.gather(labels, rows), tf.gather(_ranks(labels, found, num_classes), rows)], 1)
    table = tf.scatter_nd(places, tf.cast(rows, tf.int32), [num_classes, count])
    totals = tf.gather(tf.math.bincount(tf.gather(labels, rows), minlength=num_classes), labels)
    turn = _ranks(labels, ~found, num_classes) % tf.maximum(totals, 1)
    repeated = tf.gather(z, tf.gather_nd(table, tf.stack([labels, turn], 1)))
    missing = tf.where((totals > 0)[:, None], repeated, tf.gather(best, labels))
    return tf.where(found[:, None], z, missing)
