"""What lies in a folder of images: a folder for each class, perhaps inside train/ and test/."""

import dataclasses
import os
import pathlib

from dgm_tf.errors import UserError

# Of the folders of training and of test images, in any case; of several the first.
TRAIN_NAMES = ("train", "training")
TEST_NAMES = ("test", "testing", "val", "valid", "validation")
TRAIN, TEST = "train", "test"


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files of a folder.

    root: the folder; is_split: whether it holds train/ and test/; files: (part, class name, path), part one of
    "train" and "test", or "train" throughout where there is no split; skipped: (path from the root, why).
    """

    root: pathlib.Path
    is_split: bool
    files: tuple
    skipped: tuple


def list_folder(directory):
    """The `Listing` of `directory`/<class>/... or `directory`/train/<class>/... and `directory`/test/<class>/...

    Whatever lies deeper in a class's folder belongs to the class. Links are followed, each folder once.

    Raises:
        UserError: there is no such folder, or no class in it.
    """
    root = pathlib.Path(directory).expanduser()
    if not root.is_dir():
        raise UserError(f"ImageFolder.directory: expected a folder with one for each class, got {str(directory)!r}")
    skipped, folders = [], _split_folders(root)
    files = [
        (part, *file) for part, folder in folders.items() for file in _files_by_class(root, folder, skipped)
    ]
    if len(folders) > 1:
        others = sorted(p for p in root.iterdir() if p not in folders.values())
        beside = " and ".join(f"{folder.name}/" for folder in folders.values())
        skipped += [(p.relative_to(root).as_posix(), f"beside {beside}") for p in others]
    if not files:
        raise UserError(f"ImageFolder.directory: no files in folders of classes in {str(directory)!r}")
    return Listing(root, len(folders) > 1, tuple(files), tuple(skipped))


def _split_folders(root):
    inside = [p for p in sorted(root.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    train, test = _first_named(TRAIN_NAMES, inside), _first_named(TEST_NAMES, inside)
    if train and test:
        return {TRAIN: train, TEST: test}
    # train/ alone, with folders in it, holds the classes.
    only_train = inside == [train] and any(p.is_dir() for p in train.iterdir())
    return {TRAIN: train if only_train else root}


def _first_named(names, folders):
    by_name = {folder.name.lower(): folder for folder in reversed(folders)}
    return next((by_name[name] for name in names if name in by_name), None)


def _files_by_class(root, folder, skipped):
    """Yields (class name, path) in the order of their names; adds what belongs to no class to `skipped`."""
    for entry in sorted(folder.iterdir()):
        place = entry.relative_to(root).as_posix()
        if entry.name.startswith("."):
            skipped.append((place, "hidden"))
        elif not entry.is_dir():
            skipped.append((place, "in no class's folder"))
        else:
            files = list(_files(root, entry, skipped))
            if not files:
                skipped.append((f"{place}/", "a class without files"))
            yield from ((entry.name, file) for file in files)


def _files(root, folder, skipped):
    seen, found = set(), []
    for where, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(where)
        if real in seen:
            skipped.append((f"{pathlib.Path(where).relative_to(root).as_posix()}/", "a link to a folder seen before"))
            folders[:] = []
            continue
        seen.add(real)
        hidden = [name for name in (*folders, *names) if name.startswith(".")]
        skipped += [((pathlib.Path(where) / name).relative_to(root).as_posix(), "hidden") for name in sorted(hidden)]
        folders[:] = sorted(name for name in folders if name not in hidden)
        found += [pathlib.Path(where) / name for name in names if name not in hidden]
    return sorted(found)
