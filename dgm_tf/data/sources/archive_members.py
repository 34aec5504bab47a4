"""Finds images, labels and names in a NumPy archive by its headers, with names of Keras or MedMNIST too."""

import difflib

import numpy as np

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.text import shown

IMAGES, LABELS, TEST_IMAGES, TEST_LABELS, NAMES = "images", "labels", "test_images", "test_labels", "class_names"
# What each is called: here, by keras.datasets, by MedMNIST; the first that is there as a whole counts.
_NAMINGS = (
    {IMAGES: "images", LABELS: "labels", TEST_IMAGES: "test_images", TEST_LABELS: "test_labels"},
    {IMAGES: "x_train", LABELS: "y_train", TEST_IMAGES: "x_test", TEST_LABELS: "y_test"},
    {IMAGES: "train_images", LABELS: "train_labels", TEST_IMAGES: "test_images", TEST_LABELS: "test_labels"},
)
_VALIDATION = ("val_images", "val_labels")  # of MedMNIST
_SHOWN = 10


def find_members(archive):
    """({images, labels, perhaps test_images, test_labels, class_names: name in the archive}, notes).

    Args:
        archive: `npz.Archive`.

    Raises:
        UserError: one is missing, is no plain array, or has another shape or type than it should.
    """
    there = archive.members.keys() | archive.others.keys()
    naming = next((n for n in _NAMINGS if {n[IMAGES], n[LABELS]} <= there), _NAMINGS[0])
    found = {role: name for role, name in {**naming, NAMES: NAMES}.items() if name in there}
    for name in found.values():
        if why := archive.others.get(name):
            raise UserError(f"{archive.name}: {name} {why}")
    missing = {IMAGES, LABELS} - found.keys()
    if (TEST_IMAGES in found) != (TEST_LABELS in found):
        missing |= {TEST_IMAGES, TEST_LABELS} - found.keys()
    if missing:
        raise UserError(_what_is_missing(archive.name, sorted(naming[role] for role in missing), there))
    for images, labels in ((IMAGES, LABELS), (TEST_IMAGES, TEST_LABELS)):
        if images in found:
            _check_pair(archive, found[images], found[labels])
    if NAMES in found:
        _check_names(archive)
    ignored = [name for name in _VALIDATION if name in there and naming is not _NAMINGS[0]]
    drawn = "are not used: validation images are drawn from the training images"
    return found, [f"{' and '.join(ignored)} {drawn}"] if ignored else []


def _what_is_missing(archive, missing, there):
    names = sorted(there)
    holds = ", ".join(shown(name, most=40) for name in names[:_SHOWN]) + (" ..." if len(names) > _SHOWN else "")
    deep = next((n for n in names if n.rsplit("/", 1)[-1] == missing[0] and "/" in n), None)
    close = difflib.get_close_matches(missing[0], names, n=1)
    hint = ""
    if deep:
        hint = f"; did you pack the folder {shown(deep.rsplit('/', 1)[0])} instead of what is in it?"
    elif close:
        hint = f"; did you mean {shown(close[0])} as {missing[0]}?"
    return (
        f"{archive} has no {' and '.join(missing)}; it holds {holds or 'nothing'} (expected images and labels, or "
        f"x_train and y_train, or train_images and train_labels){hint}"
    )


def _check_pair(archive, images, labels):
    """Checks by headers alone that images and labels match and unpack to a plausible size."""
    member, count = archive.members[images], archive.members[images].shape[:1]
    if member.dtype != np.uint8 or len(member.shape) not in (3, 4) or member.shape[3:] not in ((), (1,), (3,)):
        raise UserError(
            f"{archive.name}: expected {images} as uint8 [N, H, W] or [N, H, W, 1 or 3], got {member}"
            f"{_image_advice(member)}"
        )
    if 0 in member.shape:
        raise UserError(f"{archive.name}: expected some {images}, of some pixels, got {member}")
    _check_labels(archive, labels, archive.members[labels], count)
    unpacked = member.nbytes
    if unpacked > limits.FREE_BYTES and unpacked > limits.MAX_RATIO * member.packed:
        raise UserError(
            f"{archive.name}: {images} take {unpacked / 1e6:,.0f} MB unpacked of {member.packed / 1e6:,.2f} MB, more "
            f"than pictures do ({limits.MAX_RATIO} times are allowed); if they are yours, save them with np.savez"
        )


def _image_advice(member):
    if member.dtype.kind == "f":
        return ": multiply those from 0 to 1 by 255, then astype(np.uint8)"
    if member.dtype.kind in "iu" and member.dtype.itemsize > 1:
        return ": bring their levels to 0 to 255, then astype(np.uint8)"
    if len(member.shape) == 4 and member.shape[1] in (1, 3):
        return ": channels go last, np.moveaxis(images, 1, -1)"
    return ""


def _check_labels(archive, name, member, count):
    several = len(member.shape) == 2 and member.shape[:1] == count and member.shape[1] > 1
    if member.shape not in (count, (*count, 1)) or member.dtype.kind not in "biufUS":
        advice = ": of one-hot labels take np.argmax(labels, axis=1); an image has one label" if several else ""
        raise UserError(
            f"{archive.name}: expected {name}, integers or text, one for each image: {list(count)} or {[*count, 1]}, "
            f"got {member}{advice}"
        )
    _check_text(archive, name, member)


def _check_names(archive):
    member = archive.members[NAMES]
    if len(member.shape) != 1 or member.dtype.kind not in "iuUS":
        raise UserError(f"{archive.name}: expected {NAMES} as text [classes], got {member}")
    if member.shape[0] > limits.MAX_CLASSES:
        raise UserError(f"{archive.name}: expected at most {limits.MAX_CLASSES} {NAMES}, got {member}")
    _check_text(archive, NAMES, member)


def _check_text(archive, name, member):
    length = member.dtype.itemsize // (4 if member.dtype.kind == "U" else 1)
    if member.dtype.kind in "US" and length > 4 * limits.MAX_NAME_CHARACTERS:
        raise UserError(
            f"{archive.name}: expected names of at most {limits.MAX_NAME_CHARACTERS} characters in {name}, got {member}"
        )
    archive.check_total([name], limits.MAX_NAMES_BYTES if name == NAMES else limits.MAX_LABELS_BYTES)
