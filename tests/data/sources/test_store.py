"""The file of decoded images: its place on the disk is taken before anything is written into it."""

import os

import numpy as np
import pytest

from dgm_tf.data.sources import store


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_a_new_file_takes_its_place_on_the_disk_and_can_be_read(tmp_path, monkeypatch, system):
    if system == "darwin":
        monkeypatch.delattr(store.os, "posix_fallocate")
        monkeypatch.setattr(store, "_CHUNK", 1000)
    array = store._new_file(tmp_path / "images.npy", (7, 32, 32, 3))
    assert os.stat(tmp_path / "images.npy").st_blocks * 512 >= array.nbytes
    array[3] = 9
    array.flush()
    read = np.load(tmp_path / "images.npy")
    assert read.shape == (7, 32, 32, 3) and read.sum() == 9 * 32 * 32 * 3
