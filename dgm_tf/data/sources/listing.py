"""Lists a folder of images: one subfolder for each class, optionally inside train/ and test/."""

import dataclasses
import os
import pathlib

from dgm_tf.data.class_names import same_form, why_no_name
from dgm_tf.data.sources.folder_walk import Walk, entries, listed
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import shown

# Of the folders of training and of test images, in any case; of several the first.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
TRAIN, TEST = "train", "test"
_NAMED = 5  # of what is left out, in a message


@dataclasses.dataclass(frozen=True)
class Listing:
    """Files of a folder, by class and split.

    root: the folder; is_split: whether it holds train/ and test/; files: (part, class name, path), part one of
    "train" and "test", or "train" throughout where there is no split; skipped: (path from the root, why), as text to be
    shown; notes: what else a person should know, sentences.
    """

    root: pathlib.Path
    is_split: bool
    files: tuple
    skipped: tuple
    notes: tuple = ()

    def place(self, path):
        """A file's path relative to the root, as text to show."""
        return place(self.root, path)


def place(root, path):
    """A path relative to the root, as text to show."""
    return shown(path.relative_to(root).as_posix())


def list_folder(directory):
    """The `Listing` of `directory`/<class>/... or `directory`/train/<class>/... and `directory`/test/<class>/...

    Whatever lies deeper in a class's folder belongs to the class. Links are followed, each folder once.

    Raises:
        UserError: there is no such folder, or no class in it.
    """
    root = user_path(directory, "ImageFolder.directory")
    inside = _inside(root)
    skipped: list[tuple[str, str]] = []
    folders = _split_folders(root, inside)
    files = [(part, *file) for part, folder in folders.items() for file in _files_by_class(root, folder, skipped)]
    if len(folders) > 1:
        beside = " and ".join(f"{folder.name}/" for folder in folders.values())
        skipped += [(place(root, p), f"beside {beside}") for p, _ in inside if p not in folders.values()]
    if not files:
        why = "; ".join(f"{what} ({reason})" for what, reason in skipped[:_NAMED])
        raise UserError(
            f"ImageFolder.directory: no files in folders of classes in {shown(root)}" + (f": {why}" if why else "")
        )
    files, notes = _with_one_name(files)
    return Listing(root, len(folders) > 1, tuple(files), tuple(skipped), (*notes, *_too_deep(root, folders, files)))


def _inside(root):
    """Returns all `Entry`s of the root, sorted by name."""
    expected = f"ImageFolder.directory: expected a folder with one for each class, got {shown(root)!r}"
    if not root.is_dir():
        archive = ", an archive: set ClassIncrementalStream.source = @ImageArchive()"
        raise UserError(expected + (archive if root.suffix == ".npz" and root.is_file() else ""))
    return entries(root, expected, "if it is a run's by mistake, name another --run_dir")


def _split_folders(root, inside):
    folders = [entry.path for entry in inside if _may_hold_images(entry)]
    train, test = _first_named(TRAIN_NAMES, folders), _first_named(TEST_NAMES, folders)
    if train and test and _holds_folders(train) and _holds_folders(test):  # else two classes of these names
        return {TRAIN: train, TEST: test}
    # train/ alone, with folders in it, holds the classes.
    only_train = folders == [train] and _holds_folders(train)
    return {TRAIN: train if only_train else root}


def _holds_folders(folder):
    try:
        return any(map(_may_hold_images, listed(folder)))
    except OSError:  # told later, by who reads it
        return True


def _may_hold_images(entry):
    return entry.is_folder and not entry.name.startswith(".")


def _first_named(names, folders):
    by_name = {folder.name.lower(): folder for folder in reversed(folders)}
    return next((by_name[name] for name in names if name in by_name), None)


def _files_by_class(root, folder, skipped):
    """Yields (class name, path), sorted by name. Files outside of classes are added to `skipped`."""
    try:
        inside = listed(folder)
    except OSError as error:
        skipped.append((f"{place(root, folder)}/", error.strerror))
        return
    walk = Walk(root, inside, skipped)
    for entry in inside:
        if walk.passes(entry):
            continue
        if not entry.is_folder:
            skipped.append((place(root, entry.path), "in no class's folder"))
        elif why := why_no_name(entry.name):
            skipped.append((f"{place(root, entry.path)}/", f"a class's name: {why}; rename it"))
        else:
            yield from ((entry.name, file) for file in walk.files(entry.path))


def _with_one_name(files):
    """(files, notes): classes whose names are the same in two normal forms are one, by the name that comes first."""
    names: dict[str, str] = {}
    notes: dict[str, str] = {}
    for _, name, _ in files:
        first = names.setdefault(same_form(name), name)
        if first != name:
            notes[name] = f"{shown(first)}: folders whose names are the same in two normal forms are one class"
    return [(part, names[same_form(name)], path) for part, name, path in files], notes.values()


def _too_deep(root, folders, files):
    """Hint that the directory may be too high up: its only class holds nothing but folders."""
    (name, *others) = {name for _, name, _ in files}
    folder = folders[TRAIN] / name
    deeper = all(path.is_relative_to(folder) and path.parent != folder for _, _, path in files)
    if others or len(folders) > 1 or not deeper:
        return []
    inside = {path.relative_to(folder).parts[0] for _, _, path in files}
    few = ", ".join(shown(part) for part in sorted(inside)[:_NAMED]) + (" ..." if len(inside) > _NAMED else "")
    return [
        f"one class only, {shown(name)}, which holds nothing but folders ({few}): did you mean "
        f"{shown(os.path.join(root, folder.relative_to(root)))}?"
    ]
