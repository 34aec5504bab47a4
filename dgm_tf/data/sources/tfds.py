"""Source of data sets of TensorFlow Datasets (TFDS). They are downloaded only if missing."""

import difflib
import hashlib
import math
import os
import pathlib
import re
import tempfile

import gin
import numpy as np

from dgm_tf.data.arrays import Arrays
from dgm_tf.data.source import Source
from dgm_tf.data.sources.reachability import answering, hosts_of
from dgm_tf.disk import lock
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import shown

# A name, perhaps a configuration and a version; with a namespace before it, TFDS would fetch and run somebody's code.
_NAME = re.compile(r"\w+(/[\w.+=,-]+)*(:(\d+|\*)(\.(\d+|\*)){2})?", re.ASCII)
# Where TFDS keeps ready-made copies of many data sets, asked besides the data set's own servers.
_LIKE_IMAGENET = (
    "cifar",
    "cinic",
    "downsampled_imagenet",
    "imagenet",
    "imagenette",
    "imagewang",
    "stl10",
    "tiny_imagenet",
)
_TFDS_BUCKET = "https://storage.googleapis.com/tfds-data"


@gin.register
class TFDS(Source):
    """An image classification data set of TFDS.

    Args:
        name: such as "mnist", "cifar10" or "imagenet_resized/32x32".
        train_split, test_split: splits of it, also slices such as "train[:1000]".
        data_dir: folder of prepared data; None for the environment variable TFDS_DATA_DIR or TFDS's default.
        download: whether to download what data_dir does not hold.

    Raises:
        UserError: an argument is not as described.
    """

    def __init__(self, name, train_split="train", test_split="test", data_dir=None, download=True):
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise UserError(
                f"TFDS.name: expected the name of a data set that TFDS itself defines, such as 'mnist', "
                f"'imagenet_resized/32x32' or 'mnist:3.0.1', got {shown(repr(name), most=80)}; those of a community's "
                "namespace would run its code"
            )
        self.name = name
        self.is_like_imagenet = name.startswith(_LIKE_IMAGENET)
        self._splits = {"train_split": train_split, "test_split": test_split}
        # An empty flag is no folder. TFDS itself reads the variable only once, when it is imported.
        folder = data_dir or os.environ.get("TFDS_DATA_DIR")
        self._data_dir = str(user_path(folder, "TFDS.data_dir")) if folder else None
        self._download = download

    def load(self):
        """Returns `Arrays` with images uint8 [N, H, W, C] as stored; grey images keep their one channel.

        Raises:
            UserError: the data set or a split is unknown, holds no images of one size with a label each, or
                is not there and cannot be downloaded (seconds after the call, where there is no network).
        """
        builder = _builder(self.name, self._data_dir)
        class_names = _class_names(builder)
        if not builder.is_prepared():
            with _alone(builder.data_dir):  # runs that begin together may all want it
                if not builder.is_prepared():
                    self._prepare(builder)
            builder = _builder(self.name, self._data_dir)
        self._check_splits(builder)
        train_images, train_labels = _read(builder, self._splits["train_split"])
        test_images, test_labels = _read(builder, self._splits["test_split"])
        return Arrays(train_images, train_labels, test_images, test_labels, class_names)

    def _prepare(self, builder):
        where = f"TFDS: no data of {self.name!r} in {builder.data_dir}"
        advice = "name a folder that holds it with --data_dir or the environment variable TFDS_DATA_DIR, or "
        if not self._download:
            raise UserError(f"{where}, and downloading is off (--download); {advice}allow the download")
        hosts = hosts_of(builder.url_infos or {}) | hosts_of([_TFDS_BUCKET])
        reached = answering(hosts.values())
        if not reached:
            raise UserError(
                f"{where}, and no network to download it ({', '.join(sorted(hosts))} did not answer); "
                f"{advice}try again with a network"
            )
        try:
            builder.download_and_prepare(download_config=_download_config(_TFDS_BUCKET in reached))
        except Exception as error:  # whatever its scripts raise: servers gone, disk full, manual steps needed
            raise UserError(f"{where}, and the download failed ({error}); {advice}try again") from error
        if not builder.is_prepared():  # TFDS leaves a folder alone that exists, whatever is missing in it
            raise UserError(f"{where}: the folder is incomplete; remove it, or {advice}try again")

    def _check_splits(self, builder):
        for argument, split in self._splits.items():
            try:
                builder.info.splits[split]
            except (ValueError, KeyError) as error:
                raise UserError(
                    f"TFDS.{argument}: expected a split of {self.name!r} ({', '.join(builder.info.splits)}) "
                    f"or a slice of one, such as 'train[:1000]', got {split!r}"
                ) from error


def _alone(data_dir):
    """Locks the data against other processes of this machine that prepare it."""
    name = hashlib.sha256(str(data_dir).encode()).hexdigest()[:16]
    folder = pathlib.Path(tempfile.gettempdir()) / f"dgm_tf-{os.getuid()}-{name}"
    folder.mkdir(exist_ok=True)
    return lock.held_itself(folder, "TFDS.data_dir", "another download", patience=math.inf)


def _builder(name, data_dir):
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(name, data_dir=data_dir)
    except tfds.core.registered.DatasetNotFoundError as error:
        known = tfds.list_builders(with_community_datasets=False)
        closest = difflib.get_close_matches(name.split("/")[0].split(":")[0], known, n=3, cutoff=0.5)
        raise UserError(
            f"TFDS.name: no data set {name!r} in TensorFlow Datasets; closest names: {', '.join(closest) or 'none'}"
        ) from error
    except (ValueError, AssertionError, ImportError) as error:  # unknown configuration, version, namespace
        raise UserError(f"TFDS.name: cannot use {name!r}: {error}") from error


def _class_names(builder):
    """Returns the class names, after checking that the data set has images of one size and class labels."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    keys = builder.info.supervised_keys
    # Some data sets nest their keys or have none: then there is no such pair of features either.
    flat = keys and isinstance(features, tfds.features.FeaturesDict) and all(isinstance(k, str) for k in keys)
    kinds = [type(features[key]) for key in keys] if flat else []
    if kinds != [tfds.features.Image, tfds.features.ClassLabel]:
        raise UserError(f"TFDS.name: {builder.name!r} is not a set of images with one class label each")
    image, label = features[keys[0]], features[keys[1]]
    if None in image.shape or image.np_dtype != np.uint8:
        raise UserError(
            f"TFDS.name: expected 8-bit images of one size, got {builder.name!r} with "
            f"{image.np_dtype.__name__} {image.shape} (None: differs from image to image)"
        )
    return tuple(label.int2str(index) for index in range(label.num_classes))


def _read(builder, split):
    """Reads (images, labels) of one split as arrays, in stored order."""
    import tensorflow_datasets as tfds

    images, labels = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1, as_supervised=True))
    return images, labels.astype(np.int64)


def _download_config(try_bucket):
    import tensorflow_datasets as tfds

    return tfds.download.DownloadConfig(try_download_gcs=try_bucket)
