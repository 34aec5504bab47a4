"""Check of Keras's settings at the start: an unsupported one would fail deep inside.

To import this module is to check, so that packages which import Keras import this one first.
"""

import json
import os
import pathlib
import sys

from dgm_tf.errors import UserError

_EXPECTED = {"backend": "tensorflow", "image_data_format": "channels_last", "floatx": "float32"}
_POLICIES = ("float32", "mixed_bfloat16")


def check():
    """Raises UserError for settings of Keras that this package does not support.

    It imports nothing: with another backend already the import of Keras may fail.
    """
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "config"):
        _check_what_keras_will_read()
    else:
        _check_imported(keras.config)


def _check_imported(config):
    for name, expected in _EXPECTED.items():
        found = getattr(config, name)()
        if found != expected:
            way_out = f"call keras.config.set_{name}({expected!r})"
            way_out = "set KERAS_BACKEND=tensorflow before it is imported" if name == "backend" else way_out
            raise UserError(f"Keras: expected {name} {expected!r}, got {found!r}; {way_out}")
    policy = config.dtype_policy().name
    if policy not in _POLICIES:
        names = " or ".join(map(repr, _POLICIES))
        raise UserError(
            f"Keras: expected dtype_policy {names}, got {policy!r}; call keras.config.set_dtype_policy('float32')"
        )


def _check_what_keras_will_read():
    found, path = dict(_EXPECTED), _file()
    if path.exists():
        found |= _read(path)
    backend = os.environ.get("KERAS_BACKEND")
    if backend:
        found["backend"] = backend
    for name, expected in _EXPECTED.items():
        if found[name] == expected:
            continue
        if name == "backend" and backend:
            raise UserError(f"KERAS_BACKEND: expected {expected}, got {backend}; set KERAS_BACKEND={expected}")
        text = f'{path}: expected "{name}": "{expected}", got {json.dumps(found[name])}; change it there'
        raise UserError(text + (", or set KERAS_BACKEND=tensorflow" if name == "backend" else ""))


def _file():
    """Path of Keras's settings."""
    home = os.path.expanduser("~")
    folder = os.environ.get("KERAS_HOME", os.path.join(home if os.access(home, os.W_OK) else "/tmp", ".keras"))
    return pathlib.Path(os.path.expanduser(os.path.join(folder, "keras.json")))


def _read(path):
    """Reads the settings file. Invalid JSON counts as no settings, as in Keras."""
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}
    if not isinstance(settings, dict):
        raise UserError(f'{path}: expected settings such as {{"backend": "tensorflow"}}, got {json.dumps(settings)}')
    return {name: settings[name] for name in _EXPECTED if name in settings}


check()
