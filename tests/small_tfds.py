"""Small twins of the data sets that gin files name: TFDS's own format, features and classes, with images made here.

TFDS itself writes them, offline, by the data set's own builder; only where its images come from is another.
"""

import pathlib
import re

import numpy as np

# Data set -> images of its splits; those of 50 classes lie in two of ImageNet's.
SPLITS = {
    "mnist": {"train": 400, "test": 100},
    "fashion_mnist": {"train": 400, "test": 100},
    "cifar10": {"train": 400, "test": 100},
    "svhn_cropped": {"train": 400, "test": 100, "extra": 20},
    "imagenet_resized/32x32": {"train": 1365, "validation": 910},
}
# Where the data set's own script would read its classes from what it downloads.
CLASSES = {
    "cifar10": ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
}
IMAGENET_50 = sorted((pathlib.Path(__file__).parent.parent / "gin" / "data").glob("imagenet_50*.gin"))
INCOMPLETE = ("imagenet_resized",)  # where a folder has it, it may have some of its classes only


def prepare(folder, real=None):
    """Makes `folder` a TFDS data_dir of all of them: twins, but links to what the data_dir `real` holds."""
    for name in SPLITS:
        top = name.split("/")[0]
        if real is not None and top not in INCOMPLETE and (pathlib.Path(real) / top).is_dir():
            (folder / top).symlink_to(pathlib.Path(real).resolve() / top)
        else:
            write(folder, name)


def write(data_dir, name):
    """Writes the twin of one data set into data_dir."""
    import tensorflow_datasets as tfds

    builder = tfds.builder(name, data_dir=data_dir)
    if name in CLASSES:
        builder.info.features["label"].names = CLASSES[name]
    splits = {split: _examples(builder, count, seed) for seed, (split, count) in enumerate(SPLITS[name].items())}
    builder._split_generators = lambda _: splits
    builder.download_and_prepare(download_config=tfds.download.DownloadConfig(try_download_gcs=False))


def _examples(builder, count, seed):
    features, labels = builder.info.features, _labels(builder)
    rng = np.random.default_rng(seed)
    for i in range(count):
        place = i % len(labels)
        image = rng.integers(0, 120, features["image"].shape) + 120 * place // len(labels)  # a brightness a class
        example = {"id": f"{seed}_{i:03d}", "image": image.astype(np.uint8), "label": labels[place]}
        yield i, {key: example[key] for key in features}


def _labels(builder):
    """Labels that have images: all, but of ImageNet's only those that are learned."""
    label = builder.info.features["label"]
    if label.num_classes <= 10:
        return range(label.num_classes)
    names = {name for file in IMAGENET_50 for name in re.findall(r"n\d{8}", file.read_text(encoding="utf-8"))}
    return [label.str2int(name) for name in sorted(names)]
