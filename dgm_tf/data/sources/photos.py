"""Lists photos without labels: a folder, and whatever lies in its subfolders."""

import pathlib
from typing import NamedTuple

from dgm_tf.data.sources.folder_walk import Walk, entries
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import shown


class Photos(NamedTuple):
    """root: the folder; files: paths, sorted by what they are called in it; skipped: (place, why), text to be shown."""

    root: pathlib.Path
    files: list
    skipped: list

    def name(self, path):
        """A file's path in the root, "/" between its parts; it may hold any character that a file system allows."""
        return path.relative_to(self.root).as_posix()


def list_photos(directory, argument="directory"):
    """The `Photos` in a folder: as in training, links are followed, hidden files and run folders are skipped.

    Args:
        directory: the folder.
        argument: what named it, for messages.

    Raises:
        UserError: there is no such folder, or no file in it.
    """
    root = user_path(directory, argument)
    expected = f"{argument}: expected a folder of photos, got {shown(root)!r}"
    if not root.is_dir():
        raise UserError(f"{expected}, " + ("which is no folder" if root.exists() else "which does not exist"))
    inside = entries(root, expected, "name the folder that holds the photos")
    skipped: list[tuple[str, str]] = []
    photos = Photos(root, list(_files(root, inside, skipped)), skipped)
    if not photos.files:
        why = "; ".join(f"{place} ({reason})" for place, reason in skipped[:5])
        raise UserError(f"{expected}, which holds no files" + (f" but {why}" if why else ""))
    photos.files.sort(key=photos.name)
    return photos


def _files(root, inside, skipped):
    walk = Walk(root, inside, skipped, empty="a folder without files")
    for entry in inside:
        if not walk.passes(entry):
            yield from walk.files(entry.path) if entry.is_folder else [entry.path]
