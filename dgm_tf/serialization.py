"""Settings as JSON, networks as arrays, files that are never half-written."""

import contextlib
import dataclasses
import importlib
import io
import json
import os
import pathlib
import sys

import numpy as np

from dgm_tf.errors import UserError


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


@contextlib.contextmanager
def written_together():
    """A function of (path, bytes or text); what it was given replaces older files only when all of it is on disk.

    They are renamed right after each other at the end; after an error before that none is.
    """
    staged = {}

    def write(path, data):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        staged[path] = path.with_name(f"{path.name}.{os.getpid()}.tmp")  # runs share a cache
        with open(staged[path], "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
            file.flush()
            os.fsync(file.fileno())

    try:
        yield write
        for path in list(staged):
            os.replace(staged[path], path)
            del staged[path]
    finally:
        for temporary in staged.values():
            temporary.unlink(missing_ok=True)


def write_atomically(path, data):
    """Writes bytes or text to a temporary name beside `path`, then renames it."""
    with written_together() as write:
        write(path, data)


def write_json(path, value, write=write_atomically):
    """Indented JSON, atomically; NaN is refused. write: of `written_together`."""
    write(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_json(path):
    """The value in a JSON file."""
    return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))


def write_arrays(path, arrays, compress=False, write=write_atomically, **texts):
    """An .npz of arrays and JSON values, atomically; write: of `written_together`."""
    buffer = io.BytesIO()
    encoded = {k: np.frombuffer(json.dumps(v).encode(), np.uint8) for k, v in texts.items()}
    (np.savez_compressed if compress else np.savez)(buffer, **arrays, **encoded)
    write(path, buffer.getvalue())


def read_arrays(path, *texts):
    """(arrays, *JSON values) of `write_arrays`."""
    with np.load(path) as file:
        arrays = {key: file[key] for key in file.files if key not in texts}
        return (arrays, *(json.loads(file[key].tobytes()) for key in texts))
