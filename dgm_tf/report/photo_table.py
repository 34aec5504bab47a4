"""Table of labelled photos as CSV, one line for each file. No spreadsheet takes a cell of it for a formula."""

import csv

from dgm_tf.text import shown

GUESSES = 3
COLUMNS = (
    *("file", "label", "probability", "second", "second_probability", "third", "third_probability"),
    *("known", "score", "error"),
)  # fmt: skip
# What spreadsheets take for the beginning of a formula, also in the full width of East Asian scripts; and the
# apostrophe, so that each one at a cell's beginning is one that was put there.
_FORMULAS = tuple("=+-@\t\r\n'＝＋－＠")


class PhotoTable:
    """Writes a header and then lines, one at a time.

    Args:
      file: opened for text, with newline="".
    """

    def __init__(self, file):
        self._writer = csv.writer(file, lineterminator="\n")
        self._writer.writerow(COLUMNS)

    def add(self, name, photo):
        """Adds a line. name: the file's, as it is to stand there; photo: `Photo`."""
        guesses = [cell for guess in photo.guesses for cell in (safe_cell(guess[0]), f"{guess[1]:.6f}")]
        empty = [""] * (2 * GUESSES - len(guesses))
        known = ["", ""] if photo.known is None else ["yes" if photo.known else "no", f"{photo.score:.6f}"]
        self._writer.writerow([safe_cell(name), *guesses, *empty, *known, safe_cell(photo.error)])


def safe_cell(text):
    """`text` for a cell: on one line, and with an apostrophe before what a spreadsheet would compute.

    Control characters, and bytes of file names that are no UTF-8, become escapes such as `\\n` and `\\udce9`.
    """
    text = shown(text)
    return f"'{text}" if text.lstrip().startswith(_FORMULAS) else text
