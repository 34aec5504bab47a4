"""Extraction of feature vectors: each image once, in batches, kept on disk by the content of images and extractor."""

import contextlib
import errno
import hashlib
import itertools
import json
import os

import numpy as np
import tensorflow as tf

from dgm_tf import limits, output, serialization, stopping
from dgm_tf.data.rows import Rows
from dgm_tf.data.sources import cache, store
from dgm_tf.disk.files import damaged
from dgm_tf.training.pool import to_float

FORMAT = 1  # of what is kept; another number, and features are extracted anew
KIND = "features"  # folders of the cache are features-<extractor>-<images>
_VECTORS, _DIGESTS = "vectors.npy", "digests.npy"
_DIGEST = np.dtype("V16")
_TOLD_FROM = 200  # images from which a bar is shown
_NO_ROOM = 2**30  # bytes that stay free on the disk
_ADVICE = "delete it"


class Extraction:
    """Feature vectors of images by one extractor.

    Args:
      extractor: `FeatureExtractor`.
      cache_dir: folder that runs on the same data share; None: nothing is kept.
    """

    def __init__(self, extractor, cache_dir=None):
        self._extractor, self._cache_dir = extractor, cache_dir
        shape = (None, *extractor.image_shape)
        self._extract = tf.function(
            lambda images: extractor(to_float(images), training=False), input_signature=[tf.TensorSpec(shape, tf.uint8)]
        )
        self._blocks: list[np.ndarray] = []
        self._places: dict[bytes, tuple[int, int]] = {}  # digest of an image: block, row
        self._looked = False

    def vectors(self, images, keep=True):
        """float32 [N, D] of uint8 images [N, H, W, C]: an array, or `Rows` where that would be large.

        Args:
          images: an array or `Rows`.
          keep: whether large results are kept on disk; else they are extracted when they are read, each time.
        """
        size = 4 * len(images) * self._extractor.num_features
        is_small = size <= limits.MAX_FEATURES_BYTES
        if self._cache_dir is None or not (is_small or keep) or not len(images):
            lazy = Rows([_Extracted(images, self)])
            return np.asarray(lazy) if is_small else lazy
        found = self._kept(images)
        return np.asarray(found) if is_small else found

    def batch(self, images):
        """float32 [n, D] of uint8 images [n, H, W, C], an array, by the extractor."""
        size, parts = self._extractor.batch_size, []
        for start in range(0, len(images), size):
            stopping.check()
            parts.append(self._extract(np.ascontiguousarray(images[start : start + size])).numpy())
        return np.concatenate(parts) if parts else np.zeros((0, self._extractor.num_features), np.float32)

    def _kept(self, images):
        """`Rows` of what is on disk, where the missing ones are put first."""
        self._look()
        digests = _digests(images)
        missing = [row for row, digest in enumerate(digests) if digest not in self._places]
        missing = list({digests[row]: row for row in reversed(missing)}.values())[::-1]  # each once
        if missing:
            self._put(images[np.asarray(missing)], [digests[row] for row in missing])
        starts = np.cumsum([0, *map(len, self._blocks)])
        return Rows(self._blocks, [starts[block] + row for block, row in (self._places[d] for d in digests)])

    def _put(self, images, digests):
        name = f"{self._fingerprint()}-{hashlib.sha256(b''.join(digests)).hexdigest()[:16]}"

        def write(folder):
            array = _new_file(folder / _VECTORS, (len(images), self._extractor.num_features))
            for start, part in _with_bar(images, self._extractor.batch_size):
                array[start : start + len(part)] = self.batch(part)
            array.flush()
            np.save(folder / _DIGESTS, np.frombuffer(b"".join(digests), _DIGEST))

        found = Rows([_Extracted(images, self)]), digests
        if self._has_room(len(images)):
            with _full_disk_passed():
                found = cache.kept(name, write, self._read, self._cache_dir, KIND)
        self._enter(*found)

    def _has_room(self, count):
        self._cache_dir.mkdir(parents=True, exist_ok=True)
        status = os.statvfs(self._cache_dir)
        return status.f_bavail * status.f_frsize - 4 * count * self._extractor.num_features > _NO_ROOM

    def _enter(self, vectors, digests):
        block = len(self._blocks)
        self._blocks.append(vectors)
        self._places |= {bytes(digest): (block, row) for row, digest in enumerate(digests)}

    def _look(self):
        """Takes in what earlier runs have kept."""
        if self._looked:
            return
        self._looked, prefix = True, f"{KIND}-{self._fingerprint()}-"
        for folder in sorted(self._cache_dir.glob(f"{prefix}*")):
            found = cache.found(folder, self._read)
            if found is not None:
                self._enter(*found)

    def _read(self, folder):
        """(vectors float32 [n, D], n digests); raises `Damaged` if a folder with fitting checksums holds others."""
        try:
            vectors, digests = (np.load(folder / name, mmap_mode="r") for name in (_VECTORS, _DIGESTS))
        except (ValueError, EOFError) as error:
            raise damaged(folder, "expected arrays in it, found none", _ADVICE) from error
        shape = (len(digests) if digests.ndim == 1 else None, self._extractor.num_features)
        if vectors.dtype != np.float32 or digests.dtype != _DIGEST or vectors.shape != shape:
            expected = f"float32 vectors of {self._extractor.num_features} features and as many digests"
            found = f"{vectors.dtype} {list(vectors.shape)} and {digests.dtype} {list(digests.shape)}"
            raise damaged(folder, f"expected {expected}, found {found}", _ADVICE)
        return vectors, [bytes(digest) for digest in digests]

    def _fingerprint(self):
        """Of the extractor: its class, settings and weights."""
        facts = [FORMAT, self._extractor.version, serialization.network_to_json(self._extractor)]
        digest = hashlib.sha256(json.dumps(facts).encode())
        for weight in self._extractor.weights:
            digest.update(np.ascontiguousarray(weight).data)
        return digest.hexdigest()[:16]


class _Extracted:
    """Features of images, extracted when they are read."""

    dtype = np.dtype(np.float32)

    def __init__(self, images, extraction):
        self._images, self._extraction = images, extraction
        self.shape = (len(images), extraction._extractor.num_features)

    def __len__(self):
        return len(self._images)

    def __getitem__(self, indices):
        parts = [self._extraction.batch(part) for _, part in _with_bar(self._images[indices], 1024)]
        return np.concatenate(parts) if parts else np.zeros((0, self.shape[1]), np.float32)


class Flipped:
    """Mirrored copies of images, made when they are read. images: uint8 [N, H, W, C], an array or `Rows`."""

    def __init__(self, images):
        self._images, self.shape, self.dtype = images, images.shape, images.dtype

    def __len__(self):
        return len(self._images)

    def __getitem__(self, indices):
        return np.asarray(self._images[indices])[..., ::-1, :]


def mirrored(images):
    """The mirrored copies of images, uint8 [N, H, W, C]: an array or `Rows`, as the images are."""
    return Rows([Flipped(images)]) if isinstance(images, Rows) else images[:, :, ::-1]


def _new_file(path, shape):
    """Creates a .npy of float32 and reserves its space: writing to a map on a full disk would kill the process."""
    array = np.lib.format.open_memmap(path, "w+", np.float32, shape)
    with open(path, "r+b") as file:
        store.take_place(file.fileno(), path.stat().st_size - array.nbytes, array.nbytes)
    return array


@contextlib.contextmanager
def _full_disk_passed():
    """Inside, a disk or quota that is full ends the block, and no more."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise


def _digests(images):
    found = []
    for start in range(0, len(images), 1024):
        stopping.check()
        batch = np.ascontiguousarray(images[start : start + 1024])
        found += [hashlib.blake2b(image.data, digest_size=16).digest() for image in batch]
    return found


def _with_bar(images, size):
    """Yields (start, uint8 [n, H, W, C]) of all images, and shows the progress of many."""
    from rich.progress import Progress

    console = output.console()
    shown = len(images) >= _TOLD_FROM and console.is_terminal
    with Progress(console=console, transient=True, disable=not shown) as bar:
        row = bar.add_task("Extracting features", total=len(images))
        for start in itertools.takewhile(lambda start: start < len(images), itertools.count(0, size)):
            part = np.asarray(images[start : start + size])
            yield start, part
            bar.advance(row, len(part))
