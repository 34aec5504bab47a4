"""Labels for a folder of photos, written as CSV and, if asked, as a contact sheet."""

import collections
import contextlib
import dataclasses
import os
import pathlib

from dgm_tf.disk import files, leftovers
from dgm_tf.disk.paths import user_path
from dgm_tf.disk.regular_files import NotRegular, check_regular
from dgm_tf.errors import UserError
from dgm_tf.learner.photos import label_files
from dgm_tf.report.contact_sheet import ContactSheet
from dgm_tf.report.photo_table import GUESSES, PhotoTable


@dataclasses.dataclass
class Summary:
    """What was labelled: counts of photos by label, numbers of files not read and of photos of no learned class."""

    counts: collections.Counter
    unreadable: int = 0
    unknown: int = 0


def check_target(path, argument):
    """Absolute path of a file to write, links followed.

    Raises:
      UserError: if something is there that is no file.
    """
    path = pathlib.Path(os.path.realpath(user_path(path, argument)))
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        try:
            check_regular(os.stat(path))
        except NotRegular as error:
            raise UserError(f"{argument}: expected a file to write, got {path}, which is {error}") from error
    return path


def write_predictions(learner, photos, decoding, output, sheet=None, on_photo=lambda: None):
    """Labels photos and writes a line for each; all of it or nothing. Returns a `Summary`.

    Args:
      learner: `Learner`.
      photos: `Photos`, as `list_photos` gives; `output` and `sheet` are left out of them.
      decoding: of `learner.photos.decoding_for`.
      output: path of the CSV; a file there is replaced.
      sheet: path of the contact sheet, HTML, or None.
      on_photo: called after each file.

    Raises:
      UserError: if a path cannot be written to.
      OSError: if writing fails.
    """
    output, sheet = check_target(output, "output"), sheet and check_target(sheet, "html")
    if output == sheet:
        raise UserError(f"html: expected another file than the output, got {output} for both")
    own = {str(path): path.name for path in (output, sheet) if path}
    paths = [path for path in photos.files if path.name not in own.values() or os.path.realpath(path) not in own]
    summary, pictures = Summary(collections.Counter()), ContactSheet(learner.class_names) if sheet else None
    with contextlib.ExitStack() as stack:
        table = PhotoTable(stack.enter_context(_replaced(output)))
        page = stack.enter_context(_replaced(sheet)) if sheet else None
        for photo in label_files(learner, paths, decoding, GUESSES):
            name = photos.name(photo.path)
            table.add(name, photo)
            if pictures:
                pictures.add(name, photo)
            _count(summary, photo)
            on_photo()
        if page and pictures:
            page.write(pictures.html(photos.root.name or str(photos.root)))
    return summary


def _replaced(path):
    leftovers.sweep_shared(path.parent)
    return files.replacing(path)


def _count(summary, photo):
    if photo.error:
        summary.unreadable += 1
    else:
        summary.counts[photo.guesses[0][0]] += 1
        summary.unknown += photo.known is False
