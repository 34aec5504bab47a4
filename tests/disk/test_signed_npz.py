"""Writing of signed .npz files: without a second copy of the arrays, and with the digest of all that was written."""

import hashlib
import tracemalloc

import numpy as np
import pytest

from dgm_tf.disk import files, signed_npz

ARRAYS = {"kernel": np.arange(12.0).reshape(3, 4), "bits": np.array([True, False])}


@pytest.mark.parametrize("compress", [False, True])
def test_a_file_has_the_bytes_that_memory_would_and_tells_its_digest(tmp_path, compress):
    path = tmp_path / "a.npz"
    with files.written_together() as write:
        digest = write(path, signed_npz.content(ARRAYS, compress, notes=[1]))
    assert path.read_bytes() == files.npz_bytes(ARRAYS, compress, notes=[1])
    assert digest == hashlib.sha256(path.read_bytes()).hexdigest() == files.sha256(path)
    files.check_signature(path)


def test_writing_takes_no_second_copy(tmp_path):
    large = {name: np.zeros(2**22) for name in "abc"}  # 32 MiB each
    tracemalloc.start()
    files.write_arrays(tmp_path / "a.npz", large)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**25
