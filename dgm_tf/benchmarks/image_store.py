"""Images on disk as one array: decoded or unpacked once, found again by the next run."""

import hashlib
import json
import os
import pathlib
import shutil
import tempfile

import numpy as np

from dgm_tf import leftovers, output, stopping
from dgm_tf.benchmarks.decoding import Unreadable, decode, is_grey
from dgm_tf.errors import UserError
from dgm_tf.files import temporary_name

FORMAT = 1  # of what is stored; another number, and files are decoded anew
IMAGES = "images.npy"
_BATCH = 64  # images handed over at once
_CHUNK = 2**24  # bytes written at once


def fingerprint(root, files, size, channels):
    """A name for the images that the files give: it changes with their paths in `root`, sizes, times, permissions."""
    facts = []
    for file in files:
        try:
            status = file.stat()
            readable = os.access(file, os.R_OK)  # what may be read at last is decoded anew
            facts.append((file.relative_to(root).as_posix(), status.st_size, status.st_mtime_ns, readable))
        except OSError:  # a link to nothing
            facts.append((file.relative_to(root).as_posix(), 0, 0, False))
    return hashlib.sha256(json.dumps([FORMAT, size, channels, facts]).encode()).hexdigest()[:16]


def stored_images(name, files, size, channels, cache_dir=None):
    """The files' images as one array on disk.

    Args:
        name: what tells these images from others, see `fingerprint`.
        files: paths.
        size, channels: see `decode`; channels None: 1 where all files are grey, else 3.
        cache_dir: folder to keep it in; None: nothing is kept longer than the array is used.

    Returns:
        (np.memmap uint8 [len(files), size, size, channels], {row: why its file is unreadable}).
    """

    def write(folder):
        unreadable = _write(folder / IMAGES, files, size, channels)
        (folder / "unreadable.json").write_text(json.dumps(unreadable), encoding="utf-8")

    def read(folder):
        unreadable = json.loads((folder / "unreadable.json").read_text(encoding="utf-8"))
        return np.load(folder / IMAGES, mmap_mode="r"), {int(row): why for row, why in unreadable.items()}

    return _stored(name, write, read, cache_dir)


def unpacked(name, archive, key, cache_dir=None):
    """np.memmap of an array in an open `np.load` archive; name, cache_dir: as of `stored_images`."""

    def write(folder):
        with archive.zip.open(f"{key}.npy") as member, open(folder / IMAGES, "wb") as file:
            try:
                shutil.copyfileobj(member, file, 2**20)
            except OSError as error:
                raise _no_room(folder, archive.zip.getinfo(f"{key}.npy").file_size, error) from error

    return _stored(name, write, lambda folder: np.load(folder / IMAGES, mmap_mode="r", allow_pickle=False), cache_dir)


def _stored(name, write, read, cache_dir):
    """What `read` finds in the folder of that name, which `write` has filled once."""
    if cache_dir is None:
        with tempfile.TemporaryDirectory() as folder:
            return _stored(name, write, read, folder)  # what is mapped outlives its name
    folder = pathlib.Path(cache_dir) / f"images-{name}"
    if not folder.is_dir():
        _build(folder, write)
    return read(folder)


def _build(folder, write):
    """Fills the folder under another name first: it is there as a whole or not at all."""
    leftovers.sweep_shared(folder.parent)
    building = temporary_name(folder)
    building.mkdir(parents=True)
    try:
        write(building)
        try:
            os.rename(building, folder)
        except OSError:  # another run was as quick
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _write(path, files, size, channels):
    """Decodes the files into a .npy; returns {row: why} of those that are unreadable."""
    from rich.progress import Progress

    console = output.console()
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        unreadable = {}
        if channels is None:
            channels = _common_channels(files, unreadable, bar)
        row = bar.add_task("Reading images", total=len(files))
        array = _new_file(path, (len(files), size, size, channels))
        for start, images, reasons in _decoded(files, size, channels):
            array[start : start + len(images)] = images
            stopping.check()
            unreadable |= {start + i: why.decode() for i, why in enumerate(reasons) if why}
            bar.advance(row, len(images))
        array.flush()
    return unreadable


def _new_file(path, shape):
    """A .npy whose place on the disk is taken: writing to a map of a full disk would kill the process."""
    array = np.lib.format.open_memmap(path, "w+", np.uint8, shape)
    with open(path, "r+b") as file:
        try:
            _take_place(file.fileno(), path.stat().st_size - array.nbytes, array.nbytes)
        except OSError as error:
            raise _no_room(path.parent, array.nbytes, error) from error
    return array


def _take_place(descriptor, start, size):
    """Has the disk reserve the part of a file that begins at `start`, which holds nothing yet."""
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


def _common_channels(files, unreadable, bar):
    """1 if all files are grey, else 3; adds those that are no images to `unreadable`."""
    row, all_grey = bar.add_task("Looking at files", total=len(files)), True
    for index, file in enumerate(files):
        try:
            all_grey &= is_grey(file)
        except Unreadable as error:
            unreadable[index] = str(error)
        bar.advance(row)
    return 1 if all_grey else 3


def _decoded(files, size, channels):
    """Yields (first row, uint8 [n, size, size, channels], n reasons as bytes, empty for what is readable)."""
    import tensorflow as tf  # here, so that importing the package stays quick

    def read(index):
        try:
            return decode(files[index], size, channels), b""
        except Unreadable as error:
            return np.zeros((size, size, channels), np.uint8), str(error).encode()

    def load(index):
        image, reason = tf.numpy_function(read, [index], (tf.uint8, tf.string), stateful=False)
        return tf.ensure_shape(image, (size, size, channels)), tf.ensure_shape(reason, ())

    with tf.device("CPU:0"):
        data = tf.data.Dataset.range(len(files)).map(load, tf.data.AUTOTUNE, deterministic=True)
        data = data.batch(_BATCH).prefetch(2)
    start = 0
    for images, reasons in data.as_numpy_iterator():
        yield start, images, reasons
        start += len(images)
