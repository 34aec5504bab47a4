"""Reads weights from Keras's HDF5 files as data: plain arrays of the expected shapes, and nothing that they link to."""

import contextlib

import numpy as np

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.text import shown

_NAMES = "layer_names"
_WHOSE = "are they of this model?"


@contextlib.contextmanager
def opened(file, where):
    """Opens a file object as HDF5. Errors of its content are `UserError`s that begin with `where`."""
    import h5py  # here, so that reading settings stays quick

    try:
        with h5py.File(file, "r") as content:
            yield content
    except UserError:
        raise
    except Exception as error:  # a damaged file fails anywhere in HDF5
        raise UserError(f"{where}: expected weights as Keras saves them (HDF5), got a damaged or other file") from error


def read(content, places, shapes, where):
    """Reads the weights of all layers.

    Args:
      content: an open file, of Keras 3 (`.weights.h5`, or what is in a `.keras` file) or an earlier one (`.h5`).
      places: for each layer, where a file of Keras 3 has it.
      shapes: for each layer, the shapes of its weights. In earlier files, layers stand in this order.
      where: names the file in messages.

    Returns:
      a list of float32 arrays for each layer.
    """
    if "model_weights" in content:
        content = _member(content, "model_weights", where)
    found = _of_earlier_file if _NAMES in content.attrs or f"{_NAMES}0" in content.attrs else _of_keras_3
    weighted = [i for i, expected in enumerate(shapes) if expected]
    groups = found(content, [places[i] for i in weighted], where)
    arrays: list[list[np.ndarray]] = [[] for _ in shapes]
    for i, (name, datasets) in zip(weighted, groups, strict=True):
        if len(shapes[i]) == 2 and len(datasets) == 3 and getattr(datasets[2], "shape", None) == ():
            datasets = datasets[:2]  # Keras counts images in its normalization
        if len(datasets) != len(shapes[i]):
            raise UserError(f"{where}: expected {len(shapes[i])} weights in {name}, got {len(datasets)}; {_WHOSE}")
        for dataset, shape in zip(datasets, shapes[i], strict=True):
            arrays[i].append(_array(dataset, shape, f"{where}: {name}"))
    return arrays


def _of_keras_3(content, places, where):
    for place in places:
        group = content
        for part in (*place.split("/"), "vars"):
            group = _member(group, part, where)
        yield shown(place, most=80), [_member(group, str(i), where) for i in range(min(len(group), 8))]


def _of_earlier_file(content, places, where):
    groups = []
    for name in _texts(content, _NAMES, where):
        group = _member(content, name, where)
        weights = _texts(group, "weight_names", where)
        if weights:
            groups.append((shown(name, most=80), [_descend(group, weight, where) for weight in weights]))
    if len(groups) != len(places):
        raise UserError(f"{where}: expected {len(places)} layers with weights, got {len(groups)}; {_WHOSE}")
    return groups


def _descend(group, path, where):
    for part in path.split("/"):
        group = _member(group, part, where)
    return group


def _texts(group, name, where):
    """Names that an earlier file lists, in several attributes where they are many."""
    import h5py

    names: list[str] = []
    parts = [name] if name in group.attrs else []
    while not parts or parts[-1] != name and len(parts) < limits.MAX_BACKBONE_LAYERS:
        if f"{name}{len(parts)}" not in group.attrs:
            break
        parts.append(f"{name}{len(parts)}")
    for part in parts:
        shape = h5py.h5a.open(group.id, part.encode()).shape
        if len(shape) != 1 or shape[0] + len(names) > limits.MAX_BACKBONE_LAYERS:
            raise UserError(f"{where}: expected at most {limits.MAX_BACKBONE_LAYERS} layers, got {list(shape)}")
        names += [n.decode("utf-8", "replace") if isinstance(n, bytes) else str(n) for n in group.attrs[part]]
    return names


def _member(group, name, where):
    """What stands in the file itself under a name: a link might lead to any file of this machine."""
    import h5py

    link = group.get(name, getlink=True) if isinstance(group, h5py.Group) and name else None
    if link is None:
        raise UserError(f"{where}: expected weights of {shown(name, most=80)}, got none; {_WHOSE}")
    if not isinstance(link, h5py.HardLink):
        raise UserError(f"{where}: expected weights in the file itself, got a link in {shown(name, most=80)}")
    return group[name]


def _array(dataset, shape, where):
    import h5py

    if not isinstance(dataset, h5py.Dataset) or dataset.is_virtual or dataset.external:
        raise UserError(f"{where}: expected weights in the file itself, got another object")
    stored, dtype = tuple(dataset.shape or ()), dataset.dtype
    if stored != shape and not (len(shape) == 1 and stored[-1:] == shape and np.prod(stored) == shape[0]):
        raise UserError(f"{where}: expected weights of shape {list(shape)}, got {list(stored)}; {_WHOSE}")
    if dtype.kind != "f" or dtype.itemsize not in (2, 4, 8):
        raise UserError(f"{where}: expected weights of floating point, got {shown(str(dtype), most=80)}")
    array = np.asarray(dataset[()], np.float32).reshape(shape)
    if not np.isfinite(array).all():
        raise UserError(f"{where}: expected finite weights, got others")
    return array
