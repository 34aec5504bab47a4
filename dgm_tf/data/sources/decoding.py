"""Decodes any image file to a small square of 8-bit pixels."""

import numpy as np
from PIL import Image, ImageCms, ImageOps

from dgm_tf import limits
from dgm_tf.data.sources.image_files import Unreadable, opened_image

__all__ = ["Unreadable", "decode", "is_grey"]

_GREY_MODES = ("1", "L", "LA", "La")
_BACKGROUND = (255, 255, 255, 255)  # where a picture is transparent
_ENOUGH = 4  # times the size wanted: what is larger may be shrunk by averaging first
_BAND_PIXELS = 2**20


def decode(path, size, channels, max_pixels=None, white=None):
    """Decodes the image in a file: its central square, resized with antialiasing.

    The first one of several (an animated GIF), turned as its EXIF data say, transparent parts on white, levels of more
    than 8 bits brought down to 8.

    Args:
        path: the file.
        size: height and width of the result, in pixels.
        channels: 1 (luma, ITU-R 601) or 3 (RGB).
        max_pixels: of the image; None: `limits.MAX_PIXELS`.
        white: the level that becomes 255 in images of more than 8 bits; higher ones do too. None: 65535, and no
            others are read.

    Returns:
        uint8 [size, size, channels].

    Raises:
        Unreadable: the file is no image, is broken or too large, or its levels have no known range.
    """
    with opened_image(path, max_pixels, (_ENOUGH * size, _ENOUGH * size)) as image:
        return _square(image, size, channels, white)


def is_grey(path, max_pixels=None):
    """Whether the image in a file is grey: by its kind and palette, not by its pixels.

    Raises:
        Unreadable: the file is no image.
    """
    with opened_image(path, max_pixels, (1, 1)) as image:
        return _has_grey_levels_only(image)


def _square(image, size, channels, white):
    mode = "L" if channels == 1 else "RGB"
    if image.width * image.height > limits.LARGE_PIXELS:
        image = ImageOps.exif_transpose(_shrunk(image, size, mode, white))
    else:
        image = _plain(ImageOps.exif_transpose(image), mode, white)
    image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)


def _shrunk(image, size, mode, white):
    """Averages the central square of a large image band by band, to bound memory."""
    image.load()  # which turns a TIFF
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    factor = max(1, side // (_ENOUGH * size))
    height = max(1, _BAND_PIXELS // (side * factor)) * factor
    result = Image.new(mode, (-(-side // factor),) * 2)
    for y in range(0, side, height):
        band = image.crop((left, top + y, left + side, top + min(y + height, side)))
        result.paste(_plain(band, mode, white).reduce(factor), (0, y // factor))
    result.getexif()[0x0112] = image.getexif().get(0x0112, 1)
    return result


def _plain(image, mode, white):
    """Converts an image to 8 bits, grey ("L") or colour ("RGB"), without transparency."""
    image = _eight_bits(image, white)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKGROUND), image)
    if image.mode == "LAB":
        image = ImageCms.applyTransform(image, _lab_to_rgb())
    return image.convert(mode)


def _lab_to_rgb():
    lab, rgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, rgb, "LAB", "RGB")


def _eight_bits(image, white):
    """Scales 16-bit levels to 8 bits. Pillow's own conversion would clip them at 255."""
    if image.mode != "F" and not image.mode.startswith("I"):
        return image
    if image.mode == "F" and white is None:
        raise Unreadable("its levels are floating-point numbers, whose range is not known: set white to their largest")
    levels = np.asarray(image)
    if not levels.min() >= 0 or not np.isfinite(levels.max()):
        raise Unreadable("its levels are negative or not finite")
    if white is None and levels.max() > 65535:
        raise Unreadable("its levels have more than 16 bits: set white to the largest")
    return Image.fromarray(np.rint(np.minimum(levels / ((white or 65535) / 255.0), 255)).astype(np.uint8))


def _has_grey_levels_only(image):
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette("RGB"), (-1, 3))
        return bool(np.all(palette == palette[:, :1]))
    return image.mode in _GREY_MODES or image.mode == "F" or image.mode.startswith("I")
