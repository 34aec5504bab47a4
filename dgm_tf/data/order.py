"""Order of the classes, sizes of the tasks, and validation images."""

import itertools
import numbers

import numpy as np

from dgm_tf import checks
from dgm_tf.data.class_names import position
from dgm_tf.errors import UserError
from dgm_tf.text import shown

# RandomState throughout: NumPy keeps its stream of numbers for ever, so an order of classes or a
# validation split drawn today is drawn again by every later version.


def check_order(class_order):
    """Checks a class order before the data set is known.

    Raises:
        UserError: neither "natural" nor "random" nor a sequence of distinct labels and names.
    """
    expected = '"natural", "random" or a sequence of labels or class names'
    if isinstance(class_order, str) and class_order in ("natural", "random"):
        return
    is_list = np.iterable(class_order) and hasattr(class_order, "__len__") and not isinstance(class_order, str)
    if not is_list or not len(class_order):
        raise UserError(f"class_order: expected {expected}, got {class_order!r}")
    for entry in class_order:
        if isinstance(entry, bool) or not isinstance(entry, (str, numbers.Integral)):
            raise UserError(f"class_order: expected {expected}, got {entry!r} in it")
    _check_distinct(class_order, class_order)


def resolve_order(class_order, class_names, available, seed, natural=None):
    """Returns the data set's labels in learning order.

    Args:
        class_order: "natural", "random" or a sequence of labels and class names; see `check_order`.
        class_names: names of all the data set's classes, by label.
        available: labels that have images, ascending.
        seed: of the random order.
        natural: all labels in the natural order; None: ascending.

    Returns:
        int64 [number of classes to learn].

    Raises:
        UserError: a class of the sequence is unknown, without images, ambiguous or there twice.
    """
    if isinstance(class_order, str):
        available = np.asarray(available, np.int64)
        if class_order == "random":
            return np.random.RandomState(seed).permutation(available)
        natural = available if natural is None else np.asarray(natural, np.int64)
        return natural[np.isin(natural, available)]
    order = [_label_of(entry, class_names) for entry in class_order]
    _check_distinct(order, class_order)
    for label in order:
        if label not in available:
            raise UserError(f"class_order: class {_text(class_names[label])} (label {label}) has no images here")
    return np.asarray(order, np.int64)


def check_sizes(classes_per_task, num_tasks):
    """Checks the sizes of tasks before the data set is known.

    Raises:
        UserError: a size or number that is not a positive integer, or fewer sizes than tasks.
    """
    if classes_per_task is None and num_tasks is None:
        return
    one_size = isinstance(classes_per_task, numbers.Integral)
    if not one_size and (isinstance(classes_per_task, str) or not np.iterable(classes_per_task)):
        raise UserError(f"classes_per_task: expected a positive integer or a list of them, got {classes_per_task!r}")
    sizes = [classes_per_task] if one_size else list(classes_per_task)
    fits = bool(sizes) and all(checks.inside(size, "[1, inf)", numbers.Integral) for size in sizes)
    checks.argument("classes_per_task", classes_per_task, fits, "positive integers")
    if num_tasks is None:
        return
    checks.integer_in("num_tasks", num_tasks, "[1, inf)")
    if not one_size and num_tasks > len(sizes):
        raise UserError(
            f"num_tasks: expected at most {len(sizes)}, the number of sizes in classes_per_task, got {num_tasks}"
        )


def task_sizes(classes_per_task, num_tasks, num_classes):
    """Returns the number of classes of each task.

    Args:
        classes_per_task: one size for all tasks, a list of sizes, or None: one task of all; see `check_sizes`.
        num_tasks: length of the stream; None for as many tasks as classes or sizes allow.
        num_classes: how many classes there are to choose from.

    Returns:
        A list of integers.

    Raises:
        UserError: the tasks need more classes than there are, or one size does not divide them.
    """
    if classes_per_task is None:
        sizes = [num_classes] if num_classes else []
    elif not isinstance(classes_per_task, numbers.Integral):
        sizes = list(classes_per_task)[:num_tasks]
    else:
        if num_tasks is None and num_classes % classes_per_task:
            raise UserError(
                f"classes_per_task: {classes_per_task} does not divide the {num_classes} classes; set "
                "num_tasks, or give a list of sizes"
            )
        sizes = [classes_per_task] * (num_tasks or num_classes // classes_per_task)
    if not sizes:
        raise UserError("source: expected a data set with training images, got one without")
    if sum(sizes) > num_classes:
        raise UserError(f"classes_per_task: {len(sizes)} tasks need {sum(sizes)} classes, there are only {num_classes}")
    return sizes


def task_ranges(sizes):
    """Returns the labels of each task as ranges, in learning order."""
    ends = list(itertools.accumulate(sizes))
    return [range(end - size, end) for size, end in zip(sizes, ends, strict=True)]


def validation_mask(labels, fraction, seed, keys=None):
    """Marks the validation images: the same share of every class, with at least one image left to train on.

    Drawn class by class from (seed, its label or key), so that no order of learning changes it.

    labels: [N], the data set's own labels; fraction: in [0, 1); keys: uint32 by label. Returns bool [N].
    """
    mask = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        held_out = min(round(fraction * len(members)), len(members) - 1)
        key = int(label) if keys is None else keys[label]
        mask[np.random.RandomState([seed, key]).permutation(members)[:held_out]] = True
    return mask


def _label_of(entry, class_names):
    """The label of a class that is given by its name, or by its label where no name is a number."""
    numbers_are_names = any(name.isdecimal() for name in class_names)
    if isinstance(entry, numbers.Integral) and not numbers_are_names:
        if not 0 <= int(entry) < len(class_names):
            raise UserError(f"class_order: expected {_known(class_names)}, got {entry}")
        return int(entry)
    label = position(str(entry), class_names)
    if label is None and isinstance(entry, numbers.Integral):  # 7 for "07"
        same = [i for i, name in enumerate(class_names) if name.isdecimal() and int(name) == entry]
        label = same[0] if len(same) == 1 else None
    if label is None:
        problem = "no class"
        if class_names.count(entry) > 1:
            problem = "the name of several classes" + ("" if numbers_are_names else " (give its label)")
        known = _known(class_names, numbers_are_names)
        raise UserError(f"class_order: expected {known}, got {_text(entry)}, {problem}")
    return label


def _known(class_names, only_names=False):
    names = ", ".join(shown(name, most=60) for name in class_names[:3])
    if only_names:
        return f"names of classes such as {names} (some are numbers, so that a number is a name)"
    return f"labels from 0 to {len(class_names) - 1} or class names such as {names}"


def _text(entry):
    return shown(repr(entry), most=100)


def _check_distinct(entries, class_order):
    if len(set(entries)) != len(entries):
        raise UserError(f"class_order: expected each class once, got {list(class_order)!r}")
