"""Extraction: each image once, kept by content, and never more in memory than allowed."""

import errno

import numpy as np
import pytest

from dgm_tf import limits
from dgm_tf.data.rows import Rows
from dgm_tf.data.sources import cache
from dgm_tf.disk import files
from dgm_tf.errors import Damaged
from dgm_tf.features.extraction import Extraction, mirrored
from tests.methods import spaces

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 1)).astype(np.uint8)


@pytest.fixture
def extractor():
    return spaces.Projections().extractor(IMAGES, seed=0)


@pytest.fixture
def counted(monkeypatch):
    """Numbers of images that were extracted, call by call."""
    counts, batch = [], Extraction.batch

    def counting(self, images):
        counts.append(len(images))
        return batch(self, images)

    monkeypatch.setattr(Extraction, "batch", counting)
    return counts


def expected(extractor, images=IMAGES):
    return extractor(images.astype(np.float32) / 127.5 - 1.0).numpy()


def test_vectors_are_the_extractors(extractor, tmp_path):
    for cache_dir in (None, tmp_path):
        np.testing.assert_allclose(Extraction(extractor, cache_dir).vectors(IMAGES), expected(extractor), atol=1e-5)


def test_an_image_is_extracted_once_however_it_comes_again(extractor, tmp_path, counted):
    extraction = Extraction(extractor, tmp_path)
    extraction.vectors(IMAGES[:4])
    found = extraction.vectors(np.concatenate([IMAGES[6:1:-1], IMAGES[6:]]))
    assert sum(counted) == len(IMAGES)
    np.testing.assert_allclose(found[0], expected(extractor)[6], atol=1e-5)
    np.testing.assert_allclose(found[4], expected(extractor)[2], atol=1e-5)


def test_another_process_finds_what_was_kept(extractor, tmp_path, counted):
    first = Extraction(extractor, tmp_path).vectors(IMAGES)
    done = sum(counted)
    again = Extraction(extractor, tmp_path).vectors(IMAGES[::-1])
    assert sum(counted) == done and np.array_equal(again, first[::-1])


def test_another_extractor_has_features_of_its_own(extractor, tmp_path):
    Extraction(extractor, tmp_path).vectors(IMAGES)
    extractor.kernel.assign(2.0 * extractor.kernel)
    np.testing.assert_allclose(Extraction(extractor, tmp_path).vectors(IMAGES), expected(extractor), atol=1e-5)


def test_another_version_of_an_extractor_has_features_of_its_own(extractor, tmp_path, counted):
    Extraction(extractor, tmp_path).vectors(IMAGES)
    extractor.version = 2
    Extraction(extractor, tmp_path).vectors(IMAGES)
    assert sum(counted) == 2 * len(IMAGES)


def test_damaged_features_are_extracted_again(extractor, tmp_path, capsys):
    Extraction(extractor, tmp_path).vectors(IMAGES)
    (path,) = tmp_path.glob("features-*/vectors.npy")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    np.testing.assert_allclose(Extraction(extractor, tmp_path).vectors(IMAGES), expected(extractor), atol=1e-5)
    assert "damaged" in capsys.readouterr().err


@pytest.mark.parametrize(
    "other",
    [np.zeros((12, 5), np.float32), np.zeros((11, 6), np.float32), np.zeros((12, 6)), np.float32(0), b"no array"],
)
def test_a_folder_of_other_arrays_with_checksums_that_fit_is_told_in_a_line(extractor, tmp_path, other):
    Extraction(extractor, tmp_path).vectors(IMAGES)
    (folder,) = tmp_path.glob("features-*")
    if isinstance(other, bytes):
        (folder / "vectors.npy").write_bytes(other)
    else:
        np.save(folder / "vectors.npy", other)
    digests = {name: cache._sha256(folder / name) for name in ("vectors.npy", "digests.npy")}
    files.write_json(folder / cache.DIGESTS, {"format": 2, "files": digests})
    with pytest.raises(Damaged, match="features-.* is damaged: expected .*; delete it") as told:
        Extraction(extractor, tmp_path).vectors(IMAGES)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("keep", [True, False])
def test_large_features_stay_out_of_memory(extractor, tmp_path, monkeypatch, counted, keep):
    monkeypatch.setattr(limits, "MAX_FEATURES_BYTES", 100)
    extraction = Extraction(extractor, tmp_path)
    found = extraction.vectors(IMAGES, keep)
    assert isinstance(found, Rows) and bool(counted) is keep, "what is not kept is extracted when it is read"
    np.testing.assert_allclose(found[3:5], expected(extractor)[3:5], atol=1e-5)
    assert bool(list(tmp_path.iterdir())) is keep


def test_a_full_disk_keeps_nothing_and_still_extracts(extractor, tmp_path, monkeypatch):
    monkeypatch.setattr("dgm_tf.features.extraction._NO_ROOM", 10**18)
    found = Extraction(extractor, tmp_path).vectors(IMAGES)
    np.testing.assert_allclose(found, expected(extractor), atol=1e-5)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_is_filled_meanwhile_keeps_nothing_and_still_extracts(extractor, tmp_path, monkeypatch, reason):
    """By another process, or against a quota: its space is reserved first, as writing to a map would be a SIGBUS."""

    def take_place(*_):
        raise OSError(reason, "no room")

    monkeypatch.setattr("dgm_tf.data.sources.store.take_place", take_place)
    found = Extraction(extractor, tmp_path).vectors(IMAGES)
    np.testing.assert_allclose(found, expected(extractor), atol=1e-5)
    assert not list(tmp_path.iterdir())


def test_no_images_have_no_vectors(extractor, tmp_path):
    assert Extraction(extractor, tmp_path).vectors(IMAGES[:0]).shape == (0, 6)


def test_mirrored_copies_are_mirrored_from_left_to_right():
    assert np.array_equal(mirrored(IMAGES), IMAGES[:, :, ::-1])
    assert np.array_equal(mirrored(Rows([IMAGES]))[2:4], IMAGES[2:4, :, ::-1])
