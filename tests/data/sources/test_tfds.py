"""TFDS data are read where they are; what is missing is told in seconds, with what to do about it."""

import concurrent.futures
import pathlib
import shutil
import socket
import time

import numpy as np
import pytest

from dgm_tf.data import TFDS, ClassIncrementalStream
from dgm_tf.errors import UserError
from tests import small_tfds


@pytest.fixture
def no_network(monkeypatch):
    """A proxy that refuses every connection stands before the network."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        closed = f"http://127.0.0.1:{server.getsockname()[1]}"
    for variable in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, closed)
        monkeypatch.setenv(variable.upper(), closed)
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize(
    ("name", "shape", "third_class"),
    [
        ("mnist", (28, 28, 1), "2"),
        ("fashion_mnist", (28, 28, 1), "Pullover"),
        ("cifar10", (32, 32, 3), "bird"),
        ("svhn_cropped", (32, 32, 3), "2"),
    ],
)
def test_prepared_data_are_read(tfds_data_dir, name, shape, third_class):
    arrays = TFDS(name, "train[:200]", "test[:100]", tfds_data_dir, download=False).load()
    assert arrays.train_images.shape == (200, *shape)
    assert arrays.test_images.shape == (100, *shape)
    assert arrays.train_images.dtype == np.uint8
    assert arrays.class_names[2] == third_class
    assert len(arrays.class_names) == 10


def test_prepared_data_are_read_without_asking_the_network(tfds_data_dir, monkeypatch):
    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", pytest.fail)
    TFDS("mnist", "train[:10]", "test[:10]", tfds_data_dir, download=True).load()


def test_two_readings_give_the_same_images(tfds_data_dir):
    first, second = (TFDS("mnist", "train[:99]", "test[:9]", tfds_data_dir).load() for _ in range(2))
    assert np.array_equal(first.train_images, second.train_images)
    assert np.array_equal(first.train_labels, second.train_labels)


def test_a_stream_of_a_tfds_data_set(tfds_data_dir):
    source = TFDS("fashion_mnist", "train[:300]", "test[:100]", tfds_data_dir)
    stream = ClassIncrementalStream(source, class_order=("Bag", "Sneaker"))
    assert (stream.name, stream.image_shape) == ("fashion_mnist", (32, 32, 1))
    assert [task.class_names for task in stream] == [("Bag",), ("Sneaker",)]


def test_svhn_is_a_stream_of_digits_without_its_extra_images(tmp_path):
    small_tfds.write(tmp_path, "svhn_cropped")
    stream = ClassIncrementalStream(TFDS("svhn_cropped", data_dir=tmp_path, download=False))
    assert stream.image_shape == (32, 32, 3) and stream.class_names == tuple("0123456789")
    tasks = list(stream)
    assert sum(len(task.train) + len(task.validation) for task in tasks) == 400  # `extra` has 20 more
    assert sum(len(task.test) for task in tasks) == 100
    brightness = [np.mean(task.test.images) for task in tasks]
    assert brightness == sorted(brightness)  # as it was written, class by class


def test_the_images_of_both_imagenet_50s_are_found_among_1000_classes(tfds_data_dir):
    arrays = TFDS("imagenet_resized/32x32", "train[:1365]", "validation[:910]", tfds_data_dir, download=False).load()
    assert arrays.train_images.shape == (1365, 32, 32, 3) and len(arrays.class_names) == 1000
    assert len(np.unique(arrays.train_labels)) == 50 + 50 - 9
    assert arrays.class_names[arrays.train_labels.min()] in ("n02124075", "n02089078", "n02112018")


def test_missing_data_without_network_is_told_in_seconds(tmp_path, no_network):
    start = time.monotonic()
    with pytest.raises(UserError, match="no network.*--data_dir.*TFDS_DATA_DIR"):
        TFDS("svhn_cropped", data_dir=tmp_path).load()
    assert time.monotonic() - start < 15


def test_missing_data_with_downloading_off_are_told_without_asking_the_network(tmp_path, monkeypatch):
    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", pytest.fail)
    with pytest.raises(UserError, match="downloading is off.*--data_dir.*TFDS_DATA_DIR"):
        TFDS("mnist", data_dir=tmp_path, download=False).load()


def test_a_download_that_fails_names_its_cause(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    def broken(self, **_):
        raise OSError("disk full")

    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", list)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", broken)
    with pytest.raises(UserError, match="the download failed.*disk full.*TFDS_DATA_DIR"):
        TFDS("mnist", data_dir=tmp_path).load()


def test_an_incomplete_folder_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", list)
    (tmp_path / "mnist" / "3.0.1").mkdir(parents=True)
    with pytest.raises(UserError, match="incomplete; remove it"):
        TFDS("mnist", data_dir=tmp_path).load()


def test_missing_data_are_downloaded_where_a_server_answers(tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    downloads = []

    def download(self, download_config):
        downloads.append(download_config.try_download_gcs)
        raise OSError("enough seen")

    # Only the data set's own server answers: then TFDS must not wait for its bucket.
    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", lambda urls: [url for url in urls if "stanford" in url])
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download)
    with pytest.raises(UserError, match="enough seen"):
        TFDS("svhn_cropped", data_dir=tmp_path).load()
    assert downloads == [False]


def test_what_is_wanted_twice_at_once_is_downloaded_once(tmp_path, tfds_data_dir, monkeypatch):
    import tensorflow_datasets as tfds

    downloads = []

    def download(self, download_config):
        downloads.append(self.name)
        shutil.copytree(pathlib.Path(tfds_data_dir) / "mnist", tmp_path / "incomplete")
        time.sleep(0.3)
        (tmp_path / "incomplete").rename(tmp_path / "mnist")  # as TFDS does

    monkeypatch.setattr("dgm_tf.data.sources.tfds.answering", list)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", download)
    source = TFDS("mnist", "train[:60]", "test[:10]", data_dir=tmp_path)
    with concurrent.futures.ThreadPoolExecutor() as threads:
        loaded = [future.result() for future in [threads.submit(source.load) for _ in range(2)]]
    assert downloads == ["mnist"]
    assert [len(arrays.train_labels) for arrays in loaded] == [60, 60]


def test_an_unknown_data_set_is_told_with_the_closest_names():
    with pytest.raises(UserError, match="no data set 'mnsit'.*closest names: .*mnist"):
        TFDS("mnsit").load()


@pytest.mark.parametrize("name", ["imagenet_resized/33x33", "mnist:9.9.9"])
def test_unknown_configurations_versions_and_forms_are_told(name):
    with pytest.raises(UserError, match="TFDS.name: cannot use"):
        TFDS(name).load()


@pytest.mark.parametrize("argument", ["train_split", "test_split"])
@pytest.mark.parametrize("split", ["trian", "train[:", "validation"])
def test_an_unknown_split_is_told_with_the_known_ones(tfds_data_dir, argument, split):
    with pytest.raises(UserError, match=rf"TFDS.{argument}: expected a split of 'mnist' \(train, test\)"):
        TFDS("mnist", data_dir=tfds_data_dir, **{argument: split}).load()


def test_images_of_varied_sizes_are_refused(tmp_path):
    with pytest.raises(UserError, match="one size"):
        TFDS("oxford_flowers102", data_dir=tmp_path).load()


@pytest.mark.parametrize("name", ["ag_news_subset", "coco"])
def test_what_is_not_labelled_images_is_refused(tmp_path, name):
    with pytest.raises(UserError, match="not a set of images with one class label each"):
        TFDS(name, data_dir=tmp_path).load()


@pytest.mark.parametrize("name", ["", None, 3])
def test_a_name_is_needed(name):
    with pytest.raises(UserError, match="TFDS.name: expected"):
        TFDS(name)


@pytest.mark.parametrize("name", ["huggingface:mnist", "kaggle:x/y", "mnist:latest", "../x", "a\nb", "not a name"])
def test_data_sets_that_would_bring_code_of_their_own_are_refused(name):
    with pytest.raises(UserError, match="TFDS.name: expected the name of a data set that TFDS itself defines"):
        TFDS(name)


@pytest.mark.parametrize("name", ["mnist", "imagenet_resized/32x32", "mnist:3.0.1", "cifar10_corrupted/blur_1:1.*.*"])
def test_names_with_configuration_and_version_are_taken(name):
    assert TFDS(name).name == name
