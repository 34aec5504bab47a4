"""Atomic writing of files, and checksums that detect damage when they are read.

A signed file holds the SHA-256 of all its other bytes: in JSON as its last entry, "sha256"; in an .npz as the comment
of its zip archive. Files from before they were signed are read as they are.
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import pathlib
import re
import socket
import uuid

from dgm_tf.disk import npz, signed_npz, watched_folder
from dgm_tf.disk.regular_files import NotRegular, open_regular
from dgm_tf.errors import Damaged, UserError, file_error

RESTORE = "restore it from a copy"
FORMAT = "format"  # a JSON file with this entry is signed
_DIGEST = "sha256"
_JSON_END = re.compile(rb'\n "sha256": "([0-9a-f]{64})"\n\}\n\Z')
_END_RECORD = b"PK\x05\x06"  # of a zip archive: 22 bytes, then the comment
_TEMPORARY = re.compile(r"\..+\.(\d+)-([0-9a-f]{4})[0-9a-f]{8}\.tmp")
MOST_NESTED = 50  # levels of lists and objects in a JSON file
_UNPACKED_BYTES, _UNPACKED_RATIO = 100_000_000, 50  # of an .npz of ours, which packs masks and images at best


def temporary_name(path):
    """Hidden temporary name beside `path`. `process_of` returns the process that it belongs to."""
    path = pathlib.Path(path)
    return path.with_name(f".{path.name}.{os.getpid()}-{_machine()}{uuid.uuid4().hex[:8]}.tmp")


def process_of(name):
    """Id of the process that a temporary name belongs to; None for any other name."""
    match = _TEMPORARY.fullmatch(name)
    return int(match[1]) if match else None


def is_of_this_machine(name):
    """Whether a temporary name was given on this machine and in this container, so that its process id is valid."""
    match = _TEMPORARY.fullmatch(name)
    return match is not None and match[2] == _machine()


@functools.cache
def _machine():
    try:
        processes = os.stat("/proc/self/ns/pid").st_ino
    except OSError:  # not Linux
        processes = 0
    return hashlib.sha256(f"{socket.gethostname()} {processes}".encode()).hexdigest()[:4]


@contextlib.contextmanager
def named(path):
    """Makes an `OSError` name the path: that of a full disk names none, or a temporary file."""
    try:
        yield
    except Exception as error:
        found = file_error(error)
        path_told = found and isinstance(found.filename, str) and not any(map(process_of, found.filename.split(os.sep)))
        if found is None or path_told:
            raise
        raise OSError(found.errno, found.strerror, str(path)) from error


@contextlib.contextmanager
def written_together(synced=True):
    """A function of (path, content); what it was given replaces older files only when all of it is on disk.

    They are renamed right after each other at the end; after an error before that none is. Content is bytes, text, or a
    function that writes to a binary file, which may be read, too; what that returns is returned.

    synced: whether that holds for a power cut, too, which takes its time for each file.
    """
    staged = {}

    def write(path, data):
        path = pathlib.Path(path)
        watched_folder.make(path.parent)
        staged[path] = temporary_name(path)
        with named(path), open(staged[path], "w+b") as file:
            found = data(file) if callable(data) else file.write(data.encode() if isinstance(data, str) else data)
            if synced:
                file.flush()
                os.fsync(file.fileno())
        return found

    try:
        yield write
        folders = {path.parent for path in staged}
        for path in list(staged):
            with named(path):
                os.replace(staged[path], path)
            del staged[path]
        for folder in folders if synced else ():
            _sync_names(folder)
    finally:
        for temporary in staged.values():
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def _sync_names(folder):
    """Syncs the folder, so that a power cut cannot undo a rename."""
    with contextlib.suppress(OSError):  # not every file system can
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextlib.contextmanager
def replacing(path):
    """Opens a temporary file beside `path` for text, UTF-8. It gets that name when all of it is on disk, or is removed.

    For what is too long to be held in memory; see `write_atomically`.
    """
    path = pathlib.Path(path)
    watched_folder.make(path.parent)
    temporary = temporary_name(path)
    try:
        with named(path), open(temporary, "x", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        with named(path):
            os.replace(temporary, path)
        _sync_names(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_atomically(path, data, synced=True):
    """Writes content to a temporary name beside `path`, then renames it; data, synced: as of `written_together`."""
    with written_together(synced) as write:
        write(path, data)


def write_json(path, value):
    """Indented JSON, atomically; a dict with the entry "format" is signed, NaN is refused."""
    write_atomically(path, json_bytes(value))


def json_bytes(value):
    """Returns the bytes that `write_json` writes."""
    text = json.dumps(value, indent=1, allow_nan=False)
    if not (isinstance(value, dict) and FORMAT in value):
        return f"{text}\n".encode()
    body = text.removesuffix("\n}").encode() + b","
    return body + f'\n "{_DIGEST}": "{hashlib.sha256(body).hexdigest()}"\n}}\n'.encode()


def read_json(path, advice=RESTORE):
    """Reads the value of a JSON file, without its signature.

    Args:
      path: the file.
      advice: what to do where it is damaged.

    Raises:
      Damaged: if it is no JSON, or not what was written.
    """
    with _opened(path) as file:
        data = file.read()
    try:
        value = json.loads(data.decode(), parse_constant=_refuse_constant)
        _check_nesting(value)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"it is no whole JSON file ({_one_line(error)})", advice) from error
    if isinstance(value, dict) and (FORMAT in value or _DIGEST in value):
        end = _JSON_END.search(data)
        if end is None and _unsigned(value):
            return value
        if end is None or hashlib.sha256(data[: end.start()]).hexdigest().encode() != end[1]:
            raise damaged(path, "its content does not match its SHA-256", advice)
        del value[_DIGEST]
    return value


def _opened(path):
    """Opens a regular file for reading. A FIFO or a device would never end.

    Raises:
      UserError: if it is none.
    """
    try:
        return open_regular(path)
    except NotRegular as error:
        raise UserError(f"{path}: expected a file, got {error}") from error


def _unsigned(value):
    """Whether a JSON file has the first format, which was not signed."""
    return value.get(FORMAT) == 1 and _DIGEST not in value


def _refuse_constant(name):
    raise ValueError(f"{name} is no number of JSON")


def _check_nesting(value):
    """Raises ValueError for lists nested so deeply that Python could not print them."""
    containers = [value]
    for _ in range(MOST_NESTED):
        entries = (c.values() if isinstance(c, dict) else c for c in containers if isinstance(c, (dict, list)))
        containers = [entry for each in entries for entry in each if isinstance(entry, (dict, list))]
        if not containers:
            return
    raise ValueError(f"more than {MOST_NESTED} lists within lists")


def damaged(path, found, advice=RESTORE):
    """Returns the `Damaged` error of a file; advice None: the caller adds it."""
    return Damaged(f"{path} is damaged: {found}" + ("" if advice is None else f"; {advice}"))


def _one_line(error):
    return " ".join(str(error).split()) or type(error).__name__


def sha256(path):
    """Hexadecimal SHA-256 of a file."""
    with _opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_arrays(path, arrays, **texts):
    """A signed .npz of arrays and JSON values, atomically."""
    write_atomically(path, signed_npz.content(arrays, **texts))


def npz_bytes(arrays, compress=False, **texts):
    """Returns the bytes of the same, in memory: for small arrays."""
    buffer = io.BytesIO()
    signed_npz.content(arrays, compress, **texts)(buffer)
    return buffer.getvalue()


def read_arrays(path, *texts, advice=RESTORE):
    """(arrays, *JSON values) of `write_arrays`.

    Raises:
      Damaged: if it is no .npz, or not what was written.
    """
    check_signature(path, advice)
    most = _UNPACKED_BYTES + _UNPACKED_RATIO * pathlib.Path(path).stat().st_size
    arrays = npz.read_members(path, most, advice or RESTORE)
    try:
        values = [json.loads(arrays.pop(text).tobytes()) for text in texts]
        _check_nesting(values)
    except (ValueError, KeyError, RecursionError) as error:
        raise damaged(path, f"it holds no {' and '.join(texts)} as JSON ({_one_line(error)})", advice) from error
    return arrays, *values


def check_signature(path, advice=RESTORE):
    """Raises `Damaged` for an .npz whose bytes do not match its signature; one without a signature passes."""
    with _opened(path) as file:
        size = file.seek(0, io.SEEK_END)
        file.seek(max(0, size - 22 - signed_npz.COMMENT_BYTES))
        end = file.read()
        signed = end[:4] == _END_RECORD and end[22 : 22 + len(signed_npz.COMMENT)] == signed_npz.COMMENT
        if not signed:
            if end[-22:-18] == _END_RECORD and end[-2:] == b"\0\0":  # of before there were signatures
                return
            raise damaged(path, "it does not end as a whole .npz archive does", advice)
        file.seek(0)
        digest, left = hashlib.sha256(), size - 64
        while left:
            block = file.read(min(left, 2**20))
            digest.update(block)
            left -= len(block)
    if digest.hexdigest().encode() != end[-64:]:
        raise damaged(path, "its content does not match its SHA-256", advice)
