"""Source of images in a folder with one subfolder for each class."""

import collections
import functools
import logging

import gin
import numpy as np

from dgm_tf import checks, limits
from dgm_tf.data.arrays import Arrays
from dgm_tf.data.class_names import natural_order
from dgm_tf.data.holdout import class_key
from dgm_tf.data.rows import Images, Rows
from dgm_tf.data.sources import store
from dgm_tf.data.sources.listing import TEST, TRAIN, list_folder
from dgm_tf.data.sources.own_images import OwnImages
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import listed, shown

SIZES = (16, 32, 64, 96, 128, 160, 192, 224)  # networks of pixels take 16, 32, 64, 128; backbones 96 to 224
_NAMED = 20  # files that the warning names
_REPORTED = 1000  # that the report lists, which stands in results.json: there may be a text beside every image
_REASONS = 20  # why, that it counts

_log = logging.getLogger("dgm_tf")


@gin.register
class ImageFolder(OwnImages):
    """Images in `directory`/<class>/, in train/<class>/ and test/<class>/ where there are such folders.

    Files are known by their content. An image's middle is cut out as a square and resized, see `decoding`. What is
    left out is told once, as a warning, and listed in `report`: files that are no image or broken, hidden ones, classes
    without images or with a single one. Decoded images are kept on disk, so that the next run starts at once.

    Args:
        directory: the folder.
        size: height and width of the images, one of 16, 32, 64, 96, 128, 160, 192, 224; the same as the stream's
            `image_size`.
        channels: 1 (grey), 3 (RGB) or None: grey where all files are, else RGB. To be said where colour tells nothing,
            or where more images are to come, as their number of channels must be that of the first.
        test_fraction: where there is no test/: share in (0, 1) of each class's images that are kept for the test, at
            least one; drawn by `seed` and the class's name alone.
        seed: integer in [0, 2**32); another one keeps other images for the test, to see how much a draw matters.
        memory_limit: bytes; images that take more stay on disk, and training reads what each step needs, with the same
            results.
        cache_dir: where decoded images are kept, such as on a larger or faster disk; None: the run's `cache_dir`, or
            nowhere outside a run.
        max_pixels: of an image; larger ones are left out and named. See docs/limits.md.
        white: the level that becomes 255 in images of more than 8 bits, such as 4095 for 12 bits; None: 65535.

    Attributes:
        report: after `load`: {"directory", "train", "test": numbers of images, "skipped": [[what, why], ...], the first
            1000 of them, "num_skipped", "reasons": {why: number}}.

    Raises:
        UserError: an argument is not as described.
    """

    def __init__(
        self,
        directory,
        size=32,
        channels=None,
        test_fraction=0.2,
        seed=0,
        memory_limit=2_000_000_000,
        cache_dir=None,
        max_pixels=limits.MAX_PIXELS,
        white=None,
    ):
        self._directory = user_path(directory, "ImageFolder.directory").absolute()
        checks.argument("ImageFolder.size", size, size in SIZES, f"one of {', '.join(map(str, SIZES))}")
        super().__init__(channels, test_fraction, seed, memory_limit, cache_dir)
        self.size = size
        self._decoding = store.decoding(size, channels, max_pixels, white)

    @property
    def name(self):  # type: ignore[override]
        """The folder's name and the fingerprint of its files."""
        return f"{self._directory.name} {self._fingerprint}"

    @functools.cached_property
    def _listing(self):
        return list_folder(self._directory)

    @functools.cached_property
    def _fingerprint(self):
        files = [path for _, _, path in self._listing.files]
        return store.fingerprint(self._listing.root, files, self._decoding)

    def load(self):
        """Returns `Arrays`, whose images are `Rows` of an array on disk where they take more than `memory_limit`.

        Raises:
            UserError: there is no folder, no class with two images, or no file that can be read.
        """
        listing = self._listing
        files = [path for _, _, path in listing.files]
        stored = store.stored_images(self._fingerprint, files, self._decoding, self.cache_dir)
        images, unreadable = stored.images, stored.unreadable
        skipped = [*listing.skipped, *((listing.place(files[row]), why) for row, why in sorted(unreadable.items()))]
        if len(unreadable) == len(files):
            raise UserError(f"ImageFolder.directory: none of the {len(files)} files can be read: {_named(skipped)}")
        rows, class_names = self._rows_by_class(unreadable, skipped)
        if not class_names:
            raise UserError(f"ImageFolder.directory: no class has two images that can be read: {_named(skipped)}")
        rows = {part: np.concatenate([of_class[part] for of_class in rows]).astype(int) for part in (TRAIN, TEST)}
        self._tell(rows, skipped)
        label = {name: index for index, name in enumerate(class_names)}
        labels = np.array([label.get(name, -1) for _, name, _ in listing.files])
        in_memory = images.nbytes <= self._memory_limit
        parts: dict[str, Images] = {
            part: np.array(images[r]) if in_memory else Rows([images], r) for part, r in rows.items()
        }
        return Arrays(
            parts[TRAIN],
            labels[rows[TRAIN]],
            parts[TEST],
            labels[rows[TEST]],
            class_names,
            class_keys=tuple(map(class_key, class_names)),
            natural_order=natural_order(class_names),
            facts=tuple(stored.facts[rows[part]] for part in (TRAIN, TEST)),
            place=lambda part, row: listing.place(files[rows[part][row]]),
            notes=listing.notes,
        )

    def _rows_by_class(self, unreadable, skipped):
        """(for each class {"train": rows, "test": rows}, class names); adds classes left out to `skipped`."""
        places: dict[str, dict[str, list[int]]] = {}
        for row, (part, name, _) in enumerate(self._listing.files):
            rows = places.setdefault(name, {TRAIN: [], TEST: []})
            if row not in unreadable:
                rows[part].append(row)
        chosen = {}
        for name in sorted(places):
            rows = places[name]
            if not self._listing.is_split:
                split = self._split_rows(rows[TRAIN], name)
                rows = dict(zip((TRAIN, TEST), split, strict=True))
            if all(len(part) for part in rows.values()):
                chosen[name] = rows
            else:
                skipped.append((f"{shown(name)}/", self._why_left_out(rows)))
        return list(chosen.values()), tuple(chosen)

    def _why_left_out(self, rows):
        if not any(len(part) for part in rows.values()):
            return "a class without an image that can be read"
        if not self._listing.is_split:
            return "a class with a single image: one is needed for the test, too"
        return f"a class without {'test' if len(rows[TRAIN]) else 'training'} images"

    def _tell(self, rows, skipped):
        if self.report is None and skipped:
            _log.warning("%s: %d left out: %s", shown(self._directory), len(skipped), _named(skipped))
        counts = {part: len(r) for part, r in rows.items()}
        reasons = collections.Counter(why for _, why in skipped).most_common(_REASONS)
        self.report = {
            "directory": str(self._directory),
            **counts,
            "skipped": [list(pair) for pair in skipped[:_REPORTED]],
            "num_skipped": len(skipped),
            "reasons": dict(reasons),
        }


def _named(skipped):
    return listed([f"{what} ({why})" for what, why in skipped], _NAMED, "; ")
