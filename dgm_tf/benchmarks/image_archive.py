"""Anybody's images: a NumPy archive."""

import hashlib
import pathlib
import zipfile

import gin
import numpy as np

from dgm_tf.benchmarks import image_store
from dgm_tf.benchmarks.arrays import Arrays
from dgm_tf.benchmarks.class_splits import check_channels, check_number, check_split, class_key, split_rows
from dgm_tf.errors import UserError
from dgm_tf.rows import Rows

IMAGES = ("images", "test_images")
PARTS = (*IMAGES, "labels", "test_labels", "class_names")
_LUMA = (19595, 38470, 7471)  # of 65536: ITU-R 601, as `ImageFolder` has it


@gin.register
class ImageArchive:
    """An .npz with `images` (uint8 [N, H, W] or [N, H, W, C]) and `labels` (integers [N], or names).

    It may hold `class_names` (text [classes], by label; else the labels themselves are the names), and `test_images`
    with `test_labels`; without these a share of each class is kept for the test.

    Args:
        path: the file.
        channels: 1 (grey), 3 (RGB) or None: as they are.
        test_fraction, seed: as of `ImageFolder`.
        memory_limit: bytes; images that take more are unpacked to the disk, and training reads what each step needs,
            with the same results; they must have the size that is learned, and its channels.
        cache_dir: where they are unpacked; None: the run's `cache_dir`, or nowhere outside a run.

    Raises:
        UserError: an argument is not as described.
    """

    def __init__(
        self, path, channels=None, test_fraction=0.2, seed=0, memory_limit=2_000_000_000, cache_dir=None
    ):
        if not isinstance(path, (str, pathlib.Path)) or not str(path):
            raise UserError(f"ImageArchive.path: expected an .npz file's path, got {path!r}")
        check_channels("ImageArchive", channels)
        check_split("ImageArchive", test_fraction, seed)
        check_number("ImageArchive", "memory_limit", memory_limit, lambda v: v >= 0, "a number of bytes >= 0")
        self._path, self._channels = pathlib.Path(path).expanduser(), channels
        self._test_fraction, self._seed = test_fraction, seed
        self._memory_limit, self.cache_dir = memory_limit, cache_dir

    @property
    def name(self):
        """The file's name and what tells it from others."""
        status = self._path.stat()
        return f"{self._path.name} {status.st_size} {status.st_mtime_ns}"

    def load(self):
        """Returns `Arrays`.

        Raises:
            UserError: there is no such file, or it holds something else.
        """
        content = self._read()
        images = self._prepared(content, "images")
        labels, test_labels, names = _numbered(content)
        keys = tuple(map(class_key, names))
        if test_labels is not None:
            return Arrays(images, labels, self._prepared(content, "test_images"), test_labels, names, keys)
        train, test = self._split(labels, names)
        return Arrays(images[train], labels[train], images[test], labels[test], names, keys)

    def _split(self, labels, names):
        """Rows for training and for the test, in their order."""
        splits = [
            split_rows(np.flatnonzero(labels == label), name, self._test_fraction, self._seed)
            for label, name in enumerate(names)
        ]
        single = [name for name, (train, test) in zip(names, splits, strict=True) if len(train) and not len(test)]
        if single:
            raise UserError(
                f"ImageArchive.path: expected at least two images of each class in {self._path}, one for the test, got "
                f"less of {', '.join(single[:5])}"
            )
        return [np.sort(np.concatenate(rows)) for rows in zip(*splits, strict=True)]

    def _read(self):
        try:
            with np.load(self._path, allow_pickle=False) as file:
                members, arrays = file.files, file.zip.namelist()
                others = [key for key in PARTS if key in members and f"{key}.npy" not in arrays]
                if others:
                    raise UserError(f"ImageArchive.path: {others[0]} in {self._path} is no NumPy array")
                content = {key: self._array(file, key) for key in PARTS if key in members}
        except UserError:  # a ValueError, too
            raise
        except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:  # TypeError: an .npy
            why = getattr(error, "strerror", None) or "not an .npz of plain arrays"
            raise UserError(f"ImageArchive.path: cannot read {self._path}: {why}") from error
        missing = {"images", "labels"} - content.keys()
        if ("test_images" in content) != ("test_labels" in content):
            missing |= {"test_images", "test_labels"} - content.keys()
        if missing:
            raise UserError(
                f"ImageArchive.path: {self._path} has no {' and '.join(sorted(missing))}; it holds "
                f"{', '.join(members) or 'nothing'}"
            )
        return content

    def _array(self, file, key):
        """An array of the archive; images that take more than the limit as a memory map."""
        if key not in IMAGES or file.zip.getinfo(f"{key}.npy").file_size <= self._memory_limit:
            return file[key]
        name = hashlib.sha256(f"{self.name} {key}".encode()).hexdigest()[:16]
        return image_store.unpacked(name, file, key, self.cache_dir)

    def _prepared(self, content, name):
        """uint8 [N, H, W, channels], as `Rows` of what is on disk."""
        images = content[name]
        images = images[..., np.newaxis] if images.ndim == 3 else images
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3):
            raise UserError(
                f"ImageArchive.path: expected {name} as uint8 [N, H, W] or [N, H, W, 1 or 3] in {self._path}, got "
                f"{images.dtype} {list(images.shape)}"
            )
        channels = self._channels or images.shape[-1]
        if not isinstance(images, np.memmap):
            return with_channels(images, channels)
        if channels != images.shape[-1]:
            raise UserError(
                f"ImageArchive.channels: expected {images.shape[-1]}, as {name} of {self._path} have, which are too "
                f"many for memory, got {channels}"
            )
        return Rows([images])


def with_channels(images, channels):
    """uint8 [N, H, W, 1 or 3] as grey or RGB images."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    result = np.empty((*images.shape[:-1], 1), np.uint8)
    for i, image in enumerate(images):  # one by one: the sums take four times the memory
        result[i, ..., 0] = (image.astype(np.uint32) @ np.array(_LUMA, np.uint32) + 32768) >> 16
    return result


def _numbered(content):
    """(labels int64 [N], those of the test or None, class names by label)."""
    parts = [content[key] for key in ("labels", "test_labels") if key in content]
    kinds = {part.dtype.kind.replace("u", "i") for part in parts}
    shapes = [(len(content[key]),) for key in IMAGES if key in content]
    if [part.shape for part in parts] != shapes or kinds not in ({"i"}, {"U"}):
        came = ", ".join(f"{part.dtype} {list(part.shape)}" for part in parts)
        raise UserError(f"ImageArchive.path: expected labels, integers or text, one for each image, got {came}")
    if "class_names" in content and kinds == {"i"}:
        names = tuple(map(str, content["class_names"].tolist()))
        numbered = [part.astype(np.int64) for part in parts]
    else:
        values = np.unique(np.concatenate(parts))
        names = tuple(map(str, values.tolist()))
        numbered = [np.searchsorted(values, part) for part in parts]
    if len(set(names)) != len(names):
        raise UserError(f"ImageArchive.path: expected class_names that differ, got {names}")
    if any(part.size and not 0 <= part.min() <= part.max() < len(names) for part in numbered):
        raise UserError(f"ImageArchive.path: expected labels from 0 to {len(names) - 1}, one for each of class_names")
    return numbered[0], numbered[1] if len(numbered) > 1 else None, names
