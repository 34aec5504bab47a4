"""Images kept on disk: found again while they are whole, made anew, with a word, once they are not."""

import json
import shutil

import numpy as np
import pytest

from dgm_tf.data.sources import cache

IMAGES = np.arange(48, dtype=np.uint8).reshape(2, 4, 6)


class Maker:
    """Writes images and notes, and counts how often."""

    calls = 0

    def __call__(self, folder):
        self.calls += 1
        np.save(folder / "images.npy", IMAGES)
        (folder / "notes.json").write_text('"no image"')


def _read(folder):
    return np.load(folder / "images.npy", mmap_mode="r"), json.loads((folder / "notes.json").read_text())


@pytest.fixture
def make():
    return Maker()


def _check(found):
    images, notes = found
    np.testing.assert_array_equal(images, IMAGES)
    assert isinstance(images, np.memmap) and notes == "no image"


def test_they_are_made_once(make, tmp_path, capfd):
    for _ in range(2):
        _check(cache.kept("x", make, _read, tmp_path))
    assert make.calls == 1 and capfd.readouterr().err == ""
    assert sorted(path.name for path in (tmp_path / "images-x").iterdir()) == [
        "images.npy",
        "notes.json",
        "sha256.json",
    ]


def test_without_a_cache_nothing_is_kept(make, tmp_path):
    _check(cache.kept("x", make, _read))
    assert list(tmp_path.iterdir()) == []


DAMAGES = {
    "a bit of the images": ("images.npy", lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:]),
    "a bit of their header": ("images.npy", lambda data: data.replace(b"|u1", b"|i1")),
    "their end": ("images.npy", lambda data: data[:-1]),
    "all of them": ("images.npy", lambda data: b""),
    "a bit of the notes": ("notes.json", lambda data: data.replace(b"no image", b"no imagE")),
    "a bit of the digests": ("sha256.json", lambda data: data.replace(b"images", b"imageS")),
    "the end of the digests": ("sha256.json", lambda data: data[:-2]),
    "digests of another kind": ("sha256.json", lambda data: b"{}\n"),
}


@pytest.mark.parametrize("case", DAMAGES)
def test_what_is_damaged_is_told_in_one_line_and_made_anew(make, tmp_path, capfd, case):
    name, damage = DAMAGES[case]
    mapped, _ = cache.kept("x", make, _read, tmp_path)
    path = tmp_path / "images-x" / name
    data = path.read_bytes()
    path.unlink()  # what others have mapped is another matter
    path.write_bytes(damage(data))
    _check(cache.kept("x", make, _read, tmp_path))
    told = capfd.readouterr().err
    assert told.startswith(f"warning: {path} is damaged: ") and told.endswith("; it is made again\n")
    assert told.count("\n") == 1 and make.calls == 2
    np.testing.assert_array_equal(mapped, IMAGES)
    _check(cache.kept("x", make, _read, tmp_path))
    assert make.calls == 2 and capfd.readouterr().err == "", "what was made anew is whole"
    assert [path.name for path in tmp_path.iterdir()] == ["images-x"]


@pytest.mark.parametrize("name", ["images.npy", "sha256.json"])
def test_what_is_lost_is_made_anew(make, tmp_path, capfd, name):
    cache.kept("x", make, _read, tmp_path)
    (tmp_path / "images-x" / name).unlink()
    _check(cache.kept("x", make, _read, tmp_path))
    assert f"images-x is damaged: expected {name} in it, found none" in capfd.readouterr().err and make.calls == 2


def test_another_run_may_have_been_as_quick_and_what_it_has_made_stays(make, tmp_path):
    images, inodes = tmp_path / "images-x" / "images.npy", []

    def meanwhile(folder):
        if not images.exists():
            cache.kept("x", make, _read, tmp_path)
            inodes.append(images.stat().st_ino)
        return make(folder)

    _check(cache.kept("x", meanwhile, _read, tmp_path))
    assert [path.name for path in tmp_path.iterdir()] == ["images-x"] and [images.stat().st_ino] == inodes


def test_another_run_may_put_a_damaged_one_away_first(make, tmp_path, monkeypatch):
    cache.kept("x", make, _read, tmp_path)
    sha256 = cache._sha256

    def gone(path):
        monkeypatch.setattr(cache, "_sha256", sha256)
        shutil.rmtree(tmp_path / "images-x")
        raise FileNotFoundError(path)

    monkeypatch.setattr(cache, "_sha256", gone)
    _check(cache.kept("x", make, _read, tmp_path))


def test_every_block_of_a_large_file_counts(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "_BLOCK", 100)
    monkeypatch.setattr(cache, "_CHUNK", 30)
    made = []

    def make(folder):
        (folder / "x").write_bytes(bytes(250))
        made.append(folder)

    def kept():
        return cache.kept("x", make, lambda folder: (folder / "x").read_bytes(), tmp_path)

    changed = [bytes(i == position for i in range(250)) for position in (0, 99, 100, 229, 230, 249)]
    for number, content in enumerate([bytes(250), *changed, bytes(249)]):
        assert kept() == bytes(250) and len(made) == max(number, 1)
        (tmp_path / "images-x" / "x").write_bytes(content)
    assert kept() == bytes(250) and len(made) == 8
