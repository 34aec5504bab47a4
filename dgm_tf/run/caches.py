"""Caches of a run: folders and files outside its run folder that are made of its images."""

import itertools
import os
import pathlib
import re
import shutil

from dgm_tf import config
from dgm_tf.data.sources.cache import DIGESTS
from dgm_tf.disk import files
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.run import sessions

OF_CLASSES = ("images", "features", "joint")  # kinds that hold the images of a class, or were trained on them
# By the beginning of their names.
KINDS = {
    "images": "decoded images: the images themselves",
    "features": "features of images",
    "joint": "classifiers trained on all images",
    "fine-tuning": "accuracies of fine-tuning",
}
_FOLDER = re.compile(r"(images|features)-[0-9a-f]{8,}(-[0-9a-f]{8,})*")
_FILE = re.compile(r"(joint)-[0-9a-f]{8,}\.npz|(fine-tuning)-[0-9a-f]{8,}\.json")


class Cache:
    """A folder or a file of a cache. kind: of `KINDS`; path; nbytes: on disk."""

    def __init__(self, kind, path):
        self.kind, self.path = kind, path
        self.nbytes = sum(size for _, size in sizes_in(path))

    def delete(self):
        """Deletes it. Processes that have mapped it keep it until they end."""
        if self.path.is_dir():
            gone = files.temporary_name(self.path)  # whole or gone, also where another run looks for it
            os.rename(self.path, gone)
            shutil.rmtree(gone)
        else:
            self.path.unlink()


def sizes_in(path):
    """[(path, bytes)] of all files of a folder, or of a file; links are not followed."""
    if path.is_symlink() or not path.is_dir():
        return [(path, path.lstat().st_size)]
    found = []
    for root, folders, names in os.walk(path):
        links = [name for name in folders if os.path.islink(os.path.join(root, name))]
        found += [pathlib.Path(root, name) for name in (*names, *links)]
    return [(place, place.lstat().st_size) for place in sorted(found)]


def folders_of(folder, cache_dir=None):
    """Cache folders of a run that are there: those of its settings and commands, and .cache beside it.

    folder: `RunFolder`; cache_dir: the one to look into instead, or None.
    """
    if cache_dir:
        return [user_path(cache_dir, "--cache_dir")]
    places = [folder.path.absolute().parent / ".cache", *_of_commands(folder), *_of_settings(folder)]
    return list(dict.fromkeys(pathlib.Path(os.path.realpath(place)) for place in places if place.is_dir()))


def _of_settings(folder):
    if not folder.has_config:
        return []
    stated = config.bindings(folder.config).all().items()
    values = [value for name, value in stated if name.rpartition(".")[2] == "cache_dir"]
    return [user_path(value) for value in values if type(value) is str and value]


def _of_commands(folder):
    try:
        words = [
            str(word) for session in sessions.read_sessions(folder.starts) for word in session.get("command") or ()
        ]
    except (OSError, UserError, TypeError):
        return []
    flag = "--cache_dir"
    named = [word.removeprefix(f"{flag}=") for word in words if word.startswith(f"{flag}=")]
    named += [word for before, word in itertools.pairwise(words) if before == flag]
    return [pathlib.Path(name) for name in named if name]


def found_in(folders, kinds=tuple(KINDS)):
    """`Cache`s of these kinds. Nothing is taken for one by its name alone: folders must hold digests of their files."""
    found = []
    for place in folders:
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            kind = None if path.is_symlink() else _kind(path)
            if kind in kinds:
                found.append(Cache(kind, path))
    return found


def _kind(path):
    if path.is_dir():
        match = _FOLDER.fullmatch(path.name)
        is_cache = (path / DIGESTS).is_file() and all(entry.is_file() for entry in path.iterdir())
        return match[1] if match and is_cache else None
    match = _FILE.fullmatch(path.name)
    return match[1] or match[2] if match else None
