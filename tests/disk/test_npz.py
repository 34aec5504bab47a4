"""Archives of others: nothing is unpacked that does not fit what was declared and allowed."""

import io
import os
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest

from dgm_tf.disk.npz import open_archive, read_members
from dgm_tf.errors import Damaged, UserError

ARRAYS = {
    "weights": np.linspace(0, 1, 24, dtype=np.float32).reshape(2, 3, 4),
    "fortran": np.asfortranarray(np.arange(12, dtype=np.int16).reshape(3, 4)),
    "big/endian": np.arange(5, dtype=">i4"),
    "names": np.array(["cat", "gris\u00e9"]),
    "bits": np.array([True, False]),
    "scalar": np.float64(3.5),
    "empty": np.zeros((0, 7), np.uint8),
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arrays.npz"


def header(descr="|u1", shape=(4,), fortran=False):
    """The beginning of a .npy file that declares what it is told to."""
    text = io.BytesIO()
    np.lib.format.write_array_header_1_0(text, {"descr": descr, "fortran_order": fortran, "shape": shape})
    return text.getvalue()


def write(path, members, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_what_numpy_wrote_is_read(path, save):
    save(path, **ARRAYS)
    read = read_members(path)
    assert read.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read[name], array)
        assert read[name].dtype == array.dtype.newbyteorder("=") and read[name].dtype.isnative


def test_objects_are_never_unpacked(path, tmp_path):
    class Payload:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    np.savez(path, fine=np.zeros(2), code=np.array([Payload()]))
    with pytest.raises(UserError, match="'code' holds Python objects.*astype"):
        read_members(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({"notes.txt": b"from a friend"}, "'notes.txt' is no NumPy array"),
        ({"\x1b[2Jowned": b""}, r"'\\x1b\[2Jowned' is no NumPy array"),
        ({"t.npy": header([("a", "<i4")], (1,)) + bytes(4)}, "'t' holds .* neither numbers nor text"),
        ({"t.npy": header("<M8[s]", (1,)) + bytes(8)}, "'t' holds datetime64.* neither numbers nor text"),
    ],
)
def test_members_that_are_no_plain_arrays_are_refused(path, members, message):
    with pytest.raises(UserError, match=message):
        read_members(write(path, members))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (header(shape=(10**13,)) + bytes(8), r"declares uint8 \[10000000000000\], 10.0 TB, but 8 bytes are there"),
        (header(shape=(4,)) + bytes(8), r"declares uint8 \[4\], 4 bytes, but 8 bytes are there"),
        (header(shape=(10**18, 10**18)), "more than any machine holds"),
        (header(shape=(0, 10**30)), "more than any machine holds"),
        (header("<U0", shape=(10**18,)), "which no array can be"),
        (header(shape=(-4,)) + bytes(4), "which no array can be"),
        (header(shape=(1,) * 33) + bytes(1), "which no array can be"),
        (b"no array", "magic string"),
        (b"", "EOF|magic string"),
        (b"\x93NUMPY\x03\x00" + bytes(100), "version .3, 0. of the format is not known"),
        (b"\x93NUMPY\x01\x00\x10\x00{'descr': [[[[[[[", "parse|EOF|header"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 20) + b"{'descr':1}         ", "keys"),
        (b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000, "nest|recursion|parenthes|Memory|EOF"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + bytes(100), "array header"),
        (b"\x93NUMPY\x02\x00" + struct.pack("<I", 30000) + b" " * 30000, "array header"),
    ],
)
def test_headers_that_lie_or_are_malformed_are_damage(path, data, message):
    with pytest.raises(Damaged, match=f"^.*arrays.npz is damaged: 'x': .*({message}).*; get a whole copy of it$"):
        read_members(write(path, {"x.npy": data}))


def test_sizes_that_cannot_be_packed_so_small_are_damage(path):
    np.savez_compressed(path, x=np.zeros(1000, np.uint8))
    data = bytearray(path.read_bytes())
    shape = header(shape=(10**8,))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("x.npy", shape)
    data = bytearray(packed.getvalue())
    at = data.rindex(b"PK\x01\x02") + 24  # the unpacked size in the directory
    data[at : at + 4] = struct.pack("<I", len(shape) + 10**8)
    path.write_bytes(data)
    with pytest.raises(Damaged, match="100.0 MB cannot be packed in"):
        read_members(path)


def test_every_cut_and_every_flipped_byte_is_told_or_harmless(path):
    np.savez(path, x=np.arange(40, dtype=np.uint8), y=np.float32([1, 2]))
    whole = path.read_bytes()
    for end in range(0, len(whole), 7):
        path.write_bytes(whole[:end])
        with pytest.raises(Damaged):
            read_members(path)
    for at in range(0, len(whole), 2):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 64]) + whole[at + 1 :])
        try:
            read = read_members(path)
        except UserError as error:
            assert "\n" not in str(error) and "arrays.npz" in str(error)
        else:  # a date, say, which nothing reads
            np.testing.assert_array_equal(read["x"], np.arange(40))
            np.testing.assert_array_equal(read["y"], [1, 2])


def test_a_wrong_checksum_is_found_for_each_kind_of_reading(path, tmp_path):
    np.savez(path, x=np.arange(5000, dtype=np.uint16))
    data = bytearray(path.read_bytes())
    data[5000] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="'x': Bad CRC-32"):
        read_members(path)
    with (
        open_archive(path) as archive,
        open(tmp_path / "copy", "wb") as copy,
        pytest.raises(Damaged, match="'x': Bad CRC-32"),
    ):
        archive.copy("x", copy)


def test_a_copy_is_the_member_as_it_is(path, tmp_path):
    np.savez_compressed(path, x=np.arange(500_000))
    with open_archive(path) as archive, open(tmp_path / "x.npy", "wb") as copy:
        archive.copy("x", copy)
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.arange(500_000))


def test_a_bomb_takes_no_memory(path):
    np.savez_compressed(path, x=np.zeros(60_000_000, np.uint8), y=np.zeros(3))
    tracemalloc.start()
    try:
        with pytest.raises(UserError, match="its arrays take 60.0 MB unpacked, at most 1.0 MB are read"):
            read_members(path, max_bytes=10**6)
        assert tracemalloc.get_traced_memory()[1] < 3e6
    finally:
        tracemalloc.stop()


def test_a_long_list_of_members_takes_no_memory(path):
    write(path, {"x.npy": header() + bytes(4)})
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x05\x06")
    directory = struct.unpack("<I", data[at + 16 : at + 20])[0]
    data[directory:directory] = bytes(20_000_000)
    at += 20_000_000
    data[at + 12 : at + 16] = struct.pack("<I", at - directory)
    path.write_bytes(data)
    with pytest.raises(Damaged, match="list of members would take 20 MB"):
        read_members(path)


def test_a_name_that_is_there_twice_is_damage(path):
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(path, "w") as file:
        for value in (b"good", b"evil"):
            file.writestr("x.npy", header() + value)
    with pytest.raises(Damaged, match="holds 'x.npy' twice"):
        read_members(path)


def test_what_is_no_file_is_refused_at_once(tmp_path, path):
    os.mkfifo(path)
    for place, message in {
        path: "expected an .npz file, got a FIFO", tmp_path: "got a folder", "/dev/zero": "got a device",
        tmp_path / "nowhere": "cannot be read: No such file or directory",
    }.items():  # fmt: skip
        with pytest.raises(UserError, match=message):
            read_members(place)
    np.save(tmp_path / "one.npy", np.zeros(3))
    with pytest.raises(UserError, match=r"expected an .npz, got a single array \(.npy\); save it with np.savez"):
        read_members(tmp_path / "one.npy")
