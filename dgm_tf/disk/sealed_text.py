"""Text files with a seal: their first line holds the SHA-256 of the others, so that damage is detected."""

import hashlib
import pathlib
import re

from dgm_tf.disk import files

ADVICE = "undo the change, restore it from a copy, or delete its first line if the change is meant"
_LABEL = "# SHA-256 of the lines below: "
_SEAL = re.compile(rf"^{_LABEL}[0-9a-f]{{64}}\n", re.MULTILINE)


def sealed(text):
    """Returns the text below a new seal. Seals inside the text are removed, since it may combine sealed files."""
    text = _SEAL.sub("", text)
    return f"{_LABEL}{hashlib.sha256(text.encode()).hexdigest()}\n{text}"


def read(path, encoding="utf-8", may_be_empty=False):
    """Reads a text file, its seal included. A file without a seal is read as it is.

    Args:
      path: the file.
      encoding: of its text.
      may_be_empty: whether a file without a whole line can be what was written.

    Raises:
      Damaged: if the file is not as it was written, by accident or by hand.
      UnicodeDecodeError: if it is no text.
    """
    data = pathlib.Path(path).read_bytes()
    first, newline, rest = data.partition(b"\n")
    least = 8 if may_be_empty else 0  # letters that make a line like a seal's
    if not newline and len(first) >= least and _is_label(first):
        raise files.damaged(path, "it ends in its first line", ADVICE)
    if len(first) >= len(_LABEL) and _is_label(first) and first != (_LABEL + hashlib.sha256(rest).hexdigest()).encode():
        raise files.damaged(path, "its content does not match the SHA-256 in its first line", ADVICE)
    return data.decode(encoding).replace("\r\n", "\n").replace("\r", "\n")


def _is_label(line):
    """Whether a line begins like a seal, one damaged byte allowed."""
    return sum(byte != other for byte, other in zip(line, _LABEL.encode(), strict=False)) <= 1
