"""A few random images as the TFDS data set svhn_cropped, written by TFDS itself into a folder, offline."""

import numpy as np


def write(data_dir, train=400, test=100):
    """Writes the data set, `train` and `test` images in its own splits and features, into data_dir."""
    import tensorflow_datasets as tfds

    builder = tfds.builder("svhn_cropped", data_dir=data_dir)
    # The data set's own class, features and version; only where its images come from is another.
    builder._split_generators = lambda _: {
        "train": _examples(train, 0), "test": _examples(test, 1), "extra": _examples(20, 2)
    }  # fmt: skip
    config = tfds.download.DownloadConfig(try_download_gcs=False)
    builder.download_and_prepare(download_config=config)


def _examples(count, seed):
    rng = np.random.default_rng(seed)
    for i in range(count):
        image = rng.integers(0, 120, (32, 32, 3)) + 12 * (i % 10)  # a class for each brightness
        yield i, {"id": f"{seed}_{i:03d}", "image": image.astype(np.uint8), "label": i % 10}
