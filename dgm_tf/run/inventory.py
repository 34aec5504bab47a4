"""Inventory of what a run keeps: each file of its folder with its kind and bytes, and its caches."""

import dataclasses
import pathlib

from dgm_tf.keeps import Keeps
from dgm_tf.run import caches

FEW = 10  # photos of a class, below which its statistics say much about each
_STORED = {
    Keeps.WEIGHTS: "other arrays",
    Keeps.STATISTICS: "class statistics",
    Keeps.FEATURES: "features of images",
    Keeps.IMAGES: "stored images",
}
# Kind by the first part of a file's path; of a longer path first.
_KINDS = {
    "memory/weights.npz": "weights",
    "memory/learner.json": "weights",
    "memory/masks.npz": "masks",
    "figures/generated.png": "generated images",
    "checkpoints": "checkpoints",
    "export": "exports",
    "images": "generated images",
    "samples": "generated images",
    "figures": "figures",
    "results.json": "results",
    "results.npz": "results",
    "metrics.jsonl": "curves",
    "train": "curves",
    "eval": "curves",
    "labels.csv": "labels of photos",
    **dict.fromkeys(
        ("config.gin", "operative_config.gin", "run.json", "forgetting.json", ".lock"), "settings and commands"
    ),
}
OTHER = "other files"


@dataclasses.dataclass(frozen=True)
class Kept:
    """A file or a cache. kind: of what it holds; path: in the run folder, or that of a cache; nbytes: on disk."""

    kind: str
    path: str
    nbytes: int


@dataclasses.dataclass(frozen=True)
class Inventory:
    """What a run keeps.

    Attributes:
      files: [`Kept`], each file of the run folder.
      caches: [`caches.Cache`].
      few: {class: number of photos}, of classes whose statistics are of few.
      nearest: {class: (replayed, test)}, distances to the nearest training image, as `Memorisation` measured them.
    """

    files: list
    caches: list
    few: dict
    nearest: dict = dataclasses.field(default_factory=dict)

    @property
    def total(self):
        """Bytes of the run folder."""
        return sum(file.nbytes for file in self.files)

    def by_kind(self):
        """{kind: (number of files, bytes)} of the run folder, most bytes first."""
        found: dict[str, tuple[int, int]] = {}
        for file in self.files:
            count, nbytes = found.get(file.kind, (0, 0))
            found[file.kind] = count + 1, nbytes + file.nbytes
        return dict(sorted(found.items(), key=lambda entry: -entry[1][1]))

    def to_json(self):
        """All of it, a dict."""
        return {
            "files": [dataclasses.asdict(file) for file in self.files],
            "by_kind": {kind: {"files": count, "bytes": size} for kind, (count, size) in self.by_kind().items()},
            "total_bytes": self.total,
            "caches": [{"kind": c.kind, "path": str(c.path), "nbytes": c.nbytes} for c in self.caches],
            "cache_bytes": sum(cache.nbytes for cache in self.caches),
            "classes_of_few_photos": self.few,
            "nearest_training_image": {
                name: {"replayed": replayed, "test": test} for name, (replayed, test) in self.nearest.items()
            },
        }


def inventory(folder, learner, cache_dirs):
    """The `Inventory` of a run.

    Args:
      folder: `RunFolder`.
      learner: its `Learner`; None: there is none yet.
      cache_dirs: folders of its caches.
    """
    stored = OTHER if learner is None else _STORED[learner.method.keeps]
    root = pathlib.Path(folder.path)
    files = []
    for path, size in caches.sizes_in(root):
        name = path.relative_to(root)
        files.append(Kept(_kind(name, stored), name.as_posix(), size))
    few = {} if learner is None else _few(learner)
    return Inventory(files, caches.found_in(cache_dirs), few, _nearest(folder.record(large=False)))


def _nearest(record):
    """{class: (replayed, test)} of a `Record` or None."""
    found: dict[str, tuple] = {}
    for task, measured in enumerate(record.column("memorisation") if record is not None else ()):
        names = [record.class_names[label] for label in record.tasks[task]]
        if isinstance(measured, dict):
            found |= dict(zip(names, zip(measured["replayed"], measured["test"], strict=True), strict=True))
    return found


def _kind(name, stored):
    if name.as_posix() in ("memory/stored.npz", "memory/.stored.npz.next"):
        return stored
    return _KINDS.get(name.as_posix()) or _KINDS.get(name.parts[0], OTHER)


def _few(learner):
    counts = learner.method.images_per_class()
    if counts is None:
        return {}
    named = zip(learner.class_names, counts.tolist(), strict=True)
    return {name: count for name, count in named if count < FEW}
