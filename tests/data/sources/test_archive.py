"""NumPy archives of images."""

import zipfile

import numpy as np
import pytest
from PIL import Image

from dgm_tf.data import ClassIncrementalStream, ImageArchive
from dgm_tf.data.rows import Rows
from dgm_tf.data.sources.archive import with_channels
from dgm_tf.errors import UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 16, 16, 3)).astype(np.uint8)
LABELS = np.repeat([0, 1, 2], 4)


@pytest.fixture
def archive(tmp_path):
    def write(**content):
        np.savez(tmp_path / "images.npz", **content)
        return tmp_path / "images.npz"

    return write


def test_images_and_labels_are_enough(archive):
    arrays = ImageArchive(archive(images=IMAGES, labels=LABELS * 5)).load()
    assert arrays.class_names == ("0", "5", "10"), "in the order of the numbers"
    assert np.bincount(arrays.train_labels).tolist() == [3] * 3 and np.bincount(arrays.test_labels).tolist() == [1] * 3
    images = np.concatenate([arrays.train_images, arrays.test_images])
    assert {image.tobytes() for image in images} == {image.tobytes() for image in IMAGES}


def test_names_may_come_as_names_or_as_labels(archive):
    named = ImageArchive(archive(images=IMAGES, labels=LABELS, class_names=["ant", "bee", "cat"])).load()
    labelled = ImageArchive(archive(images=IMAGES, labels=np.array(["ant", "bee", "cat"])[LABELS])).load()
    assert named.class_names == labelled.class_names == ("ant", "bee", "cat")
    np.testing.assert_array_equal(named.test_images, labelled.test_images)
    np.testing.assert_array_equal(named.test_labels, labelled.test_labels)


def test_test_images_are_taken_where_there_are_any(archive):
    path = archive(images=IMAGES, labels=LABELS, test_images=IMAGES[:6], test_labels=LABELS[:6])
    arrays = ImageArchive(path).load()
    np.testing.assert_array_equal(arrays.train_images, IMAGES)
    np.testing.assert_array_equal(arrays.test_labels, LABELS[:6])


def test_a_named_class_without_images_is_not_learned(archive):
    source = ImageArchive(archive(images=IMAGES, labels=LABELS, class_names=["ant", "bee", "cat", "dog"]))
    assert ClassIncrementalStream(source, image_size=16).class_names == ("ant", "bee", "cat")


def test_grey_images_may_lack_their_channel_and_get_three(archive):
    arrays = ImageArchive(archive(images=IMAGES[..., 0], labels=LABELS), channels=3).load()
    assert arrays.train_images.shape[1:] == (16, 16, 3) and np.ptp(arrays.train_images, axis=-1).max() == 0


def test_grey_is_what_pillow_makes_of_colours():
    expected = [np.asarray(Image.fromarray(image).convert("L")) for image in IMAGES]
    np.testing.assert_array_equal(with_channels(IMAGES, 1)[..., 0], expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"images": IMAGES}, "has no labels; it holds images"),
        ({"images": IMAGES, "labels": LABELS, "test_images": IMAGES}, "has no test_labels"),
        ({"images": IMAGES / 255, "labels": LABELS}, r"expected images as uint8 .*, got float64 \[12, 16, 16, 3\]"),
        ({"images": IMAGES[..., :2], "labels": LABELS}, "expected images as uint8"),
        ({"images": IMAGES, "labels": LABELS / 2}, "got float64 that are no whole numbers"),
        ({"images": IMAGES, "labels": LABELS[:5]}, r"one for each image: \[12\] or \[12, 1\], got int64 \[5\]"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["ant", "bee"]}, "expected labels from 0 to 1"),
        ({"images": IMAGES, "labels": LABELS, "class_names": ["ant", "bee", "bee"]}, "class_names that differ"),
        ({"images": IMAGES, "labels": np.arange(12)}, "at least two images of each class .* less of 0, 1"),
        ({"images": np.array([None]), "labels": LABELS}, "images holds Python objects, .*astype"),
    ],
)
def test_what_is_no_data_set_is_refused(archive, content, message):
    with pytest.raises(UserError, match=message):
        ImageArchive(archive(**content)).load()


class TestMoreThanMemory:
    """Images over the limit stay on disk, and are the same."""

    @pytest.mark.parametrize("images", [IMAGES, IMAGES[..., 0]], ids=["colour", "grey"])
    def test_a_stream_of_them_is_the_one_of_those_in_memory(self, archive, images):
        path = archive(images=images, labels=LABELS, test_images=images[::-1], test_labels=LABELS[::-1])
        sources = [ImageArchive(path, memory_limit=limit) for limit in (1e9, 0)]
        held, mapped = (ClassIncrementalStream(source, [2, 1], image_size=16) for source in sources)
        for task, other in zip(held, mapped, strict=True):
            assert isinstance(other.train.images, Rows) and not isinstance(task.train.images, Rows)
            for part in ("train", "validation", "test"):
                split, same = getattr(task, part), getattr(other, part)
                np.testing.assert_array_equal(np.asarray(same.images), split.images)
                np.testing.assert_array_equal(same.labels, split.labels)

    def test_they_are_unpacked_once_where_the_run_keeps_such_things(self, archive, tmp_path):
        path = archive(images=IMAGES, labels=LABELS)
        for _ in range(2):
            source = ImageArchive(path, memory_limit=len(IMAGES))
            ClassIncrementalStream(source).keep_in(tmp_path / "cache")
            source.load()
            (folder,) = (tmp_path / "cache").iterdir()
            written = folder.stat().st_ino, (folder / "images.npy").stat().st_mtime_ns
        assert (folder.stat().st_ino, (folder / "images.npy").stat().st_mtime_ns) == written
        np.testing.assert_array_equal(np.load(folder / "images.npy"), IMAGES)

    def test_a_full_disk_is_named_and_nothing_is_left(self, archive, tmp_path, monkeypatch):
        def full(*arguments):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("os.posix_fallocate", full)
        source = ImageArchive(archive(images=IMAGES, labels=LABELS), memory_limit=0, cache_dir=tmp_path / "cache")
        with pytest.raises(UserError, match="cache_dir: expected a folder with room for .*No space left"):
            source.load()
        assert list((tmp_path / "cache").iterdir()) == []

    @pytest.mark.parametrize(
        ("settings", "size", "message"),
        [
            ({"channels": 1}, 16, r"ImageArchive.channels: expected 3, as images of .* have, .* got 1"),
            ({}, 32, "image_size: expected 16, the size of images that are too many for memory, got 32"),
            ({"memory_limit": -1}, 16, r"ImageArchive.memory_limit: expected a number in \[0, inf\], got -1"),
        ],
    )
    def test_what_would_have_to_read_them_all_is_refused(self, archive, settings, size, message):
        path = archive(images=IMAGES, labels=LABELS)
        with pytest.raises(UserError, match=message):
            ClassIncrementalStream(ImageArchive(path, **{"memory_limit": 0} | settings), image_size=size).task(0)


def test_what_is_no_archive_is_refused(tmp_path):
    with pytest.raises(UserError, match="nowhere.npz cannot be read: No such file"):
        ImageArchive(tmp_path / "nowhere.npz").load()
    (tmp_path / "text.npz").write_text("text")
    np.save(tmp_path / "array.npy", IMAGES)
    for name, why in {"text.npz": "is damaged: File is not a zip file", "array.npy": "got a single array"}.items():
        with pytest.raises(UserError, match=f"^ImageArchive.path: .*{name}:? .*{why}"):
            ImageArchive(tmp_path / name).load()


def test_other_members_are_left_alone_and_those_that_are_no_arrays_are_named(archive, tmp_path):
    path = archive(images=IMAGES, labels=LABELS)
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("README.txt", "where they are from")
    assert len(ImageArchive(path).load().class_names) == 3
    with zipfile.ZipFile(tmp_path / "members.npz", "w") as file:
        file.writestr("images", b"not images.npy, as NumPy names its members")
    with pytest.raises(UserError, match="ImageArchive.path: .*members.npz: images is no NumPy array"):
        ImageArchive(tmp_path / "members.npz").load()
