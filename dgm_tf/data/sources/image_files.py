"""Opens image files safely: regular files only, identified by content, with a limit of pixels."""

import contextlib
import errno
import functools
import os
import threading

from PIL import Image

from dgm_tf import limits
from dgm_tf.disk.regular_files import NotRegular, open_regular
from dgm_tf.text import shown

# What is read, where the installed Pillow has it. Others that it knows run programs or hold no pictures.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF", "PPM", "AVIF", "JPEG2000")
_PREFIX = 160  # bytes of a file by which its format is known
_CONVERT = "convert it to JPEG or PNG"
_NOT_HERE = f"which this Pillow cannot read: {_CONVERT}, or install another Pillow"
_HEIF = "which is not read: convert it to JPEG (heif-convert does, and phones and photo programs do on export)"
_RAW = "a camera's raw image, which is not read: develop it to JPEG or TIFF"
# Formats that are not read: (place, bytes there, name and what to do).
_OTHERS = (
    *((4, b"ftyp" + brand, f"HEIC, {_HEIF}") for brand in (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis")),
    *((4, b"ftyp" + brand, f"HEIF, {_HEIF}") for brand in (b"mif1", b"msf1")),
    (4, b"ftypcrx ", f"CR3, {_RAW}"),
    *((4, b"ftyp" + brand, f"AVIF, {_NOT_HERE}") for brand in (b"avif", b"avis")),
    (4, b"ftyp", "a video, which is not read: save single pictures of it as JPEG or PNG"),
    (0, b"\0\0\0\x0cJXL ", f"JPEG XL, which is not read: {_CONVERT}"),
    (0, b"\xff\x0a", f"JPEG XL, which is not read: {_CONVERT}"),
    (0, b"\0\0\0\x0cjP  ", f"JPEG 2000, {_NOT_HERE}"),
    (0, b"FUJIFILMCCD-RAW", f"RAF, {_RAW}"),
    (0, b"%PDF", "PDF, which is not read: save its pictures as JPEG or PNG"),
    (0, b"%!PS", f"EPS, which is not read, since that would start a program: {_CONVERT}"),
    (0, b"\xc5\xd0\xd3\xc6", f"EPS, which is not read, since that would start a program: {_CONVERT}"),
    (0, b"\xd7\xcd\xc6\x9a", f"WMF, which is not read, since that would start a program: {_CONVERT}"),
    (0, b"v/1\x01", f"OpenEXR, whose levels have no known range: {_CONVERT}"),
    (128, b"DICM", f"DICOM, which is not read: {_CONVERT}, with the window that shows what matters"),
    (0, b"\x93NUMPY", "a NumPy array, not an image: put images into one archive, see ImageArchive"),
    (0, b"PK\3\4", "a zip archive, not an image: unpack it, or see ImageArchive for an .npz"),
    (0, b"version https://git-lfs", "a pointer of Git LFS, not an image: fetch the files with git lfs pull"),
)
# Text, perhaps after blanks and a byte order mark: (what is in it, name and what to do).
_TEXTS = (
    (b"<svg", f"SVG, which holds no pixels: {_CONVERT}"),
    (b"<html", "a web page, not an image: was it saved in an image's place?"),
    (b"<!doctype html", "a web page, not an image: was it saved in an image's place?"),
)
# What is no fault of a file: it would be left out today and be there tomorrow.
_NOT_THE_FILES = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR)
_alone = threading.Lock()  # held while a large image is in memory


class Unreadable(Exception):
    """Raised for a file that cannot be read as an image. Its text says why."""


@contextlib.contextmanager
def opened_image(path, max_pixels=None, draft=None):
    """Opens the first image of a file without decoding it.

    Args:
        path: the file.
        max_pixels: of the image as it will be decoded; None: `limits.MAX_PIXELS`. Large ones come one at a time.
        draft: (width, height) that are enough: a JPEG is then decoded at 1/2, 1/4 or 1/8 of its size.

    Raises:
        Unreadable: the file is no regular file, no image, broken or too large; also for what Pillow raises inside.
        OSError: the system has too many files open, or no memory.
    """
    with _told(path), open_regular(path) as file:
        if os.fstat(file.fileno()).st_size > limits.MAX_IMAGE_FILE_BYTES:
            raise Unreadable(f"a file of more than {limits.MAX_IMAGE_FILE_BYTES / 1e9:g} GB")
        with _identified(file) as image, _bounded(image, max_pixels or limits.MAX_PIXELS, draft):
            yield image


@contextlib.contextmanager
def _told(path):
    """Converts any error of a file into `Unreadable`."""
    try:
        yield
    except Unreadable:
        raise
    except NotRegular as error:
        raise Unreadable(str(error)) from error
    except OSError as error:
        if error.errno in _NOT_THE_FILES:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise Unreadable(_why_not_opened(path, error)) from error
    except MemoryError as error:
        raise Unreadable("it takes more memory than there is") from error
    except Exception as error:  # decoders of broken files raise whatever they come upon
        raise Unreadable(shown(error, most=200) or type(error).__name__) from error


def _why_not_opened(path, error):
    if error.errno in (errno.ENOENT, errno.ELOOP):  # it was there when the folder was listed
        return "a link to nothing" if os.path.islink(path) else "it is gone since the folder was listed"
    return error.strerror or shown(error, most=200)


@functools.cache
def formats():
    """Names of the supported formats. Not every build of Pillow has all."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _identified(file):
    """The image, as the first reader that knows the file's beginning opens it.

    `Image.open` does the same, but refuses large images before a JPEG can be shrunk, by a limit of the whole process.
    """
    prefix = file.read(_PREFIX)
    broken = None
    for name in formats():
        make, accept = Image.OPEN[name]
        if accept is not None and accept(prefix[:16]) is not True:
            continue
        file.seek(0)
        try:
            return make(file, "")
        except Exception as error:  # not this format after all, or broken at its beginning
            broken = error
    raise _unknown(prefix, broken) from broken


def _unknown(prefix, broken):
    if not prefix:
        return Unreadable("not an image: an empty file")
    known = next((text for place, mark, text in _OTHERS if prefix[place:].startswith(mark)), None)
    if prefix.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<"):
        known = next((text for mark, text in _TEXTS if mark in prefix.lower()), None)
    if known and not (broken and known.endswith(_NOT_HERE)):  # else it can read it, but not this one
        return Unreadable(known)
    others = [n for n, (_, accept) in Image.OPEN.items() if accept and n not in FORMATS and _accepts(accept, prefix)]
    if broken is None and others:
        return Unreadable(f"{others[0]}, a format that is not read: {_CONVERT}")
    return Unreadable(f"not an image: {shown(broken, most=100)}" if str(broken or "") else "not an image")


def _accepts(accept, prefix):
    try:
        return accept(prefix[:16]) is True
    except Exception:  # of so short a file
        return False


@contextlib.contextmanager
def _bounded(image, max_pixels, draft):
    """Shrinks a JPEG, refuses an image that is too large, and serialises large images."""
    width, height = image.size
    if not width * height:
        raise Unreadable("an image without pixels")
    in_file = 1  # pixels of the file that count as one: they are not all held
    if image.format in ("JPEG", "MPO") and draft:
        image.draft(None, draft)
        in_file = limits.MAX_PROGRESSIVE_FACTOR if "progressive" in image.info else limits.MAX_SHRUNK_FACTOR
    most = max_pixels // 2 if image.format in limits.COSTLY_FORMATS else max_pixels
    pixels = max(image.width * image.height, width * height / in_file)
    if pixels > most:
        raise Unreadable(
            f"{width} x {height} pixels, {width * height / 1e6:,.0f} million: at most {most * in_file / 1e6:,.0f} "
            f"million are read of a {image.format} (max_pixels = {max_pixels})"
        )
    with _alone if pixels > limits.LARGE_PIXELS else contextlib.nullcontext():
        yield
