"""Source of images in a NumPy archive."""

import dataclasses
import hashlib

import gin
import numpy as np

from dgm_tf.data.arrays import Arrays
from dgm_tf.data.class_names import natural_order
from dgm_tf.data.fingerprints import facts_of
from dgm_tf.data.holdout import class_key
from dgm_tf.data.rows import Images, Rows
from dgm_tf.data.sources import store
from dgm_tf.data.sources.archive_labels import numbered
from dgm_tf.data.sources.archive_members import IMAGES, LABELS, NAMES, TEST_IMAGES, TEST_LABELS, find_members
from dgm_tf.data.sources.own_images import OwnImages
from dgm_tf.disk.npz import open_archive
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import shown

_LUMA = (19595, 38470, 7471)  # of 65536: ITU-R 601, as `ImageFolder` has it


@gin.register
class ImageArchive(OwnImages):
    """An .npz with `images` (uint8 [N, H, W] or [N, H, W, C]) and `labels` (integers [N] or [N, 1], or names).

    It may hold `class_names` (text [classes], by label; else the labels themselves are the names), and `test_images`
    with `test_labels`; without these a share of each class is kept for the test. Keras's names (`x_train`, `y_train`,
    `x_test`, `y_test`) and MedMNIST's (`train_images`, `train_labels`) are understood as well.

    Args:
        path: the file.
        channels: 1 (grey), 3 (RGB) or None: as they are.
        test_fraction, seed: as of `ImageFolder`, where there are no test images.
        memory_limit: bytes; images that take more are unpacked to the disk, and training reads what each step needs,
            with the same results; they must have the size that is learned, and its channels.
        cache_dir: where they are unpacked; None: the run's `cache_dir`, or nowhere outside a run.

    Raises:
        UserError: an argument is not as described.
    """

    def __init__(self, path, channels=None, test_fraction=0.2, seed=0, memory_limit=2_000_000_000, cache_dir=None):
        super().__init__(channels, test_fraction, seed, memory_limit, cache_dir)
        self._path = user_path(path, "ImageArchive.path").absolute()

    @property
    def name(self):  # type: ignore[override]
        """The file's name and fingerprint."""
        try:
            status = self._path.stat()
        except OSError as error:
            raise UserError(f"ImageArchive.path: {shown(self._path)} cannot be read: {error.strerror}") from error
        return f"{self._path.name} {status.st_size} {status.st_mtime_ns}"

    def load(self):
        """Returns `Arrays`.

        Raises:
            UserError: there is no such file, or it holds something else; `Damaged` where it is not whole.
        """
        with open_archive(self._path, argument="ImageArchive.path") as archive:
            found, notes = find_members(archive)
            labels = [archive.read(found[role]) for role in (LABELS, TEST_LABELS) if role in found]
            names = archive.read(found[NAMES]) if NAMES in found else None
            labels, names = numbered(archive.name, labels, names)  # before images are unpacked
            images = [self._images(archive, found[role]) for role in (IMAGES, TEST_IMAGES) if role in found]
        rows = None if len(images) > 1 else self._split(labels[0], names)
        return self._arrays(images, labels, rows, names, NAMES in found, notes)

    def _arrays(self, images, labels, rows, names, are_named, notes):
        """`Arrays` of one part that is split by `rows`, or of two."""
        parts = list(zip(images, labels, strict=True))
        if rows is not None:
            parts = [(images[0].chosen(r), labels[0][r]) for r in rows]
        (train, train_labels), (test, test_labels) = parts

        def place(part, row):
            row = row if rows is None else rows[0 if part == "train" else 1][row]
            label = labels[1 if part == "test" and rows is None else 0][row]
            return f"{(test if part == 'test' else train).name}[{row}] ({names[label]})"

        facts = (train.facts, test.facts)
        if any(part is not None for part in facts):  # else what is in memory is looked at when it is wanted
            facts = tuple(p.facts if p.facts is not None else facts_of(p.images) for p in (train, test))
        return Arrays(
            train.images,
            train_labels,
            test.images,
            test_labels,
            names,
            class_keys=tuple(map(class_key, names)),
            natural_order=None if are_named else natural_order(names),
            facts=facts if facts[0] is not None else None,
            place=place,
            notes=tuple(notes),
        )

    def _split(self, labels, names):
        """Splits the rows into training and test, sorted."""
        splits = [self._split_rows(np.flatnonzero(labels == label), name) for label, name in enumerate(names)]
        single = [name for name, (train, test) in zip(names, splits, strict=True) if len(train) and not len(test)]
        if single:
            raise UserError(
                f"ImageArchive.path: expected at least two images of each class in {shown(self._path)}, one for the "
                f"test, got less of {', '.join(shown(name, most=60) for name in single[:5])}"
            )
        return [np.sort(np.concatenate(rows)) for rows in zip(*splits, strict=True)]

    def _images(self, archive, name):
        """Returns the archive's `_Images`; beyond the memory limit, as `Rows` on disk."""
        member = archive.members[name]
        stored_channels = (*member.shape, 1)[3]
        channels = self._channels or stored_channels
        if member.nbytes <= self._memory_limit:
            images = archive.read(name)
            images = images[..., np.newaxis] if images.ndim == 3 else images
            return _Images(with_channels(images, channels), None, name)
        if channels != stored_channels:
            raise UserError(
                f"ImageArchive.channels: expected {stored_channels}, as {name} of {shown(self._path)} have, which are "
                f"too many for memory, got {channels}"
            )
        if member.fortran:
            raise UserError(
                f"{archive.name}: {name} exceed memory and are stored in Fortran order, from which single images "
                "cannot be read: save np.ascontiguousarray(images)"
            )
        key = hashlib.sha256(f"{self.name} {name}".encode("utf-8", "surrogateescape")).hexdigest()[:16]
        stored = store.unpacked(key, archive, name, self.cache_dir)
        images = stored.images[..., np.newaxis] if stored.images.ndim == 3 else stored.images
        return _Images(Rows([images]), stored.facts, name)


@dataclasses.dataclass(frozen=True, eq=False)
class _Images:
    """images: uint8 [N, H, W, C]; facts: `fingerprints.FACTS` [N] or None; name: of the array."""

    images: Images
    facts: np.ndarray | None
    name: str

    def chosen(self, rows):
        """Returns the same for some rows."""
        return _Images(self.images[rows], None if self.facts is None else self.facts[rows], self.name)


def with_channels(images, channels):
    """Converts uint8 [N, H, W, 1 or 3] to grey or RGB images."""
    if images.shape[-1] == channels:
        return images
    if channels == 3:
        return np.repeat(images, 3, axis=-1)
    result = np.empty((*images.shape[:-1], 1), np.uint8)
    for i, image in enumerate(images):  # one by one: the sums take four times the memory
        result[i, ..., 0] = (image.astype(np.uint32) @ np.array(_LUMA, np.uint32) + 32768) >> 16
    return result
