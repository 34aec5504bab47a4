"""Images on disk as one memory-mapped array: decoded once, reused by later runs."""

import hashlib
import json
import os
from typing import NamedTuple

import numpy as np

from dgm_tf import checks, limits, output, stopping
from dgm_tf.data.fingerprints import FACTS, facts_of
from dgm_tf.data.sources import cache
from dgm_tf.data.sources.decoding import Unreadable, decode, is_grey
from dgm_tf.errors import UserError

FORMAT = 2  # of what is stored; another number, and files are decoded anew
IMAGES, ROW_FACTS, UNREADABLE = "images.npy", "facts.npy", "unreadable.json"
_BATCH = 64  # images handed over at once
_CHUNK = 2**24  # bytes written at once


class Decoding(NamedTuple):
    """Settings of decoding: see `decode`. channels: None means 1 if all files are grey, else 3."""

    size: int
    channels: int | None
    max_pixels: int | None = None
    white: float | None = None


def decoding(size, channels, max_pixels=limits.MAX_PIXELS, white=None):
    """`Decoding` with the settings of `ImageFolder`, which are checked."""
    checks.number_in("ImageFolder.max_pixels", max_pixels, "[1, inf)")
    if white is not None:
        checks.number_in("ImageFolder.white", white, "(0, inf)")
    return Decoding(size, channels, None if max_pixels == limits.MAX_PIXELS else int(max_pixels), white)


class Stored(NamedTuple):
    """Images on disk.

    images: np.memmap uint8 [N, H, W, C]; facts: `fingerprints.FACTS` [N]; unreadable: {row: why it is unreadable}.
    """

    images: np.ndarray
    facts: np.ndarray
    unreadable: dict[int, str]


def fingerprint(root, files, decoding):
    """Fingerprint of the files: it changes with their paths in `root`, sizes, times and permissions."""
    facts = []
    for file in files:
        try:
            status = file.stat()
            readable = os.access(file, os.R_OK)  # what may be read at last is decoded anew
            facts.append((file.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns, readable))
        except OSError:  # a link to nothing
            facts.append((file.relative_to(root).as_posix(), 0, 0, False))
    return hashlib.sha256(json.dumps([FORMAT, *decoding, facts]).encode()).hexdigest()[:16]


def stored_images(name, files, decoding, cache_dir=None):
    """Returns the files' images as one array on disk, `Stored`.

    Args:
        name: what tells these images from others, see `fingerprint`.
        files: paths.
        decoding: `Decoding`.
        cache_dir: folder to keep it in; None: nothing is kept longer than the array is used.
    """

    def write(folder):
        unreadable, facts = _write(folder / IMAGES, files, decoding)
        (folder / UNREADABLE).write_text(json.dumps(unreadable), encoding="utf-8")
        np.save(folder / ROW_FACTS, facts)

    return cache.kept(name, write, _read, cache_dir)


def unpacked(name, archive, key, cache_dir=None):
    """An array of a `npz.Archive`, `Stored`; name, cache_dir: as of `stored_images`."""

    def write(folder):
        member = archive.members[key]
        with open(folder / IMAGES, "wb") as file:
            try:
                take_place(file.fileno(), 0, member.start + member.nbytes)  # or none of it
                archive.copy(key, file)
            except OSError as error:
                raise _no_room(folder, member.nbytes, error) from error
        (folder / UNREADABLE).write_text("{}", encoding="utf-8")
        np.save(folder / ROW_FACTS, facts_of(_mapped(folder)))

    return cache.kept(name, write, _read, cache_dir)


def _read(folder):
    unreadable = json.loads((folder / UNREADABLE).read_text(encoding="utf-8"))
    return Stored(_mapped(folder), np.load(folder / ROW_FACTS), {int(row): why for row, why in unreadable.items()})


def _mapped(folder):
    return np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False)


def _write(path, files, decoding):
    """Decodes the files into a .npy; returns {row: why} of those that are unreadable, and facts."""
    from rich.progress import Progress

    console = output.console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        unreadable: dict[int, str] = {}
        facts = np.zeros(len(files), FACTS)
        if decoding.channels is None:
            decoding = decoding._replace(channels=_common_channels(files, unreadable, bar, decoding.max_pixels))
        row = bar.add_task("Reading images", total=len(files))
        array = _new_file(path, (len(files), decoding.size, decoding.size, decoding.channels))
        for start, images, reasons in decoded(files, decoding):
            array[start : start + len(images)] = images
            facts[start : start + len(images)] = facts_of(images)
            stopping.check()
            unreadable |= {start + i: why.decode() for i, why in enumerate(reasons) if why}
            bar.advance(row, len(images))
        array.flush()
    return unreadable, facts


def _new_file(path, shape):
    """Creates a .npy and reserves its space: writing to a map on a full disk would kill the process."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with open(path, "r+b") as file:
        try:
            take_place(file.fileno(), path.stat().st_size - array.nbytes, array.nbytes)
        except OSError as error:
            raise _no_room(path.parent, array.nbytes, error) from error
    return array


def take_place(descriptor, start, size):
    """Reserves disk space for a file from `start` on."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, start + size)
    else:  # macOS
        for place in range(start, start + size, _CHUNK):
            os.pwrite(descriptor, bytes(min(_CHUNK, start + size - place)), place)


def _no_room(folder, size, error):
    return UserError(
        f"cache_dir: expected a folder with room for {size / 1e9:.2f} GB of images, got {folder.parent} "
        f"({error.strerror})"
    )


def _common_channels(files, unreadable, bar, max_pixels):
    """Returns 1 if all files are grey, else 3. Files that are no images are added to `unreadable`."""
    row, all_grey = bar.add_task("Looking at files", total=len(files)), True
    for index, file in enumerate(files):
        try:
            all_grey &= is_grey(file, max_pixels)
        except Unreadable as error:
            unreadable[index] = str(error)
        bar.advance(row)
    return 1 if all_grey else 3


def decoded(files, decoding):
    """Yields (first row, uint8 [n, size, size, channels], n reasons as bytes, empty for what is readable).

    Files are decoded in parallel and in their order, not many more than are handed over at once.
    """
    import tensorflow as tf  # here, so that importing the package stays quick

    shape, failed = (decoding.size, decoding.size, decoding.channels), []

    def read(index):
        try:
            return decode(files[index], *decoding), b""
        except Unreadable as error:
            return np.zeros(shape, np.uint8), str(error).encode()
        except OSError as error:  # to be raised as it is: TensorFlow would wrap it
            failed.append(error)
            return np.zeros(shape, np.uint8), b""

    def load(index):
        image, reason = tf.numpy_function(read, [index], (tf.uint8, tf.string), stateful=False)
        return tf.ensure_shape(image, shape), tf.ensure_shape(reason, ())

    with tf.device("CPU:0"):
        data = tf.data.Dataset.range(len(files)).map(load, tf.data.AUTOTUNE, deterministic=True)
        data = data.batch(_BATCH).prefetch(2)
    start = 0
    for images, reasons in data.as_numpy_iterator():
        if failed:
            raise failed[0]
        yield start, images, reasons
        start += len(images)
