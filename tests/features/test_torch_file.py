"""PyTorch's files of weights are read without it, and name nothing but tensors."""

import collections
import io
import os
import pickle

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.features import torch_file
from tests.features import torch_files

TENSORS = {
    "a.weight": np.arange(24, dtype="f4").reshape(2, 3, 4, 1),
    "a.count": np.array([3], "i8"),
    "b": np.arange(6, dtype="f4").reshape(2, 3),
}


def read(data):
    return torch_file.read(io.BytesIO(data), "here")


def test_tensors_are_read(monkeypatch):
    found = read(torch_files.written(TENSORS, monkeypatch, strides={"b": (1, 2)}))
    assert found.keys() == TENSORS.keys()
    np.testing.assert_array_equal(found["a.weight"], TENSORS["a.weight"])
    np.testing.assert_array_equal(found["a.count"], [3])
    np.testing.assert_array_equal(found["b"], np.arange(6).reshape(3, 2).T)  # a transposed view of its numbers


class _Calls:
    """Pickled, it calls something."""

    def __init__(self, function, *arguments):
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


def _pickled(*values):
    return b"".join(pickle.dumps(value, protocol=2) for value in values)


HEADER = (torch_files.MAGIC, torch_files.VERSION, {})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\x03\x04" + b"x" * 100,
        _pickled(_Calls(os.mkdir, "called")),
        _pickled(*HEADER, _Calls(eval, "1/0"), []),
        _pickled(*HEADER, _Calls(getattr, collections.OrderedDict, "x"), []),
        _pickled(*HEADER, {"a": ((1, 2, 3), 0, (1,), (1,))}, ["3"]),
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 1, None), 0, (2,), (1,))}, ["k"]) + bytes(12),
        _pickled(*HEADER, {"a": (("storage", "O", "k", "cpu", 1, None), 0, (1,), (1,))}, ["k"]) + b"\1" + bytes(15),
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 1, None), 0, (1,), (1,))}, ["k"]) + b"\xff" * 8,
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 1, None), 0, (10**9,), (0,))}, ["k"])
        + b"\1"
        + bytes(15),
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 1, None), -1, (1,), (1,))}, ["k"]) + b"\1" + bytes(15),
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 2, None), 0, (2,), (9,))}, ["k"]) + b"\2" + bytes(15),
        _pickled(*HEADER, {"a": (("storage", "<f4", "k", "cpu", 2, None), 1, (2,), (1,))}, ["k"]) + b"\2" + bytes(15),
        _pickled(1, torch_files.VERSION, {}, {}, []),
        b"\x80\x02cbuiltins\nexec\n.",
        b"\x80\x02ctorch\nload\n.",
        b"\x80\x02ccollections\nOrderedDict.fromkeys\n.",
        b"\x80\x04\x8c\x0bcollections\x8c\x1aabc.Sequence.register.__call__\x93.",
    ],
)
def test_other_files_are_refused_in_a_line_and_nothing_is_called(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        UserError, match="here: expected a file of PyTorch's weights, got another .*get a whole copy"
    ) as e:
        read(data)
    assert "\n" not in str(e.value) and not list(tmp_path.iterdir())


def test_a_file_that_ends_early_is_refused(monkeypatch):
    data = torch_files.written(TENSORS, monkeypatch)
    for size in range(0, len(data), 7):
        with pytest.raises(UserError, match="get a whole copy"):
            read(data[:size])


def test_a_pickle_cannot_change_what_it_names(monkeypatch):
    """The BUILD instruction sets attributes: of a function that is made for one name alone."""
    named = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}X\x01\x00\x00\x00aK\x01sb."
    with pytest.raises(UserError):
        read(named)
    np.testing.assert_array_equal(read(torch_files.written(TENSORS, monkeypatch))["a.count"], [3])
