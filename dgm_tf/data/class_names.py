"""Class names: natural sorting, Unicode normal forms, names that are easily confused."""

import collections
import re
import unicodedata

from dgm_tf import limits
from dgm_tf.text import is_text, listed, shown

_SHOWN = 5  # names in a message
NAMED = 3  # classes of a task, up to which all are named


def natural_key(name):
    """Sort key of natural order: 2 comes before 10, img2 before img10."""
    parts = re.split(r"([0-9]+)", name)
    return [(int(part), "") if i % 2 else (-1, part) for i, part in enumerate(parts)], name


def natural_order(names):
    """Positions of the names in natural order."""
    return tuple(sorted(range(len(names)), key=lambda i: natural_key(names[i])))


def same_form(name):
    """Returns the name in Unicode normal form NFC."""
    return unicodedata.normalize("NFC", name)


def position(name, names):
    """Index of a name among others, in any Unicode normal form; None if it is absent or ambiguous."""
    if names.count(name) == 1:  # quick, as thousands of names may be looked up among as many
        return names.index(name)
    form = same_form(name)
    found = [i for i, other in enumerate(names) if same_form(other) == form]
    return found[0] if len(found) == 1 else None


def why_no_name(name):
    """Returns why a text cannot be a class name, or None if it can."""
    if not name.strip():
        return "it is empty"
    if len(name) > limits.MAX_NAME_CHARACTERS:
        return f"it has {len(name)} characters, more than {limits.MAX_NAME_CHARACTERS}"
    return None if is_text(name) else "it is no UTF-8 text"


def lookalikes(names):
    """Warning about names that differ in case, spaces or letter forms only; None if there are none."""
    groups = collections.defaultdict(list)
    for name in names:
        groups[" ".join(unicodedata.normalize("NFKC", name).casefold().split())].append(name)
    found = [", ".join(shown(repr(name), most=60) for name in group) for group in groups.values() if len(group) > 1]
    if not found:
        return None
    return f"names of classes that look alike are different classes: {listed(found, _SHOWN, '; ')}"


def task_names(class_names, tasks):
    """[tasks]: a name for each task, its classes'; of many the first and the last.

    Args:
      class_names: in learning order; tasks: for each its labels.
    """
    members = [[class_names[label] for label in labels] for labels in tasks]
    return [", ".join(names) if len(names) <= NAMED else f"{names[0]} ... {names[-1]}" for names in members]
