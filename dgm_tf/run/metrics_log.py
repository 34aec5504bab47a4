"""`metrics.jsonl`: a run's curves, one JSON object a line. Damaged or lost lines are detected.

A line's last entry, "chain", holds two digests of 16 digits: of the line itself, and of that with the digest before it.
The second one of a file's last line so stands for the whole file: its head. Lines of before there were digests are read
as they are.
"""

import dataclasses
import hashlib
import json
import math
import os
import pathlib
import re

import numpy as np

from dgm_tf.disk import files, watched_folder
from dgm_tf.output import warn

_DIGITS = 16
_CHAIN = re.compile(rb'(?:, )?"chain": "([0-9a-f]{16})([0-9a-f]{16})"\}\Z')
_HEX = b"0123456789abcdef"
# What each of the bytes at a line's end can be.
_SHAPE = [*(bytes([byte]) for byte in b'"chain": "'), *[_HEX] * (2 * _DIGITS), b'"', b"}"]


@dataclasses.dataclass(frozen=True)
class Line:
    """A line of the file.

    Attributes:
      content: its bytes without "chain"; row: the dict that they stand for, None where they are damaged.
      digests: what "chain" says, two texts, empty where it is damaged itself; None where there is none.
    """

    content: bytes
    row: dict | None
    digests: tuple[str, str] | None

    @property
    def is_whole(self):
        """Whether the line matches its own digest, if it has one."""
        return self.row is not None and (self.digests is None or self.digests[0] == _digest(self.content))


def parse_line(data):
    """The `Line` of bytes without a newline."""
    found = _CHAIN.search(data)
    content = data if found is None else data[: found.start()] + b"}"
    try:
        row = json.loads(content)
    except (ValueError, RecursionError):
        row = None
    digests = (found[1].decode(), found[2].decode()) if found else ("", "") if _has_damaged_chain(data) else None
    return Line(content, row if isinstance(row, dict) else None, digests)


def _has_damaged_chain(data):
    """Whether the end of a line would be a "chain" but for one damaged byte."""
    end = data[-len(_SHAPE) :]
    return len(end) == len(_SHAPE) and sum(byte not in can for byte, can in zip(end, _SHAPE, strict=True)) == 1


class MetricsLog:
    """The file while a run writes it: a row is appended and flushed at once.

    What is damaged in an earlier run's lines is told in one line on standard error and left out.

    Args:
      path: the file.
      head: of an earlier moment, see above; where none of its lines has it, some are lost.
    """

    def __init__(self, path, head=None):
        self._path, self._head = pathlib.Path(path), ""
        watched_folder.make(self._path.parent)
        if self._path.exists():
            self._keep(len, head)
        elif head:
            warn(f"{self._path} is lost: the curves start again here")
        self._file = self._path.open("ab")

    @property
    def head(self):
        """Digest of the whole file as it is now."""
        return self._head

    def write(self, row):
        """Appends `row`: a dict of numbers, strings, tensors, arrays, lists, dicts. NaN becomes null."""
        watched_folder.check(self._path)
        line, self._head = _chained(_to_json(row).encode(), self._head)
        with files.named(self._path):
            self._file.write(line)
            self._file.flush()

    def truncate_after(self, global_step):
        """Drops the first row whose `global_step` is above the given one, and all rows after it.

        For resuming at `global_step`, so that no row is doubled. Rows without a `global_step` go with
        the rows before them. The file is replaced atomically.
        """

        def first_beyond(rows):
            return next((i for i, row in enumerate(rows) if _step(row) > global_step), len(rows))

        self._file.close()
        self._keep(first_beyond)
        self._file = self._path.open("ab")

    def close(self):
        """Closes the file."""
        with files.named(self._path):
            self._file.close()

    def _keep(self, count, head=None):
        """Keeps as many intact lines as a function of their rows says."""
        lines, complaint = _read(self._path, head)
        if complaint:
            warn(f"{self._path} is damaged: {complaint}; the curves continue from the intact lines")
        whole = [line for line in lines if line.is_whole]
        kept = whole[: count([line.row for line in whole])]
        written, self._head = [], ""
        for line in kept:
            data, self._head = _chained(line.content, self._head, line.digests is not None)
            written.append(data)
        if complaint or len(kept) < len(lines):
            files.write_atomically(self._path, b"".join(written))


def _step(row):
    step = row.get("global_step")
    return step if isinstance(step, (int, float)) else 0


def read_metrics(path, head=None):
    """Reads the rows of a `metrics.jsonl`, a list of dicts. Damaged lines are skipped with a warning.

    head: of an earlier moment, see above.
    """
    rows, complaint = read_rows(path, head)
    if complaint:
        warn(f"{path} is damaged: {complaint}; only intact lines are read")
    return rows


def read_rows(path, head=None):
    """Reads (intact rows, description of the damage or "")."""
    lines, complaint = _read(path, head)
    return [line.row for line in lines if line.is_whole], complaint


def _read(path, head=None):
    """([`Line`], what is damaged about them or "")."""
    *complete, rest = pathlib.Path(path).read_bytes().split(b"\n")
    lines = [parse_line(data) for data in complete]
    signed = next((i for i, line in enumerate(lines) if line.digests is not None), len(lines))
    # Without a digest a line is either of before there were any, or damaged.
    lines[signed:] = [
        line if line.digests is not None else dataclasses.replace(line, row=None) for line in lines[signed:]
    ]
    return lines, "; ".join(_complaints(lines, rest, head))


def _complaints(lines, rest, head):
    damaged = {number for number, line in enumerate(lines, 1) if not line.is_whole}
    if damaged:
        others = f" and {len(damaged) - 1} more" if len(damaged) > 1 else ""
        yield f"line {min(damaged)}{others} of {len(lines)}: not as written"
    heads, gaps = [""], []
    for number, line in enumerate(lines, 1):
        expected = _linked(heads[-1], line.content)
        heads.append(expected if line.digests is None else line.digests[1])
        if heads[-1] != expected and not {number - 1, number} & damaged:
            gaps.append(number)
    if gaps:
        yield f"lines before line {gaps[0]} are missing or changed"
    if rest:
        yield "its last line is cut short"
    if head and head not in heads and not damaged:
        yield "lines at its end are missing"


def _chained(content, head, signed=True):
    """(bytes of a line, the head after it)."""
    linked = _linked(head, content)
    if not signed:
        return content + b"\n", linked
    comma = b", " if len(content) > len(b"{}") else b""
    return b'%s%s"chain": "%s%s"}\n' % (content[:-1], comma, _digest(content).encode(), linked.encode()), linked


def _linked(head, content):
    return _digest((head + _digest(content)).encode())


def _digest(data):
    return hashlib.sha256(data).hexdigest()[:_DIGITS]


def _to_json(row):
    return json.dumps(_plain(row), ensure_ascii=True, allow_nan=False)


def _plain(value):
    """`value` as JSON knows it: arrays and tensors as numbers or lists, NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "__array__"):
        return _plain(np.asarray(value).tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value
