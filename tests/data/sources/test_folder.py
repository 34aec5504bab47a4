"""Anybody's folder of images: nothing is lost, and what is left out is named."""

import errno
import logging
import os
import time

import numpy as np
import pytest
from PIL import Image

from dgm_tf.data import ClassIncrementalStream, ImageFolder
from dgm_tf.data.rows import Rows
from dgm_tf.data.sources import image_files, store
from dgm_tf.data.sources.decoding import Unreadable, decode
from dgm_tf.disk.regular_files import open_regular
from dgm_tf.errors import UserError, told
from tests import letters
from tests.limited_files import files_of_at_most


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Letters a, b, c and a class of odd files."""
    folder = letters.write_letters(tmp_path_factory.mktemp("data") / "photos", "abc")
    letters.write_oddities(folder / "odd")
    (folder / "nothing here").mkdir()
    letters.write_letters(folder, "z", count=1)
    (folder / "readme.md").write_text("letters")
    return folder


@pytest.fixture(scope="module")
def loaded(photos):
    source = ImageFolder(photos)
    return source, source.load()


def test_every_odd_image_is_read(photos, tmp_path):
    assert letters.write_oddities(tmp_path / "odd") == 10
    for path in sorted((tmp_path / "odd").rglob("*")):
        if path.is_dir() or path.name in letters.NO_IMAGES:
            continue
        image = decode(path, 16, 3)
        assert image.shape == (16, 16, 3) and image.dtype == np.uint8
        if path.name == "sixteen_bits.png":  # 5000 and 56000 of 65535: neither white nor stretched
            assert abs(int(image[0, 0, 0]) - 19) <= 1 and abs(int(image[0, -1, 0]) - 218) <= 1
        else:
            assert image[:, :6].max() < 40 and image[:, 10:].min() > 215, f"{path.name}: left black, right white"


@pytest.mark.parametrize("name", [name for name in letters.NO_IMAGES if name != ".DS_Store"])
def test_what_is_no_image_says_why(photos, name):
    with pytest.raises(Unreadable, match=letters.NO_IMAGES[name]):
        decode(photos / "odd" / name, 16, 1)


def test_transparent_parts_are_white(tmp_path):
    Image.new("RGBA", (20, 20), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert decode(tmp_path / "clear.png", 16, 3).min() == 255


def test_the_middle_is_cut_out_and_averaged(tmp_path):
    levels = np.zeros((64, 192, 3), np.uint8)
    levels[:, 64:128:2] = 200  # stripes in the middle third
    Image.fromarray(levels).save(tmp_path / "wide.png")
    image = decode(tmp_path / "wide.png", 16, 1)
    assert 90 < image.mean() < 110 and image.std() < 15


def test_nothing_is_lost(loaded):
    source, arrays = loaded
    assert arrays.class_names == ("a", "b", "c", "odd") and arrays.train_images.shape[1:] == (32, 32, 3)
    labels = np.concatenate([arrays.train_labels, arrays.test_labels])
    assert np.bincount(labels).tolist() == [10, 10, 10, 10]
    assert np.bincount(arrays.test_labels).tolist() == [2, 2, 2, 2]
    report = source.report
    assert (report["train"], report["test"]) == (len(arrays.train_labels), len(arrays.test_labels))


def test_everything_left_out_is_named(loaded, photos):
    skipped = dict(map(tuple, loaded[0].report["skipped"]))
    for name, reason in letters.NO_IMAGES.items():
        assert reason in skipped.pop(f"odd/{name}")
    assert skipped.pop("readme.md") == "in no class's folder"
    assert skipped.pop("nothing here/") == "a class without files"
    assert "single image" in skipped.pop("z/")
    assert not skipped


def test_it_is_told_once(photos, caplog):
    source = ImageFolder(photos)
    with caplog.at_level(logging.WARNING, logger="dgm_tf"):
        source.load()
        source.load()
    (record,) = caplog.records
    assert "9 left out" in record.getMessage() and "odd/truncated.jpg" in record.getMessage()


def test_grey_only_if_all_files_are(tmp_path):
    letters.write_letters(tmp_path / "grey", "ab", count=2)
    assert ImageFolder(tmp_path / "grey", size=16).load().train_images.shape[1:] == (16, 16, 1)
    letters.write_letters(tmp_path / "grey", "c", count=2, mode="RGB")
    assert ImageFolder(tmp_path / "grey", size=16).load().train_images.shape[1:] == (16, 16, 3)
    assert ImageFolder(tmp_path / "grey", size=16, channels=1).load().train_images.shape[1:] == (16, 16, 1)


def test_a_class_is_split_alike_in_whatever_company(tmp_path):
    together = ImageFolder(letters.write_letters(tmp_path / "all", "abc"), seed=3).load()
    alone = ImageFolder(letters.write_letters(tmp_path / "one", "b"), seed=3).load()
    for part in ("train", "test"):
        images, labels = getattr(together, f"{part}_images"), getattr(together, f"{part}_labels")
        np.testing.assert_array_equal(images[labels == 1], getattr(alone, f"{part}_images"))
    other = ImageFolder(tmp_path / "one", seed=4).load()
    assert not np.array_equal(other.test_images, alone.test_images)
    streams = [ClassIncrementalStream(ImageFolder(tmp_path / name, seed=3)) for name in ("all", "one")]
    held_out = [streams[0].task(1).validation, streams[1].task(0).validation]
    np.testing.assert_array_equal(*(split.images for split in held_out))


@pytest.mark.parametrize(("train_name", "test_name"), [("train", "test"), ("Training", "Testing"), ("train", "valid")])
def test_train_and_test_folders_are_the_split(tmp_path, train_name, test_name):
    letters.write_letters(tmp_path / train_name, "ab", count=4)
    letters.write_letters(tmp_path / test_name, "abc", count=3)
    letters.write_letters(tmp_path / "more", "a", count=1)
    source = ImageFolder(tmp_path, size=16)
    arrays = source.load()
    assert np.bincount(arrays.train_labels).tolist() == [4, 4] and np.bincount(arrays.test_labels).tolist() == [3, 3]
    skipped = [["more", f"beside {train_name}/ and {test_name}/"], ["c/", "a class without training images"]]
    assert source.report["skipped"] == skipped


def test_train_alone_holds_the_classes(tmp_path):
    letters.write_letters(tmp_path / "train", "ab", count=4)
    assert ImageFolder(tmp_path, size=16).load().class_names == ("a", "b")


def test_a_linked_folder_is_a_class_and_a_circle_of_links_ends(tmp_path):
    letters.write_letters(tmp_path / "elsewhere", "q", count=3)
    letters.write_letters(tmp_path / "photos", "a", count=3)
    os.symlink(tmp_path / "elsewhere" / "q", tmp_path / "photos" / "q")
    os.symlink(tmp_path / "photos" / "a", tmp_path / "photos" / "a" / "again")
    source = ImageFolder(tmp_path / "photos", size=16)
    assert source.load().class_names == ("a", "q")
    assert source.report["skipped"] == [["a/again/", "a link to a folder seen before"]]


class TestStore:
    """Decoded images are found again."""

    def test_the_second_run_decodes_nothing(self, photos, tmp_path, monkeypatch, loaded):
        first = ImageFolder(photos, cache_dir=tmp_path).load()
        monkeypatch.setattr(store, "decoded", None)
        again = ImageFolder(photos, cache_dir=tmp_path).load()
        np.testing.assert_array_equal(again.train_images, first.train_images)
        np.testing.assert_array_equal(again.train_images, loaded[1].train_images)
        assert [path.name[:7] for path in tmp_path.iterdir()] == ["images-"], "nothing is left half-written"

    def test_a_file_more_is_another_store(self, tmp_path):
        folder = letters.write_letters(tmp_path / "photos", "ab", count=3)
        assert len(ImageFolder(folder, 16, cache_dir=tmp_path / "cache").load().train_images) == 4
        letters.letter("a", 9).save(folder / "a" / "new.png")
        assert len(ImageFolder(folder, 16, cache_dir=tmp_path / "cache").load().train_images) == 5

    def test_a_killed_start_leaves_nothing(self, photos, tmp_path, monkeypatch):
        def fail(*_):
            raise KeyboardInterrupt
            yield

        monkeypatch.setattr(store, "decoded", fail)
        with pytest.raises(KeyboardInterrupt):
            ImageFolder(photos, cache_dir=tmp_path).load()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("channels", [None, 1])
    def test_too_many_open_files_leave_no_image_out(self, photos, tmp_path, monkeypatch, channels):
        opened = []

        def open_few(path, *arguments):
            opened.append(path)
            if len(opened) > 5:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE), str(path))
            return open_regular(path, *arguments)

        monkeypatch.setattr(image_files, "open_regular", open_few)
        with pytest.raises(OSError, match="Too many open files: '.*/photos/"):
            ImageFolder(photos, channels=channels, cache_dir=tmp_path).load()
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("size", [0, 200, 2000])
    def test_a_disk_without_room_is_named(self, photos, tmp_path, size):
        with files_of_at_most(size), pytest.raises((OSError, UserError), match=f"{tmp_path}.*") as caught:
            ImageFolder(photos, cache_dir=tmp_path).load()
        assert "File too large" in told(caught.value) and ".tmp" not in told(caught.value)
        assert not list(tmp_path.iterdir())

    def test_what_a_killed_run_left_goes_after_a_day(self, photos, tmp_path):
        left = {age: tmp_path / f".images-{age}.1-000000000000.tmp" for age in (90000, 60)}  # of another machine
        for age, folder in left.items():
            folder.mkdir()
            (folder / "images.npy").write_bytes(b"half")
            for path in (folder / "images.npy", folder):
                os.utime(path, (time.time() - age,) * 2)
        ImageFolder(photos, cache_dir=tmp_path).load()
        assert [path.exists() for path in left.values()] == [False, True]

    def test_a_stream_hands_on_its_folder_where_none_is_set(self, photos, tmp_path):
        source = ImageFolder(photos)
        ClassIncrementalStream(source).keep_in(tmp_path)
        assert source.cache_dir == tmp_path
        ClassIncrementalStream(source).keep_in(tmp_path / "other")
        assert source.cache_dir == tmp_path


def test_a_file_that_may_be_read_at_last_is_another_store(tmp_path, monkeypatch):
    folder = letters.write_letters(tmp_path, "ab")
    name = ImageFolder(folder).name
    monkeypatch.setattr(os, "access", lambda path, mode: path.name != "03.png")
    assert ImageFolder(folder).name != name


def test_larger_than_the_limit_stays_on_disk_with_the_same_images(photos, loaded):
    arrays = ImageFolder(photos, memory_limit=1000).load()
    for part in ("train", "test"):
        images = getattr(arrays, f"{part}_images")
        assert isinstance(images, Rows)
        np.testing.assert_array_equal(images, getattr(loaded[1], f"{part}_images"))


def test_a_stream_of_it_reads_nothing_before_training(photos, monkeypatch):
    streams = [ClassIncrementalStream(ImageFolder(photos, memory_limit=limit), [2, 1]) for limit in (1e9, 0)]
    held, on_disk = (list(stream) for stream in streams)
    for task, expected in zip(on_disk, held, strict=True):
        for name in ("train", "validation", "test"):
            images = getattr(task, name).images
            assert isinstance(images, Rows) and isinstance(getattr(expected, name).images, np.ndarray)
            np.testing.assert_array_equal(images, getattr(expected, name).images)


def test_images_are_not_resized_again(photos):
    with pytest.raises(UserError, match="image_size: expected 16, at which ImageFolder .* got 32"):
        ClassIncrementalStream(ImageFolder(photos, size=16), image_size=32)


@pytest.mark.parametrize("size", [96, 160, 192, 224])
def test_photos_are_kept_at_the_sizes_that_backbones_take(photos, size):
    stream = ClassIncrementalStream(ImageFolder(photos, size=size, channels=3), image_size=size)
    assert next(iter(stream)).train.images.shape[1:] == (size, size, 3)


def test_other_images_under_the_same_names_have_another_excerpt(tmp_path):
    folder = letters.write_letters(tmp_path, "ab", count=10)

    def excerpt():
        return ClassIncrementalStream(ImageFolder(folder, size=16), image_size=16).excerpt

    before = excerpt()
    assert excerpt() == before
    (folder / "a" / "09.png").rename(folder / "a" / "00000.png")  # another split of the same images
    assert excerpt() != before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"directory": ""}, "directory: expected a path, got ''"),
        ({"size": 28}, "size: expected one of 16, 32, 64, 96, 128, 160, 192, 224, got 28"),
        ({"channels": 4}, "channels: expected 1, 3 or None, got 4"),
        ({"test_fraction": 0}, r"test_fraction: expected a number in \(0, 1\), got 0"),
        ({"test_fraction": "some"}, "test_fraction: expected a number"),
        ({"seed": -1}, r"seed: expected an integer in \[0, 4294967296\), got -1"),
        ({"memory_limit": -1}, r"memory_limit: expected a number in \[0, inf\], got -1"),
    ],
)
def test_wrong_arguments_are_named(arguments, message):
    with pytest.raises(UserError, match=f"^ImageFolder.{message}"):
        ImageFolder(**{"directory": "photos", **arguments})


def test_folders_that_hold_nothing_are_refused(tmp_path):
    with pytest.raises(UserError, match="expected a folder with one for each class, got .*nowhere"):
        ImageFolder(tmp_path / "nowhere").load()
    with pytest.raises(UserError, match="no files in folders of classes"):
        ImageFolder(tmp_path).load()
    letters.write_letters(tmp_path, "a", count=1)
    with pytest.raises(UserError, match=r"no class has two images .* a/ \(a class with a single image"):
        ImageFolder(tmp_path).load()
    (tmp_path / "a" / "00.png").write_text("no image any more")
    with pytest.raises(UserError, match=r"none of the 1 files can be read: a/00.png \(not an image\)"):
        ImageFolder(tmp_path).load()
