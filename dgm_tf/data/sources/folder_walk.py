"""Walks all files of a class, however deep. Hidden files and run folders are skipped and named."""

import os
import pathlib
from typing import NamedTuple

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.text import shown

# Files by which the folders are known that this program writes.
_OWN = {
    "a run folder": ({"run.json"}, {"config.gin", ".lock"}),
    "a saved learner": ({"learner.json"},),
    "a SavedModel": ({"saved_model.pb"},),
    "a folder of runs": ({"table.json", "runs.csv"},),
}
# What systems leave in folders, without asking.
_LEFT = {
    "thumbs.db", "ehthumbs.db", "desktop.ini", "__macosx", "@eadir", "$recycle.bin", "system volume information",
    "lost+found",
}  # fmt: skip


class Entry(NamedTuple):
    """Entry of a folder; is_folder: also for a link to a folder."""

    path: pathlib.Path
    is_folder: bool

    @property
    def name(self):
        """Its name in the folder."""
        return self.path.name


def listed(folder):
    """Returns the `Entry`s of a folder, sorted by name.

    Raises:
        OSError: it cannot be read.
    """
    with os.scandir(folder) as entries:
        return sorted(Entry(pathlib.Path(entry.path), _is_folder(entry)) for entry in entries)


def _is_folder(entry):
    try:
        return entry.is_dir()  # what the listing says, without another look at each file
    except OSError:  # a circle of links, say
        return False


def entries(root, expected, advice):
    """All `Entry`s of a folder that a person has named, sorted by name.

    Args:
        root: the folder, which is there.
        expected: what it should be and its name, the beginning of a message.
        advice: what to do if it is one that this package writes.

    Raises:
        UserError: it cannot be read, or is one that this package writes.
    """
    try:
        inside = listed(root)
    except OSError as error:
        raise UserError(f"{expected}, which cannot be read: {error.strerror}") from error
    if own := own_folder({entry.name for entry in inside}):
        raise UserError(f"{expected}, {own}; {advice}")
    return inside


def own_folder(names):
    """Kind of this program's folder that holds these names, such as a run folder; None for others."""
    return next((kind for kind, marks in _OWN.items() if any(mark <= names for mark in marks)), None)


class Walk:
    """Goes through the folders of classes, each folder once.

    Args:
        root: the folder of images.
        classes: `Entry`s of the folder of classes; one of them that is no link owns its files, also where a link to it
            comes first.
        skipped: list that (place, why) of what is left out is added to.
        empty: why a folder without files is left out.
    """

    def __init__(self, root, classes, skipped, empty="a class without files"):
        self._root, self._skipped, self._empty = root, skipped, empty
        real = pathlib.Path(os.path.realpath(root))
        self._above = {str(p) for p in (real, *real.parents)}
        self._owners = {os.path.realpath(e.path): e.path for e in classes if e.is_folder and not e.path.is_symlink()}
        self._seen: set[str] = set()

    def passes(self, entry):
        """Whether to skip an entry that is not the user's own. It is noted as skipped."""
        name = entry.name.lower()
        why = "hidden" if name.startswith(".") else "left by the system" if name in _LEFT else None
        if why:
            self._skip(entry.path, why)
        return why is not None

    def files(self, folder):
        """Returns the sorted paths of all files in a class's folder. Empty folders are noted."""
        found: list[pathlib.Path] = []
        waiting, before = [folder], len(self._skipped)
        while waiting:
            where = waiting.pop()
            for entry in self._own_entries(where, folder):
                (waiting if entry.is_folder else found).append(entry.path)
        if not found and not any(what == f"{self._place(folder)}/" for what, _ in self._skipped[before:]):
            self._skip(folder, self._empty, "/")
        return sorted(found)

    def _own_entries(self, where, folder):
        """Returns the class's entries in one of its folders; [] for a skipped folder."""
        inside: list[Entry] = []
        try:
            why = self._why_not_entered(where, folder)
            inside = [] if why else listed(where)
            why = why or own_folder({entry.name for entry in inside})
        except OSError as error:
            why = error.strerror
        if why:
            self._skip(where, why, "/")
            return []
        return [entry for entry in inside if not self.passes(entry)]

    def _why_not_entered(self, where, folder):
        real = os.path.realpath(where)
        if real in self._seen or self._owners.get(real, folder) != folder:
            return "a link to a folder seen before"
        if real in self._above:
            return "a link to a folder that it lies in"
        if len(where.relative_to(folder).parts) > limits.MAX_DEPTH:
            return f"more than {limits.MAX_DEPTH} folders deep"
        self._seen.add(real)
        return None

    def _skip(self, path, why, ending=""):
        self._skipped.append((self._place(path) + ending, why))

    def _place(self, path):
        return shown(path.relative_to(self._root).as_posix())
