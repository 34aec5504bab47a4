"""The image shapes that networks are built for."""

from dgm_tf.errors import UserError

SIZES = (16, 32, 64, 128)
CHANNELS = (1, 3)


def checked_size(owner, image_shape):
    """Height and width in pixels of square images.

    owner: the network, for the message; image_shape: (H, W, C).

    Raises:
      UserError: for another shape than 16, 32, 64 or 128 pixels square with 1 or 3 channels.
    """
    height, width, channels = image_shape if len(image_shape) == 3 else (0, 0, 0)
    if height != width or height not in SIZES or channels not in CHANNELS:
        raise UserError(
            f"image_shape: {type(owner).__name__} expects square images of 16, 32, 64 or 128 pixels with 1 or 3 "
            f"channels, got {tuple(image_shape)}; for feature vectors choose DenseGenerator and MLPDiscriminator"
        )
    return height


def doublings(start, size):
    """How often `start` pixels are doubled to make `size`, both powers of two."""
    return (size // start).bit_length() - 1
