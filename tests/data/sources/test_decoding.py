"""Image files as people have them: what is read, what is refused and how that is named, in how much memory."""

import os
import pathlib
import socket
import struct
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image, features

from dgm_tf import limits
from dgm_tf.data.sources import decoding, image_files
from dgm_tf.data.sources.decoding import Unreadable, decode, is_grey


def ftyp(brand):
    """The beginning of a file of the ISO base media format."""
    return struct.pack(">I", 24) + b"ftyp" + brand + b"\0\0\0\0mif1heic" + bytes(200)


def halves(size=(48, 48), mode="RGB"):
    """Left black, right white."""
    image = Image.new("L", size)
    image.paste(255, (size[0] // 2, 0, *size))
    return image.convert(mode)


def assert_halves(image):
    assert image[:, :6].max() < 40 and image[:, 10:].min() > 215, "left black, right white"


@pytest.mark.parametrize(("suffix", "feature"), [("avif", "avif"), ("jp2", "jpg_2000")])
def test_avif_and_jpeg_2000_are_read_where_pillow_has_them(tmp_path, suffix, feature):
    assert features.check(feature), "the Pillow of the lock file has it"
    halves().save(tmp_path / f"photo.{suffix}", quality=100)
    assert_halves(decode(tmp_path / f"photo.{suffix}", 16, 3))


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LA", "RGBA", "I", "I;16", "1", "P"])
def test_tiff_of_every_kind_is_read(tmp_path, mode):
    image = halves(mode="L")
    if mode.startswith("I"):
        image = Image.fromarray(np.asarray(image).astype(np.uint16 if mode == "I;16" else np.int32) * 257)
    image.convert(mode).save(tmp_path / "image.tiff")
    assert_halves(decode(tmp_path / "image.tiff", 16, 3))


def test_lab_colours_are_converted(tmp_path):
    lab = np.zeros((32, 32, 3), np.uint8)
    lab[:, 16:, 0] = 255
    Image.frombytes("LAB", (32, 32), lab.tobytes()).save(tmp_path / "lab.tiff")
    assert_halves(decode(tmp_path / "lab.tiff", 16, 3))
    assert_halves(decode(tmp_path / "lab.tiff", 16, 1))
    assert not is_grey(tmp_path / "lab.tiff")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (ftyp(b"heic"), "HEIC, which is not read: convert it to JPEG"),
        (ftyp(b"mif1"), "HEIF, which is not read: convert it to JPEG"),
        (ftyp(b"crx "), "CR3, a camera's raw image, which is not read: develop"),
        (ftyp(b"isom"), "a video, which is not read: save single pictures"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "EPS, which is not read, since that would start a program: convert it to"),
        (b"\xc5\xd0\xd3\xc6" + bytes(40), "EPS, which is not read, since that would start a program"),
        (b"%PDF-1.7", "PDF, which is not read"),
        (b"<svg xmlns=", "SVG, which holds no pixels"),
        (b'\xef\xbb\xbf<?xml version="1.0"?>\n<svg xmlns=', "SVG, which holds no pixels"),
        (b"\n<!DOCTYPE html><html><head>", "a web page, not an image"),
        (b"<?xml version='1.0'?>", "^not an image$"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "a pointer of Git LFS, .*git lfs pull"),
        (b"8BPS\0\1" + bytes(40), "PSD, a format that is not read: convert it"),
        (b"\0\0\0\x0cJXL \r\n\x87\n", "JPEG XL, which is not read: convert it"),
        (bytes(128) + b"DICM", "DICOM, which is not read"),
        (b"\x89HDF\r\n\x1a\n" + bytes(40), "HDF5, a format that is not read"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"PK\3\4", "a zip archive"),
        (b"", "not an image: an empty file"),
        (b"hello", "^not an image$"),
        (b"P5 0 0 255\n", "not an image|without pixels"),
        (b"\x89PNG\r\n\x1a\n", "not an image|broken|Truncated"),
    ],
)
def test_other_formats_are_named_with_the_way_out(tmp_path, content, message):
    (tmp_path / "file.jpg").write_bytes(content)
    with pytest.raises(Unreadable, match=message) as told:
        decode(tmp_path / "file.jpg", 16, 3)
    assert "\n" not in str(told.value)


def test_what_another_pillow_would_read_is_said(tmp_path, monkeypatch):
    halves().save(tmp_path / "photo.avif")
    monkeypatch.setattr(image_files, "formats", lambda: ("JPEG", "PNG"))
    with pytest.raises(Unreadable, match="AVIF, which this Pillow cannot read: convert it to JPEG or PNG"):
        decode(tmp_path / "photo.avif", 16, 3)


def test_what_is_no_file_is_named_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(tmp_path / "socket.png"))
    os.symlink("/dev/zero", tmp_path / "zero.png")
    for name, why in {"pipe.png": "a FIFO", "socket.png": "a socket", "zero.png": "a device", ".": "a folder"}.items():
        with pytest.raises(Unreadable, match=f"^{why}, not a file$"):
            decode(tmp_path / name, 16, 3)
    with pytest.raises(Unreadable, match="gone since the folder was listed"):
        decode(tmp_path / "vanished.png", 16, 3)


def test_a_file_that_some_decoder_would_hold_whole_has_a_limit(tmp_path):
    with open(tmp_path / "sparse.webp", "wb") as file:
        file.write(b"RIFF\xff\xff\xff\xffWEBPVP8 ")
        file.truncate(limits.MAX_IMAGE_FILE_BYTES + 1)
    with pytest.raises(Unreadable, match="a file of more than 2 GB"):
        decode(tmp_path / "sparse.webp", 16, 3)


class TestLevels:
    """What has more than 8 bits."""

    def test_a_level_may_be_named_that_becomes_white(self, tmp_path):
        levels = np.linspace(0, 4095, 64 * 64).reshape(64, 64)
        for dtype, white in ((np.uint16, 4095), (np.int32, 4095), (np.float32, 4095.0), (np.float32, 2000)):
            Image.fromarray(levels.astype(dtype)).save(tmp_path / "t.tiff")
            image = decode(tmp_path / "t.tiff", 64, 1, white=white)[..., 0].astype(int)
            np.testing.assert_allclose(image, np.minimum(levels / white * 255, 255), atol=1)
        Image.fromarray(levels.astype(np.uint16)).save(tmp_path / "t.tiff")
        assert decode(tmp_path / "t.tiff", 64, 1).max() == 16

    @pytest.mark.parametrize(
        ("level", "message"),
        [
            (np.float32(0.5), "floating-point numbers, .*: set white to their largest"),
            (np.int32(70000), "more than 16 bits: set white to the largest"),
            (np.int32(-1), "negative or not finite"),
        ],
    )
    def test_levels_without_a_known_range_say_what_to_set(self, tmp_path, level, message):
        Image.fromarray(np.full((8, 8), level)).save(tmp_path / "t.tiff")
        with pytest.raises(Unreadable, match=message):
            decode(tmp_path / "t.tiff", 16, 1)

    @pytest.mark.parametrize("level", [np.nan, np.inf, -1.0])
    def test_levels_that_are_no_levels_are_refused_with_white_too(self, tmp_path, level):
        Image.fromarray(np.float32([[0.5, level]] * 2)).save(tmp_path / "t.tiff")
        with pytest.raises(Unreadable, match="negative or not finite"):
            decode(tmp_path / "t.tiff", 16, 1, white=1)


class TestLargeImages:
    """They take little more memory than their pixels, or are named with their size."""

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("a.png", r"60 x 50 pixels, 0 million: at most 0 million are read of a PNG \(max_pixels = 2999\)"),
            ("a.webp", r"60 x 50 pixels.*of a WEBP"),
            ("a.gif", r"60 x 50 pixels"),
            ("a.tiff", r"60 x 50 pixels"),
        ],
    )
    def test_too_many_pixels_are_named(self, tmp_path, name, message):
        halves((60, 50)).save(tmp_path / name)
        assert decode(tmp_path / name, 16, 3, max_pixels=6000).shape == (16, 16, 3)
        with pytest.raises(Unreadable, match=message):
            decode(tmp_path / name, 16, 3, max_pixels=2999)

    def test_of_a_jpeg_those_count_that_are_decoded(self, tmp_path, monkeypatch):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # the library's own limit knows nothing of that
        image = halves((2048, 1024))
        image.save(tmp_path / "photo.jpg")
        image.save(tmp_path / "progressive.jpg", progressive=True)
        assert_halves(decode(tmp_path / "photo.jpg", 16, 3, max_pixels=2048 * 1024 // 8))
        with pytest.raises(Unreadable, match="2048 x 1024 pixels, 2 million"):
            decode(tmp_path / "photo.jpg", 16, 3, max_pixels=2048 * 1024 // 8 - 1)
        assert_halves(decode(tmp_path / "progressive.jpg", 16, 3, max_pixels=2048 * 512))
        with pytest.raises(Unreadable, match="2048 x 1024 pixels, 2 million: at most 1 million"):
            decode(tmp_path / "progressive.jpg", 16, 3, max_pixels=2048 * 1024 // 4)

    @pytest.mark.parametrize("mode", ["P", "RGBA", "I;16", "CMYK", "L", "1"])
    @pytest.mark.parametrize("size", [(700, 500), (333, 601), (1000, 31)])
    def test_band_by_band_they_look_the_same(self, tmp_path, monkeypatch, mode, size):
        rng = np.random.default_rng(0)
        smooth = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize(size, 3)
        image = Image.fromarray(np.asarray(smooth.convert("L")).astype(np.uint16) * 257) if "I" in mode else smooth
        image = image.convert(mode)
        exif = Image.Exif()
        exif[0x0112] = 6
        image.save(tmp_path / "image.tiff", exif=exif)
        monkeypatch.setattr(decoding, "_BAND_PIXELS", 5000)
        whole = decode(tmp_path / "image.tiff", 16, 3).astype(int)
        monkeypatch.setattr(limits, "LARGE_PIXELS", 100)
        bands = decode(tmp_path / "image.tiff", 16, 3).astype(int)
        assert whole.std() > 20 and np.abs(whole - bands).mean() < 7

    def test_transparent_parts_of_a_large_palette_are_white(self, tmp_path, monkeypatch):
        monkeypatch.setattr(limits, "LARGE_PIXELS", 100)
        Image.new("P", (200, 200)).save(tmp_path / "p.png", transparency=0)
        assert decode(tmp_path / "p.png", 16, 3).min() == 255

    def test_they_come_one_at_a_time(self, tmp_path, monkeypatch):
        monkeypatch.setattr(limits, "LARGE_PIXELS", 100)
        halves().save(tmp_path / "a.png")
        with image_files.opened_image(tmp_path / "a.png"):
            other = threading.Thread(target=decode, args=(tmp_path / "a.png", 16, 3))
            other.start()
            other.join(0.3)
            assert other.is_alive(), "the second waits"
        other.join(10)
        assert not other.is_alive()

    def test_a_bomb_fits_in_little_memory(self, tmp_path, project_root):
        """In a process that may take 300 MB beside what it has imported; decoded as a whole it takes a gigabyte."""
        Image.new("P", (9000, 9000)).save(tmp_path / "bomb.png", transparency=0, compress_level=1)
        code = (
            "import resource, sys; from dgm_tf.data.sources.decoding import decode\n"
            "taken = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
            "resource.setrlimit(resource.RLIMIT_AS, (taken + 300_000_000,) * 2)\n"
            "print(decode(sys.argv[1], 16, 3).mean())"
        )
        environment = os.environ | {"PYTHONPATH": str(project_root)}
        command = [sys.executable, "-c", code, tmp_path / "bomb.png"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.stdout.strip() == "255.0", done.stderr[-2000:]


def test_every_format_that_is_read_is_in_the_docs(project_root):
    text = pathlib.Path(project_root / "docs" / "data.md").read_text(encoding="utf-8")
    names = {"WEBP": "WebP", "JPEG2000": "JPEG 2000"}
    assert not [name for name in image_files.FORMATS if names.get(name, name) not in text]
