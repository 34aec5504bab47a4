"""The forward pass of each generator: of masked layers in training, and of the constants that they are folded into."""

import tensorflow as tf


def in_sequence(x, layers, activations, output):
    """Layers one after the other.

    Args:
      x: [N, 1, 1, latent_size] for convolutions, [N, latent_size] for dense layers.
      layers, activations: functions of values, one pair for each junction.
      output: function of the last junction's values.

    Returns:
      [N, H, W, channels (* heads)], what becomes images by tanh, or vectors [N, D (* heads)].
    """
    for layer, activate in zip(layers, activations, strict=True):
        x = activate(layer(x))
    return output(x)


def resnet_maps(x, dense, blocks, activations, image):
    """Pre-activation blocks, each of which doubles the size.

    Args:
      x: [N, 1, 1, latent_size].
      dense: function of x that gives 4x4 maps.
      blocks: list of (first, second, shortcut), functions of values; shortcut None: the input is passed as it is.
      activations: functions of values: for each block that of its input and the one within it, then the last.
      image: function of the last block's activated output.

    Returns:
      as `in_sequence`, for images.
    """
    x = dense(x)
    for i, (first, second, shortcut) in enumerate(blocks):
        # What is done to each pixel alone comes before the upsampling: the same for a quarter of the work.
        hidden = first(upsampled(activations[2 * i](x)))
        residual = second(activations[2 * i + 1](hidden))
        x = residual + upsampled(x if shortcut is None else shortcut(x))
    return image(activations[-1](x))


def upsampled(x):
    """Nearest-neighbour upsampling by 2, [N, H, W, C] -> [N, 2 H, 2 W, C], by copying whole rows."""
    height, width, channels = x.shape[1], x.shape[2], tf.shape(x)[3] if x.shape[3] is None else x.shape[3]
    x = tf.reshape(tf.concat([x, x], 3), [-1, height, 2 * width, channels])
    return tf.reshape(tf.concat([x, x], 2), [-1, 2 * height, 2 * width, channels])
