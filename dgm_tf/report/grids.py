"""Grids of images, as arrays and as PNG files."""

import io

import numpy as np
from PIL import Image

from dgm_tf.disk import files

GRID_IMAGES = 10  # generated images of each class that a run keeps for people to look at
PADDING = 2  # pixels between the images of a grid


def image_grid(images, columns):
    """Images in rows of `columns`, white lines of 2 pixels between and around them.

    images: float in [-1, 1] or uint8, [N, H, W, C]; the last row may be short. NaN is drawn black.
    Returns uint8 [H', W', C].
    """
    images = as_uint8(images)
    count, height, width, channels = images.shape
    rows = -(-count // columns)
    grid = np.full([rows * columns, height + PADDING, width + PADDING, channels], 255, np.uint8)
    grid[:count, PADDING:, PADDING:] = images
    grid = grid.reshape([rows, columns, *grid.shape[1:]]).swapaxes(1, 2)
    grid = grid.reshape([rows * (height + PADDING), columns * (width + PADDING), channels])
    return np.pad(grid, [[0, PADDING], [0, PADDING], [0, 0]], constant_values=255)


def save_image(array, path):
    """Writes uint8 [H, W] or [H, W, C], C in 1, 3, 4, as PNG to `path`, atomically, making its folder."""
    array = np.asarray(array)
    array = array[..., 0] if array.ndim == 3 and array.shape[-1] == 1 else array
    if array.dtype != np.uint8 or not (array.ndim == 2 or (array.ndim == 3 and array.shape[-1] in (3, 4))):
        raise ValueError(f"array must be uint8 [H, W] or [H, W, 1, 3 or 4], got {array.dtype} {array.shape}")
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, format="PNG")
    files.write_atomically(path, buffer.getvalue(), synced=False)


def as_uint8(images):
    """Converts images, uint8 or float in [-1, 1], to uint8 [N, H, W, C]; raises ValueError for others."""
    images = np.asarray(images)
    if images.ndim != 4 or not images.size:
        raise ValueError(f"images must have shape [N, H, W, C], none of them 0, got {images.shape}")
    if images.dtype == np.uint8:
        return images
    images = np.nan_to_num(images.astype(np.float32), nan=-1.0)
    if np.abs(images).max() > 1.001:
        raise ValueError(f"images must be uint8 or lie in [-1, 1], got {images.min()}..{images.max()}")
    return np.clip(np.rint((images + 1) * 127.5), 0, 255).astype(np.uint8)
