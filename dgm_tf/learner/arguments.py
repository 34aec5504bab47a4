"""Checks of arguments of the Python API. A message names the argument, what was expected and what was found."""

import numbers

import numpy as np

from dgm_tf import checks, limits
from dgm_tf.data.arrays import Split
from dgm_tf.data.rows import Rows
from dgm_tf.data.stream import Task
from dgm_tf.errors import UserError
from dgm_tf.learner.state import MOST_SEED
from dgm_tf.methods.method import Method
from dgm_tf.text import is_text, shown
from dgm_tf.training.loop import Callback

_MOST = 80  # characters of a value that are shown


def check_method(method):
    """Checks for a `Method` that has learned nothing."""
    if isinstance(method, type):
        raise UserError(f"method: expected an object such as {method.__name__}(), got the class {method.__name__}")
    if not isinstance(method, Method):
        raise UserError(f"method: expected a Method such as DGM(), got {described(method)}")
    if method.networks.by_name():
        raise UserError("method: expected one that has learned nothing, got one in use; make each learner its own")


def check_seed(seed):
    """Checks for an integer >= 0 that JSON can hold."""
    checks.integer_in("seed", seed, "[0, inf)")
    if seed >= MOST_SEED:  # which no saved learner could name
        raise UserError("seed: expected an integer of at most 300 digits, got a larger one")


def check_callbacks(callbacks):
    """Checks for a list or tuple of `Callback`s; returns a tuple, those that save behind the others."""
    expected = "callbacks: expected a list of dgm_tf.training.loop.Callback"
    if isinstance(callbacks, Callback):
        raise UserError(f"{expected}, got one that is in no list")
    if not isinstance(callbacks, (list, tuple)):
        raise UserError(f"{expected}, got {described(callbacks)}")
    for callback in callbacks:
        if not isinstance(callback, Callback):
            raise UserError(f"{expected}, got {described(callback)}, whose hooks would never be called")
    return tuple(sorted(callbacks, key=lambda callback: callback.saves))


def check_task(task):
    """Checks for a `data.Task` with parts of the right types. Its content is not checked."""
    if not isinstance(task, Task):
        hint = "; learn its tasks one after the other" if callable(getattr(task, "task", None)) else ""
        raise UserError(f"task: expected a data.Task, got {described(task)}{hint}")
    checks.integer_in("task.index", task.index, "[0, inf)")
    for name in ("train", "validation", "test"):
        split = getattr(task, name)
        if not isinstance(split, Split):
            raise UserError(f"task.{name}: expected a data.Split(images, labels), got {described(split)}")
    for name, kind, expected in (("class_names", str, "names"), ("classes", numbers.Integral, "labels")):
        values = getattr(task, name)
        if not isinstance(values, (list, tuple, range)) or not all(isinstance(value, kind) for value in values):
            raise UserError(f"task.{name}: expected a tuple of {expected}, got {described(values)}")
    foreign = [name for name in task.class_names if not is_text(name)]
    if foreign:
        raise UserError(f"task.class_names: expected text that UTF-8 can hold, got {shown(foreign[0])}")
    longest, most = max(map(len, task.class_names), default=0), limits.MAX_NAME_CHARACTERS
    if longest > most:
        raise UserError(f"task.class_names: expected names of at most {most} characters, got one of {longest}")


def check_follows(task, class_names, task_classes, num_tasks, image_shape):
    """Checks that a task follows those learned so far, or is the one being resumed.

    Args:
      task: as `check_task` has found it.
      class_names, task_classes: of what a learner has begun; num_tasks: tasks of it that are learned.
      image_shape: of its images, or None.
    """
    if task.index != num_tasks:
        raise UserError(f"task: expected task {num_tasks} next, got task {task.index}")
    known = sum(len(classes) for classes in task_classes[:num_tasks])
    expected = tuple(range(known, known + len(task.class_names)))
    if not expected or tuple(task.classes) != expected:
        raise UserError(f"task.classes: expected {expected}, one for each of its class names, got {task.classes}")
    begun = class_names[known:]
    if begun and begun != list(task.class_names):
        begun, found = (shown(", ".join(names)) for names in (begun, task.class_names))
        raise UserError(f"task: expected the interrupted one, of {begun}, got one of {found}")
    labels = tuple(np.unique(task.train.labels).tolist())
    if labels != expected:
        raise UserError(f"task.train.labels: expected images of the classes {expected}, got labels {labels}")
    for name in ("validation", "test"):
        strangers = np.setdiff1d(getattr(task, name).labels, expected).tolist()
        if strangers:
            raise UserError(f"task.{name}.labels: expected labels among {expected}, got {strangers[:5]}")
    shape = tuple(task.train.images.shape[1:]) if image_shape is None else image_shape
    for name in ("train", "validation", "test"):
        found = tuple(getattr(task, name).images.shape[1:])
        if found != shape:
            raise UserError(f"task.{name}: expected images of shape {shape}, got {found}")


def as_labels(labels, count):
    """Converts integers [N] in [0, count) to int32 [N]."""
    expected = "labels: expected integers [N], positions in class_names"
    array = _as_array(labels)
    if array is None or array.ndim != 1 or isinstance(labels, (str, bytes)):
        hint = "; a single one is [label]" if array is not None and array.ndim == 0 else ""
        raise UserError(f"{expected}, got {described(labels)}{hint}")
    if not array.size:
        return array.astype(np.int32)
    if array.dtype.kind not in "iu":
        names = "; class_names.index gives a name's" if array.dtype.kind in "UST" else ""
        raise UserError(f"{expected}, got {described(labels)}{names}")
    if not 0 <= array.min() <= array.max() < count:
        raise UserError(f"labels: expected values in [0, {count}), got {array.min()} to {array.max()}")
    return array.astype(np.int32)


def as_images(images, shape):
    """Converts images to an array or `Rows` of uint8 or float. The values are not checked.

    shape: (H, W, C) that each must have.
    """
    expected = f"images: expected uint8 or float32 in [-1, 1], [N, {', '.join(map(str, shape))}]"
    if isinstance(images, (list, tuple)):
        raise UserError(f"{expected}, got a {type(images).__name__} of {len(images)}; numpy.stack makes an array of it")
    array = images if isinstance(images, Rows) else _as_array(images)
    if array is None or not hasattr(images, "dtype"):
        raise UserError(f"{expected}, got {described(images)}")
    if array.shape[1:] != shape:
        hint = "; images[None] is a batch of one" if array.shape == shape else ""
        raise UserError(f"images: expected shape [N, {', '.join(map(str, shape))}], got {array.shape}{hint}")
    if array.dtype != np.uint8 and array.dtype.kind != "f":
        hint = "; levels from 0 to 255 fit uint8: images.astype('uint8')" if array.dtype.kind in "iu" else ""
        raise UserError(f"{expected}, got {array.dtype}{hint}")
    return array


def described(value):
    """Describes a value in a few words, for messages."""
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"{type(value).__name__} {np.dtype(value.dtype).name if _is_numpy(value) else value.dtype} {value.shape}"
    if value is None or isinstance(value, (str, bytes, numbers.Number, list, tuple, dict)):
        return shown(repr(value), most=_MOST)
    return f"an object of the class {type(value).__module__}.{type(value).__name__}"


def _is_numpy(value):
    return isinstance(value, (np.ndarray, np.generic))


def _as_array(values):
    """Converts a value to a numpy array, or returns None if that fails."""
    try:
        return np.asarray(values)
    except Exception:  # of ragged lists, symbolic tensors, tensors on other devices: each library has its own
        return None
