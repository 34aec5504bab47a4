"""GAN and classification losses: pure functions of scores; their weights are the caller's.

Every loss is a mean over the batch that it is given. Names follow TF-GAN.
"""

import tensorflow as tf


def wasserstein_generator_loss(fake_scores):
    """-mean D(fake) (Arjovsky et al., 2017). fake_scores: [N]."""
    return -tf.reduce_mean(fake_scores)


def wasserstein_discriminator_loss(real_scores, fake_scores):
    """mean D(fake) - mean D(real) (Arjovsky et al., 2017). Scores: [N]."""
    return tf.reduce_mean(fake_scores) - tf.reduce_mean(real_scores)


def wasserstein_gradient_penalty(critic, real, fake, mix):
    """mean (|grad_x D(x_hat)|_2 - 1)^2 on lines between real and fake (Gulrajani et al., 2017, eq. 3).

    Args:
      critic: images -> scores [N].
      real, fake: images [N, H, W, C], or vectors [N, D].
      mix: [N] in [0, 1], the share of `real` in x_hat.
    """
    rank = real.shape.rank
    mix = tf.reshape(mix, [-1] + [1] * (rank - 1))
    images = mix * real + (1.0 - mix) * fake
    with tf.GradientTape() as tape:
        tape.watch(images)
        scores = critic(images)
    gradient = tape.gradient(scores, images)
    # sqrt(sum + tiny) and not tf.norm, whose second derivative is NaN where the gradient is 0.
    norm = tf.sqrt(tf.reduce_sum(tf.square(gradient), axis=range(1, rank)) + 1e-12)
    return tf.reduce_mean(tf.square(norm - 1.0))


def replay_alignment_loss(images, replayed):
    """mean |x - x'|_2^2 over the batch, the squares summed over an image (Wu et al., 2018, eq. 8).

    images, replayed: [N, H, W, C], or vectors [N, D], of the new generator and of the old one, from the same z and
    classes.
    """
    squares = tf.square(images - replayed)
    return tf.reduce_mean(tf.reduce_sum(squares, axis=range(1, squares.shape.rank)))


def acgan_loss(logits, labels):
    """Cross-entropy of the class head (Odena et al., 2017), for real and generated images alike.

    logits: [N, classes]; labels: int [N].
    """
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits))


def distillation_loss(logits, taught, temperature, weights):
    """T^2 H(softmax(taught / T), softmax(logits / T)) over the teacher's classes (Hinton et al., 2015, section 2.1).

    Args:
      logits: [N, classes].
      taught: [N, earlier classes], the teacher's logits.
      temperature: T.
      weights: [N], of the images in the mean over the batch.
    """
    targets = tf.nn.softmax(taught / temperature)
    answers = logits[:, : tf.shape(taught)[1]] / temperature
    return temperature**2 * tf.reduce_mean(weights * tf.nn.softmax_cross_entropy_with_logits(targets, answers))


def icarl_loss(logits, labels, earlier_logits=None):
    """Sigmoid cross-entropy of new classes, distillation of earlier ones (Rebuffi et al., 2017, Algorithm 3).

    Per image a sum over the classes: the new ones' targets are 1 for the image's class and 0 for the others; the
    earlier ones' are what the network before the task answered, whatever the image's class.

    logits: [N, classes]; labels: int [N]; earlier_logits: [N, earlier classes] or None in the first task.
    """
    targets = tf.one_hot(labels, tf.shape(logits)[1], dtype=logits.dtype)
    if earlier_logits is not None:
        targets = tf.concat([tf.sigmoid(earlier_logits), targets[:, tf.shape(earlier_logits)[1] :]], axis=1)
    losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)
    return tf.reduce_mean(tf.reduce_sum(losses, axis=1))
