"""Signed files: whatever happens to their bytes is told in one line that names the file and what to do."""

import json
import os

import numpy as np
import pytest

from dgm_tf.disk import files
from dgm_tf.errors import Damaged, UserError

ARRAYS = {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "bits": np.array([1, 255], np.uint8)}


def damages(data):
    """Every single flipped bit, and every truncation."""
    for position in range(len(data)):
        for bit in range(8):
            yield data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :]
    yield from (data[:size] for size in range(len(data)))


def assert_damaged(read, path):
    with pytest.raises(Damaged, match="is damaged: .*; do this") as caught:
        read(path, advice="do this")
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_signed_json_comes_back_without_its_signature(tmp_path):
    value = {"format": 2, "names": ["é", "b"], "nested": {"x": [1.5, None]}}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value


def test_every_bit_and_every_length_of_signed_json_counts(tmp_path):
    path = tmp_path / "a.json"
    for damage in damages(files.json_bytes({"format": 2, "accuracy": [0.5]})):
        path.write_bytes(damage)
        assert_damaged(files.read_json, path)


def test_every_bit_and_every_length_of_signed_arrays_counts(tmp_path):
    path = tmp_path / "a.npz"
    for damage in damages(files.npz_bytes({"bits": ARRAYS["bits"]})):
        path.write_bytes(damage)
        assert_damaged(files.read_arrays, path)


def test_another_number_in_signed_json_is_damage_however_well_it_is_formed(tmp_path):
    path = tmp_path / "a.json"
    files.write_json(path, {"format": 2, "accuracy": [0.5]})
    path.write_text(path.read_text().replace("0.5", "0.9"))
    assert_damaged(files.read_json, path)


def test_a_signature_cannot_be_left_out_of_json_that_has_a_format(tmp_path):
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"format": 2}))
    assert_damaged(files.read_json, path)


@pytest.mark.parametrize("text", ["", "{", "[1, NaN]", "[" * 100_000, "1" * 10_000, "[" * 99 + "]" * 99], ids=range(6))
def test_what_is_no_json_is_told_in_one_line(tmp_path, text):
    path = tmp_path / "a.json"
    path.write_text(text)
    assert_damaged(files.read_json, path)


def test_files_from_before_signatures_are_read(tmp_path):
    (tmp_path / "a.json").write_text('{"finished": true}')
    (tmp_path / "b.json").write_text('{"format": 1}')
    np.savez(tmp_path / "c.npz", **ARRAYS)
    assert files.read_json(tmp_path / "a.json") == {"finished": True} and files.read_json(tmp_path / "b.json")
    (arrays,) = files.read_arrays(tmp_path / "c.npz")
    np.testing.assert_array_equal(arrays["kernel"], ARRAYS["kernel"])


@pytest.mark.parametrize("compress", [False, True])
def test_numpy_reads_signed_arrays(tmp_path, compress):
    files.write_atomically(tmp_path / "a.npz", files.npz_bytes(ARRAYS, compress, notes=[1]))
    with np.load(tmp_path / "a.npz") as loaded:
        np.testing.assert_array_equal(loaded["kernel"], ARRAYS["kernel"])
    arrays, notes = files.read_arrays(tmp_path / "a.npz", "notes")
    assert notes == [1] and sorted(arrays) == ["bits", "kernel"]


def test_equal_arrays_make_equal_files(monkeypatch):
    before = files.npz_bytes(ARRAYS)
    monkeypatch.setattr("time.time", lambda: 2e9)
    assert files.npz_bytes(ARRAYS) == before


def test_objects_are_never_written_as_programs():
    with pytest.raises(ValueError, match="[Oo]bject"):
        files.npz_bytes({"a": np.array([{}], object)})


def test_a_temporary_name_tells_its_process(tmp_path):
    name = files.temporary_name(tmp_path / "weights.npz").name
    assert files.process_of(name) == os.getpid() and name.startswith(".")
    assert files.process_of("weights.npz") is None


def test_an_archive_that_unpacks_to_far_more_than_it_is_takes_no_memory(tmp_path):
    files.write_atomically(
        tmp_path / "a.npz", files.npz_bytes({"zeros": np.zeros(200_000_000, np.uint8)}, compress=True)
    )
    with pytest.raises(UserError, match="takes? 200.0 MB unpacked, at most"):
        files.read_arrays(tmp_path / "a.npz")
