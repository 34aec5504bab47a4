"""Settings as JSON, networks as arrays."""

import dataclasses
import importlib
import sys

import numpy as np

from dgm_tf.errors import UserError
from dgm_tf.files import (  # noqa: F401 - where they were before
    read_arrays,
    read_json,
    write_arrays,
    write_atomically,
    write_json,
    written_together,
)


def to_json(value):
    """A dataclass of settings (classes, nested dataclasses, plain values) as what JSON can hold."""
    if isinstance(value, type) or callable(value) and not dataclasses.is_dataclass(value):
        return {"type": f"{value.__module__}:{value.__qualname__}"}
    if dataclasses.is_dataclass(value):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"new": f"{type(value).__module__}:{type(value).__qualname__}", "settings": fields}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    return value.item() if isinstance(value, np.generic) else value


def from_json(value):
    """The inverse of `to_json`; lists come back as tuples.

    Raises:
      UserError: if a class is neither dgm_tf's nor in a module that is already imported.
    """
    if isinstance(value, list):
        return tuple(from_json(item) for item in value)
    if not isinstance(value, dict):
        return value
    if "type" in value:
        return _find(value["type"])
    return _find(value["new"])(**{k: from_json(v) for k, v in value["settings"].items()})


def _find(path):
    module, name = path.split(":")
    if module not in sys.modules and module.split(".")[0] != "dgm_tf":
        raise UserError(f"{path} is needed to load this: import {module} first")
    return getattr(importlib.import_module(module), name)


def network_to_json(network):
    """Class and config of a network."""
    network_class = f"{type(network).__module__}:{type(network).__qualname__}"
    return {"class": network_class, "config": network.get_config()}


def network_from_json(description):
    """A network as described, freshly initialised."""
    return _find(description["class"]).from_config(description["config"])


def to_arrays(name, variables):
    """Dict of numpy arrays, keyed by name and position: what Keras calls a layer depends on those made before."""
    return {key: np.asarray(v) for key, v in zip(keys(name, variables), variables, strict=True)}


def keys(name, variables):
    """The variables' names in `to_arrays`."""
    return [f"{name}/{i:04d}" for i in range(len(variables))]


def assign_arrays(name, variables, arrays):
    """Writes arrays of `to_arrays` back into equal variables; a variable without its array is left alone.

    Raises:
      UserError: if an array of that name has no variable.
    """
    targets = dict(zip(keys(name, variables), variables, strict=True))
    homeless = [key for key in arrays if key.startswith(f"{name}/") and key not in targets]
    if homeless:
        raise UserError(f"saved arrays of {name}: {len(homeless)} fit no variable of it, such as {homeless[0]}")
    for key in targets.keys() & arrays.keys():
        targets[key].assign(arrays[key])
