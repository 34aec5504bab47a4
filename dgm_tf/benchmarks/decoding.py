"""An image file, whatever it holds, as a small square of 8-bit pixels."""

import errno
import functools

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

# What is read, by its content and not by its name. Others that the library knows run programs or hold no pictures.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
_GREY_MODES = ("1", "L", "LA", "La")
_BACKGROUND = (255, 255, 255, 255)  # where a picture is transparent


class Unreadable(Exception):
    """A file that gives no image; its text says why."""


def decode(path, size, channels):
    """The image in a file, its middle cut out as a square and resized, antialiased.

    The first one of several (an animated GIF), turned as its EXIF data say, transparent parts on white, 16-bit levels
    brought down to 8 bits.

    Args:
        path: the file.
        size: height and width of the result, in pixels.
        channels: 1 (luma, ITU-R 601) or 3 (RGB).

    Returns:
        uint8 [size, size, channels].

    Raises:
        Unreadable: the file is no image, is broken, or its levels have no known range.
    """
    return _with_image(path, lambda image: _square(image, size, channels))


def is_grey(path):
    """Whether the image in a file can only be grey: by its kind and palette, not by its pixels.

    Raises:
        Unreadable: the file is no image.
    """
    return _with_image(path, _has_grey_levels_only)


@functools.cache
def _formats():
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]  # not every build of the library has all


def _with_image(path, function):
    try:
        with Image.open(path, formats=_formats()) as image:
            return function(image)
    except Unreadable:
        raise
    except UnidentifiedImageError as error:
        raise Unreadable("not an image") from error
    except OSError as error:
        link = error.errno in (errno.ENOENT, errno.ELOOP)  # it was there when the folder was listed
        raise Unreadable("a link to nothing" if link else error.strerror or str(error)) from error
    except Exception as error:  # decoders of broken files raise whatever they come upon
        raise Unreadable(str(error) or type(error).__name__) from error


def _square(image, size, channels):
    image.draft(None, (4 * size, 4 * size))  # large JPEGs are decoded at a fraction of their size
    image = _eight_bits(ImageOps.exif_transpose(image))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _BACKGROUND), image)
    image = image.convert("L" if channels == 1 else "RGB")
    image = ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR)
    return np.asarray(image).reshape(size, size, channels)


def _eight_bits(image):
    """An image of 16-bit levels as one of 8-bit ones: Pillow's own conversion would cut them off at 255."""
    if image.mode == "F":
        raise Unreadable("its levels are floating-point numbers, whose range is not known")
    if not image.mode.startswith("I"):
        return image
    levels = np.asarray(image)
    if levels.min() < 0 or levels.max() > 65535:
        raise Unreadable("its levels have more than 16 bits")
    return Image.fromarray(np.rint(levels / 257.0).astype(np.uint8))


def _has_grey_levels_only(image):
    if image.mode in ("P", "PA"):
        palette = np.reshape(image.getpalette("RGB"), (-1, 3))
        return bool(np.all(palette == palette[:, :1]))
    return image.mode in _GREY_MODES or image.mode.startswith("I")
