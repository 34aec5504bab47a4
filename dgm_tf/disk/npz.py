"""Safe reading of .npz files: declared sizes are compared with the file before anything is unpacked.

Plain arrays only, never objects. A member's header says its shape and type, the archive's directory its size: both
must agree, be possible for the bytes that are there, and fit the limit. Only then memory is taken.
"""

import contextlib
import dataclasses
import io
import math
import os
import struct
import zipfile

import numpy as np

from dgm_tf import limits
from dgm_tf.disk.regular_files import NotRegular, open_regular
from dgm_tf.errors import Damaged, UserError
from dgm_tf.text import shown

ADVICE = "get a whole copy of it"
_KINDS = "?biufcSU"  # of dtypes: truth values, numbers, text
_AS_TEXT = "save it as numbers or text, such as .astype(str)"
_CHUNK = 2**20
_END = struct.Struct("<4s4H2LH")  # the last record of a zip, before its comment
_NPY = np.lib.format.MAGIC_PREFIX
_MOST_DEFLATED = 1032  # unpacked bytes that a packed byte can stand for


@dataclasses.dataclass(frozen=True)
class Member:
    """Declaration in an array's header; start: bytes of the header; packed: bytes that it takes in the archive."""

    shape: tuple[int, ...]
    dtype: np.dtype
    fortran: bool
    start: int
    packed: int

    @property
    def nbytes(self):
        """Bytes of the array."""
        return math.prod(self.shape) * self.dtype.itemsize

    def __str__(self):
        return f"{self.dtype.newbyteorder('=')} {list(self.shape)}"


def read_members(path, max_bytes=limits.MAX_ARRAYS_BYTES, advice=ADVICE):
    """Reads all arrays of an .npz, or raises.

    Args:
        path: the file.
        max_bytes: of all arrays together.
        advice: what a person should do about a damaged or wrong file.

    Returns:
        {name: array}, in the machine's byte order.

    Raises:
        Damaged: the file is not as it was written.
        UserError: it cannot be read, holds objects, or more than `max_bytes`.
    """
    with open_archive(path, advice) as archive:
        archive.refuse_others()
        archive.check_total(archive.members, max_bytes)
        return {name: archive.read(name) for name in archive.members}


@contextlib.contextmanager
def open_archive(path, advice=ADVICE, argument=""):
    """Opens a file as an `Archive`; argument: what the file was given as, which messages begin with.

    Raises:
        Damaged, UserError: as of `read_members`.
    """
    name = f"{argument}: {shown(path)}" if argument else shown(path)
    try:
        file = open_regular(path, _Guarded.of)
    except NotRegular as error:
        raise UserError(f"{name}: expected an .npz file, got {error}") from error
    except OSError as error:
        raise UserError(f"{name} cannot be read: {error.strerror or error}") from error
    with file:
        archive = Archive(file, name, advice)
        with archive.told():
            archive.look()
        yield archive


class _Guarded(io.BufferedReader):
    """File that refuses to read more at once than an archive's directory may take."""

    @classmethod
    def of(cls, descriptor, _):
        return cls(io.FileIO(descriptor, "rb"))

    def read(self, size=-1):
        if size is not None and size > limits.MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile(f"its list of members would take {size / 1e6:.0f} MB")
        return super().read(size)


class Archive:
    """Open .npz whose headers have been read and checked.

    Attributes:
        members: {name: `Member`}.
        others: names of members that are no plain arrays, and why.
    """

    def __init__(self, file, name, advice):
        self._file, self.name, self._advice = file, name, advice
        self.members, self.others = {}, {}

    @contextlib.contextmanager
    def told(self, what=""):
        """Converts any error of reading a damaged file into `Damaged`; what: the array, for the message."""
        try:
            yield
        except UserError:
            raise
        except OSError as error:
            raise UserError(f"{self.name} cannot be read: {error.strerror or error}") from error
        except Exception as error:  # of a malformed header even the tokenizer's own
            raise self.damaged(f"{what}{shown(error, most=200) or type(error).__name__}") from error

    def damaged(self, found):
        """Returns the exception for a damaged file."""
        return Damaged(f"{self.name} is damaged: {found}; {self._advice}")

    def refused(self, found):
        """Returns the exception for a file that is intact but not as expected."""
        return UserError(f"{self.name}: {found}; {self._advice}")

    def look(self):
        """Reads the directory and all headers."""
        self._size = os.fstat(self._file.fileno()).st_size
        if self._file.read(len(_NPY)) == _NPY:
            raise UserError(f"{self.name}: expected an .npz, got a single array (.npy); save it with np.savez")
        self._zip = zipfile.ZipFile(self._file)
        infos = self._zip.infolist()
        names = [info.filename for info in infos]
        if len(set(names)) != len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise self.damaged(f"it holds {shown(repr(twice), most=100)} twice")
        if self._count() not in (len(infos), 0xFFFF):  # the latter where there are too many to be counted there
            raise self.damaged(f"its end says {self._count()} members, its list has {len(infos)}")
        if sum(info.compress_size for info in infos) > self._size:
            raise self.damaged("its members take more bytes than it has")
        for info in infos:
            self._look_at(info)

    def _count(self):
        """Number of members in the archive's last record, which `zipfile` ignores."""
        self._file.seek(self._size - len(self._zip.comment) - _END.size)
        return _END.unpack(self._file.read(_END.size))[4]

    def _look_at(self, info):
        name = info.filename.removesuffix(".npy")
        if name == info.filename:
            self.others[name] = "is no NumPy array"
        elif info.flag_bits & 1:
            self.others[name] = "is encrypted"
        elif info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            self.others[name] = "is packed in another way than NumPy does"
        else:
            with self.told(f"{_quoted(name)}: "):
                self._take(name, self._member(info))

    def _take(self, name, member):
        if member.dtype.hasobject:
            self.others[name] = f"holds Python objects, which are never unpacked: {_AS_TEXT}"
        elif member.dtype.kind not in _KINDS:
            self.others[name] = f"holds {shown(member.dtype, most=80)}, neither numbers nor text"
        else:
            self.members[name] = member

    def _member(self, info):
        """The `Member` of a header, checked against the size in the directory and against what is packed."""
        with self._zip.open(info) as file:
            prefix = io.BytesIO(file.read(limits.MAX_HEADER_BYTES + 20))
        version = np.lib.format.read_magic(prefix)
        parse = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}.get(version)
        if parse is None:
            raise ValueError(f"version {version} of the format is not known")
        shape, fortran, dtype = parse(prefix, max_header_size=limits.MAX_HEADER_BYTES)
        member = Member(tuple(map(int, shape)), dtype, fortran, prefix.tell(), info.compress_size)
        if not dtype.hasobject:
            self._check_sizes(member, info)
        return member

    def _check_sizes(self, member, info):
        if any(n < 0 for n in member.shape) or len(member.shape) > 32 or not member.dtype.itemsize:
            raise ValueError(f"its header declares {_described(member)}, which no array can be")
        if math.prod(max(n, 1) for n in member.shape) * member.dtype.itemsize >= 2**62:
            raise ValueError(f"its header declares {_described(member)}, more than any machine holds")
        if member.start + member.nbytes != info.file_size:
            raise ValueError(
                f"its header declares {_described(member)}, {_size(member.nbytes)}, but "
                f"{_size(info.file_size - member.start)} are there"
            )
        deflated = info.compress_type == zipfile.ZIP_DEFLATED
        if info.file_size > (info.compress_size + 64) * (_MOST_DEFLATED if deflated else 1):
            raise ValueError(f"{_size(info.file_size)} cannot be packed in {_size(info.compress_size)}")

    def refuse_others(self):
        """Raises UserError if a member is no plain array."""
        for name, why in self.others.items():
            raise self.refused(f"{_quoted(name)} {why}")

    def check_total(self, names, max_bytes):
        """Raises UserError if these arrays together exceed a number of bytes."""
        total = sum(self.members[name].nbytes for name in names)
        if total > max_bytes:
            what = "its arrays take" if len(names) > 1 else f"{_quoted(*names)} takes"
            raise self.refused(f"{what} {_size(total)} unpacked, at most {_size(max_bytes)} are read")

    def read(self, name):
        """Reads the array, in the machine's byte order."""
        member = self.members[name]
        try:
            array = np.empty(member.shape, member.dtype, order="F" if member.fortran else "C")
        except MemoryError as error:
            raise self.refused(f"{_quoted(name)} takes {_size(member.nbytes)}, more than there is memory") from error
        into = array.reshape(-1, order="A").view(np.uint8).data if array.size else memoryview(b"")
        with self.told(f"{_quoted(name)}: "), self._data(name) as file:
            for start in range(0, len(into), _CHUNK):
                chunk = file.read(min(_CHUNK, len(into) - start))
                into[start : start + len(chunk)] = chunk
                if start + len(chunk) < min(start + _CHUNK, len(into)):
                    raise EOFError("it ends too early")
        return array if array.dtype.isnative else array.astype(array.dtype.newbyteorder("="))

    @contextlib.contextmanager
    def _data(self, name):
        """Yields the member's data after its header and compares the checksum at the end."""
        with self._zip.open(f"{name}.npy") as file:
            file.read(self.members[name].start)
            yield file
            if file.read(1):
                raise ValueError("it has data after its end")

    def copy(self, name, target):
        """Writes the member, a whole .npy, to a file that is open for writing; what fails there is an OSError."""
        left = self.members[name].start + self.members[name].nbytes
        with self._zip.open(f"{name}.npy") as file:
            while True:
                with self.told(f"{_quoted(name)}: "):
                    chunk = file.read(_CHUNK)
                    if len(chunk) > left or (not chunk and left):
                        raise EOFError("it ends too early" if left else "it has data after its end")
                if not chunk:
                    return
                left -= len(chunk)
                target.write(chunk)


def _quoted(name):
    return shown(repr(name), most=100)


def _described(member):
    return shown(member, most=200)


def _size(count):
    for unit, one in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if count >= one:
            return f"{count / one:,.1f} {unit}"
    return f"{count:,} bytes"
