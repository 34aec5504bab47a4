"""Archives of others: other libraries' names, odd labels, sizes that lie; one line each, and little memory."""

import io
import os
import tracemalloc
import zipfile

import numpy as np
import pytest

from dgm_tf import limits
from dgm_tf.data import ClassIncrementalStream, ImageArchive
from dgm_tf.errors import Damaged, UserError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 16, 16)).astype(np.uint8)
LABELS = np.repeat([0, 1, 2], 4)


@pytest.fixture
def archive(tmp_path):
    def write(save=np.savez, *, settings=None, **content):
        save(tmp_path / "a.npz", **content)
        return ImageArchive(tmp_path / "a.npz", **settings or {})

    return write


def make_stream(source):
    return ClassIncrementalStream(source, image_size=16)


class TestNamesOfOtherLibraries:
    """Keras's and MedMNIST's arrays are what they are."""

    def test_keras(self, archive):
        arrays = archive(x_train=IMAGES, y_train=LABELS, x_test=IMAGES[::4], y_test=LABELS[::4]).load()
        assert arrays.class_names == ("0", "1", "2")
        np.testing.assert_array_equal(arrays.train_images[..., 0], IMAGES)
        np.testing.assert_array_equal(arrays.test_labels, [0, 1, 2])

    def test_medmnist(self, archive):
        parts = {f"{part}_images": IMAGES[::step] for part, step in {"train": 1, "val": 2, "test": 4}.items()}
        labels = {f"{part}_labels": LABELS[::step, None] for part, step in {"train": 1, "val": 2, "test": 4}.items()}
        source = archive(**parts, **labels)
        stream = make_stream(source)
        assert stream.class_names == ("0", "1", "2") and len(stream.test_split(0).labels) == 1
        assert any(c.startswith("val_images and val_labels are not used") for c in stream.report["cautions"])

    def test_its_own_names_go_first(self, archive):
        source = archive(images=IMAGES, labels=LABELS, x_train=IMAGES[:1], y_train=LABELS[:1])
        assert len(source.load().class_names) == 3

    def test_half_of_a_pair_is_told(self, archive):
        with pytest.raises(UserError, match="has no labels; it holds images, y_train .expected images and labels"):
            archive(images=IMAGES, y_train=LABELS).load()
        with pytest.raises(UserError, match="has no y_test; it holds"):
            archive(x_train=IMAGES, y_train=LABELS, x_test=IMAGES).load()
        with pytest.raises(UserError, match="has no images and labels; .*did you mean image as images"):
            archive(image=IMAGES, label=LABELS).load()
        with pytest.raises(UserError, match="it holds nothing"):
            archive().load()

    def test_a_packed_folder_is_told(self, archive):
        with pytest.raises(UserError, match="did you pack the folder data instead of what is in it?"):
            archive(**{"data/images": IMAGES, "data/labels": LABELS}).load()


class TestLabels:
    """Whatever tells one class from another."""

    @pytest.mark.parametrize(
        ("labels", "names"),
        [
            (LABELS[:, None], ("0", "1", "2")),
            (LABELS.astype(np.float32), ("0", "1", "2")),
            (LABELS.astype(">u2") * 5 + 1, ("1", "6", "11")),
            (LABELS > 0, ("0", "1")),
            (np.array(["b b", "10", "9"])[LABELS], ("10", "9", "b b")),
            (np.array([b"b", b"\xc3\xa9", b"9"])[LABELS], ("9", "b", "\u00e9")),
        ],
    )
    def test_they_are_read(self, archive, labels, names):
        arrays = archive(images=IMAGES, labels=labels).load()
        assert arrays.class_names == names
        plain = np.char.decode(labels) if labels.dtype.kind == "S" else labels.reshape(-1)
        values = plain if plain.dtype.kind == "U" else plain.astype(int)
        name_of = {image.tobytes(): str(value) for image, value in zip(IMAGES, values, strict=True)}
        images = np.concatenate([arrays.train_images, arrays.test_images])
        found = np.concatenate([arrays.train_labels, arrays.test_labels])
        assert [name_of[image.tobytes()] for image in images] == [names[label] for label in found]

    def test_the_natural_order_of_names_is_that_of_numbers(self, archive):
        source = archive(images=IMAGES, labels=np.array(["b10", "b9", "a"])[LABELS])
        assert make_stream(source).class_names == ("a", "b9", "b10")
        named = archive(images=IMAGES, labels=LABELS, class_names=["b10", "b9", "a"])
        assert make_stream(named).class_names == ("b10", "b9", "a"), "class_names are an order of their own"

    def test_numbers_in_an_order_are_labels_that_are_names(self, archive):
        source = archive(images=IMAGES, labels=LABELS + 1)
        assert ClassIncrementalStream(source, class_order=[3, 1], image_size=16).class_names == ("3", "1")
        with pytest.raises(UserError, match="got 0, no class"):
            ClassIncrementalStream(source, class_order=[0], image_size=16).class_names  # noqa: B018

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"labels": np.eye(3)[LABELS]}, r"\[12, 1\], got float64 \[12, 3\]: of one-hot labels take np.argmax"),
            ({"labels": LABELS.astype(object)}, "labels holds Python objects, .* save it as numbers or text"),
            ({"labels": LABELS, "class_names": np.array(["a", "b", "c"], object)}, "class_names holds Python objects"),
            ({"labels": LABELS + 1, "class_names": ["a", "b", "c"]}, "got 1 to 3: if they begin at 1, subtract 1"),
            ({"labels": LABELS - 1, "class_names": ["a", "b", "c"]}, "got -1 to 1$"),
            ({"labels": LABELS, "class_names": ["a", " ", "c"]}, "got ' ': it is empty"),
            ({"labels": LABELS, "class_names": ["a", "b", "caf\udce9"]}, r"got 'caf\\udce9': it is no UTF-8 text"),
            ({"labels": LABELS, "class_names": ["a", "b", "c" * 1001]}, "it has 1001 characters, more than 1000"),
            ({"labels": LABELS, "class_names": ["a", "b", "c" * 5000]}, "at most 1000 characters in class_names"),
            ({"labels": LABELS, "class_names": [["a", "b", "c"]]}, r"as text \[classes\], got <U1 \[1, 3\]"),
            ({"labels": np.array([b"\xff", b"a", b"b"])[LABELS]}, "expected names as UTF-8 text"),
            ({"labels": np.where(LABELS, np.nan, 1.0)}, "got float64 that are no whole numbers"),
            ({"labels": np.full(12, 2**63, np.uint64)}, r"expected labels below 2\*\*53"),
            ({"labels": LABELS + 0j}, "got complex128"),
            ({"labels": LABELS, "test_images": IMAGES, "test_labels": np.array(["a"] * 12)}, "labels of one kind"),
        ],
    )
    def test_what_cannot_be_labels_says_what_to_do(self, archive, content, message):
        with pytest.raises(UserError, match=message) as told:
            archive(images=IMAGES, **content).load()
        assert "\n" not in str(told.value) and str(told.value).startswith("ImageArchive.path: ")

    def test_control_characters_in_a_name_are_kept_as_text(self, archive):
        names = ["\x1b]0;owned\x07cat", "dog", "owl"]
        stream = make_stream(archive(images=IMAGES, labels=LABELS, class_names=names))
        assert stream.class_names == tuple(names)
        assert not any("\x1b" in line or "\x07" in line for line in stream.overview)


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (IMAGES[:0], r"expected some images, of some pixels, got uint8 \[0, 16, 16\]"),
        (IMAGES[:, :0], "expected some images, of some pixels"),
        (IMAGES[..., None][..., :0], "expected images as uint8"),
        (IMAGES / 255, "got float64 .*: multiply those from 0 to 1 by 255, then astype"),
        (IMAGES.astype(np.uint16), "got uint16 .*: bring their levels to 0 to 255"),
        (np.repeat(IMAGES[:, None], 3, 1), "got uint8 .*: channels go last, np.moveaxis"),
        (IMAGES[0], "expected images as uint8"),
        (IMAGES > 9, "expected images as uint8"),
    ],
)
def test_images_of_another_kind_say_what_to_do(archive, images, message):
    with pytest.raises(UserError, match=message):
        archive(images=images, labels=LABELS[: len(images)]).load()


def test_columns_first_and_big_endian_are_the_same_images(archive):
    plain = archive(images=IMAGES, labels=LABELS).load()
    for save in (np.savez, np.savez_compressed):
        other = archive(save, images=np.asfortranarray(IMAGES), labels=LABELS.astype(">i8")).load()
        np.testing.assert_array_equal(other.train_images, plain.train_images)
        np.testing.assert_array_equal(other.test_labels, plain.test_labels)
    source = archive(images=np.asfortranarray(IMAGES), labels=LABELS, settings={"memory_limit": 0})
    with pytest.raises(UserError, match="Fortran order, .*: save np.ascontiguousarray"):
        source.load()


class TestBombs:
    """Sizes are looked at before anything is unpacked."""

    def header(self, shape):
        text = io.BytesIO()
        np.lib.format.write_array_header_1_0(text, {"descr": "|u1", "fortran_order": False, "shape": shape})
        return text.getvalue()

    def refused(self, source, message, kind=UserError):
        tracemalloc.start()
        try:
            with pytest.raises(kind, match=message):
                source.load()
            assert tracemalloc.get_traced_memory()[1] < 5e6
        finally:
            tracemalloc.stop()

    def test_labels_without_images(self, archive):
        source = archive(np.savez_compressed, images=IMAGES, labels=np.zeros(20_000_000, np.uint8))
        self.refused(source, r"one for each image: \[12\] or \[12, 1\], got uint8 \[20000000\]")

    def test_names_without_classes(self, archive):
        source = archive(np.savez_compressed, images=IMAGES, labels=LABELS, class_names=np.zeros(900_000, "U20"))
        self.refused(source, "'class_names' takes 72.0 MB unpacked, at most 64.0 MB are read")

    def test_images_without_labels_leave_nothing_in_the_cache(self, archive, tmp_path):
        settings = {"memory_limit": 1000, "cache_dir": tmp_path / "cache"}
        images = np.zeros((20_000, 32, 32), np.uint8)
        source = archive(np.savez_compressed, settings=settings, images=images, labels=LABELS)
        self.refused(source, r"one for each image: \[20000\]")
        assert not (tmp_path / "cache").exists()

    def test_images_that_are_all_the_same(self, archive, monkeypatch):
        monkeypatch.setattr(limits, "FREE_BYTES", 10_000_000)
        images, labels = np.zeros((20_000, 32, 32), np.uint8), np.arange(20_000) % 2
        source = archive(np.savez_compressed, images=images, labels=labels)
        self.refused(source, "images take 20 MB unpacked of 0.02 MB, more than pictures do .*save them with np.savez")
        monkeypatch.setattr(limits, "FREE_BYTES", 30_000_000)
        assert len(archive(np.savez_compressed, images=images, labels=labels).load().class_names) == 2

    def test_terabytes_that_are_not_there(self, archive, tmp_path):
        source = archive(images=IMAGES, labels=LABELS)
        with zipfile.ZipFile(tmp_path / "a.npz", "a") as file:
            file.writestr("class_names.npy", self.header((10**13,)) + bytes(8))
        self.refused(source, "'class_names': its header declares .* 10.0 TB, but 8 bytes are there", Damaged)

    def test_an_archive_that_is_no_file(self, tmp_path):
        os.mkfifo(tmp_path / "a.npz")
        self.refused(ImageArchive(tmp_path / "a.npz"), "expected an .npz file, got a FIFO, not a file")
        self.refused(ImageArchive("/dev/zero"), "got a device, not a file")

    def test_a_cut_archive_is_damage(self, archive, tmp_path):
        source = archive(images=IMAGES, labels=LABELS)
        data = (tmp_path / "a.npz").read_bytes()
        (tmp_path / "a.npz").write_bytes(data[:-30])
        self.refused(source, "^ImageArchive.path: .*a.npz is damaged: .*; get a whole copy of it$", Damaged)
        data = bytearray(data)
        data[1000] ^= 1
        (tmp_path / "a.npz").write_bytes(data)
        for limit in (2_000_000_000, 0):
            source = ImageArchive(tmp_path / "a.npz", memory_limit=limit)
            self.refused(source, "'images': Bad CRC-32 .*; get a whole copy of it$", Damaged)
