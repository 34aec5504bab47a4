"""Serialization: settings and networks as JSON with registered class names, weights as named arrays."""

import dataclasses
import inspect
import types
import typing

import numpy as np

from dgm_tf import aliases, registry
from dgm_tf.errors import UserError
from dgm_tf.text import shown

MOST_ENTRIES = 10_000  # of a list in a network's config: a list of tasks or of widths


def to_json(value):
    """Converts settings to JSON values: registered classes, nested dataclasses, plain values.

    Raises:
      UserError: if a class is not registered, or a value is none of these.
    """
    if isinstance(value, type):
        return {"type": registry.name_of(value)}
    if dataclasses.is_dataclass(value):
        fields = {f.name: to_json(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return {"new": registry.name_of(type(value)), "settings": fields}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise UserError(
        f"settings: expected numbers, text, lists, registered classes and dataclasses of them, which can be saved, got "
        f"{type(value).__name__}"
    )


def from_json(value, expected=object, where="settings"):
    """Inverse of `to_json`, with tuples for lists. Everything is checked before any object is made.

    Args:
      value: of JSON.
      expected: type or type hint of the result.
      where: what it is, for messages.

    Raises:
      UserError: if a class is not registered, or names or types of settings are not the class's.
    """
    return _built(_checked(value, expected, where))


@dataclasses.dataclass(frozen=True)
class _Call:
    """Object to make once all settings are checked."""

    made: type
    settings: dict


def _built(value):
    if isinstance(value, _Call):
        return value.made(**{name: _built(item) for name, item in value.settings.items()})
    return tuple(map(_built, value)) if isinstance(value, tuple) else value


def _checked(value, expected, where):
    kinds = _kinds(expected)
    if isinstance(value, dict):
        return _checked_class(value, kinds, where)
    if isinstance(value, list):
        value = tuple(_checked(item, object, where) for item in value)
    if not _fits(value, kinds):
        raise UserError(f"{where}: expected {_named(kinds)}, got {shown(repr(value), most=80)}")
    return value


def _fits(value, kinds):
    also = {tuple: list, int: float}.get(type(value))
    return object in kinds or type(value) in kinds or also in kinds


def _checked_class(value, kinds, where):
    """Returns a registered class, or a `_Call` of one with its settings."""
    if value.keys() == {"type"} and isinstance(value["type"], str):
        found = registry.find(value["type"])
        if not _is_network(found) or not {type, object} & set(kinds):
            raise UserError(f"{where}: expected {_named(kinds)}, got the class {found.__name__}")
        return found
    if value.keys() != {"new", "settings"} or not isinstance(value["new"], str):
        raise UserError(f"{where}: expected a class's name and its settings, got {shown(repr(value), most=80)}")
    found = registry.find(value["new"])
    if not dataclasses.is_dataclass(found) or not issubclass(found, tuple(kinds)):
        raise UserError(f"{where}: expected {_named(kinds)}, got {found.__name__}")
    return _Call(found, _checked_settings(found, value["settings"], f"{where}: {found.__name__}"))


def _checked_settings(cls, settings, where):
    hints, fields = typing.get_type_hints(cls), {f.name: f for f in dataclasses.fields(cls) if f.init}
    if isinstance(settings, dict):
        settings = aliases.saved_settings([base.__name__ for base in cls.__mro__], settings)
    unknown = settings.keys() - fields.keys() if isinstance(settings, dict) else {"settings"}
    if unknown:
        raise UserError(f"{where} has no setting {shown(repr(min(unknown)), most=80)}; known: {', '.join(fields)}")
    absent = [name for name, value in settings.items() if value is None and fields[name].default is None]
    given = {name: value for name, value in settings.items() if name not in absent}
    return dict.fromkeys(absent) | {
        name: _checked(value, hints[name], f"{where}.{name}") for name, value in given.items()
    }


def _kinds(hint):
    """Returns the classes that a type hint allows."""
    if hint is typing.Any:
        return [object]
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return [kind for part in typing.get_args(hint) for kind in _kinds(part)]
    origin = typing.get_origin(hint) or hint
    return [origin if isinstance(origin, type) else object]


def _named(kinds):
    return " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)


def network_to_json(network):
    """Returns the registered class and the config of a network."""
    return {"class": registry.name_of(type(network)), "config": network.get_config()}


def network_from_json(description, where="network"):
    """Makes a network from its description, with new weights.

    Raises:
      UserError: if the class is not registered, or the config is not of plain values for its constructor.
    """
    cls, config = checked_network(description, where)
    return cls.from_config(config)


def network_outline(description, where="network"):
    """Like `network_from_json`, but its weights take no memory: they have names, shapes and types only."""
    import keras  # here, so that reading settings stays quick

    with keras.StatelessScope(initialize_variables=False):
        try:
            return network_from_json(description, where)
        except UserError as error:
            raise UserError(f"{where}: {error}") from error
        except Exception as error:  # a config whose values do not belong together fails anywhere in the constructor
            raise UserError(f"{where}: no network can be made of its config ({shown(error, most=200)})") from error


def _is_network(cls):
    import keras

    return issubclass(cls, keras.Model)


def checked_network(description, where):
    """Checks a description by `network_to_json`; returns (class, config)."""
    fits = isinstance(description, dict) and description.keys() == {"class", "config"}
    if not fits or not isinstance(description["class"], str) or not isinstance(description["config"], dict):
        raise UserError(f"{where}: expected a network's class and config, got {shown(repr(description), most=80)}")
    cls = registry.find(description["class"])
    if not _is_network(cls):
        raise UserError(f"{where}: expected a network, got {cls.__name__}")
    config = {name: _plain(value, f"{where}: {cls.__name__}.{name}") for name, value in description["config"].items()}
    unknown = config.keys() - _parameters(cls)
    if unknown:
        raise UserError(f"{where}: {cls.__name__} has no parameter {shown(repr(min(unknown)), most=80)}")
    return cls, config


def _parameters(cls):
    """Returns the parameters of a class's constructor, including those passed on to its bases."""
    names = set()
    for base in cls.__mro__:
        if "__init__" in vars(base):
            parameters = inspect.signature(base.__init__).parameters.values()
            names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)} - {"self"}
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                break
    return names


def _plain(value, where):
    """Returns a number, text, None or list of these unchanged, and a Keras dtype policy as its name."""
    if isinstance(value, list):
        if len(value) > MOST_ENTRIES:
            raise UserError(f"{where}: expected at most {MOST_ENTRIES} entries, got {len(value)}")
        return [_plain(item, where) for item in value]
    if isinstance(value, dict) and value.get("class_name") == "DTypePolicy" and isinstance(value.get("config"), dict):
        value = value["config"].get("name")
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise UserError(f"{where}: expected a plain value, got {shown(repr(value), most=80)}")


def network_keys(name, network):
    """Names of the arrays of a network's weights, such as "generator/masked_0/kernel".

    Networks of others are keyed by position as well: Keras numbers layers without a name by those made before.
    """
    if registry.is_own(type(network)):
        return [f"{name}/{variable.path}" for variable in network.weights]
    return [f"{name}/{i:04d}/{variable.name}" for i, variable in enumerate(network.weights)]


def to_arrays(name, variables):
    """Dict of numpy arrays, keyed by name and position: what Keras calls a layer depends on those made before."""
    return {key: np.asarray(v) for key, v in zip(keys(name, variables), variables, strict=True)}


def keys(name, variables):
    """The variables' names in `to_arrays`."""
    return [f"{name}/{i:04d}" for i in range(len(variables))]


def assign_arrays(name, variables, arrays, names=None):
    """Assigns arrays to variables of the same key. A variable without an array stays as it is.

    Args:
      name: what the arrays' names begin with.
      variables: list.
      arrays: dict.
      names: the variables' names in it; None: as `to_arrays` names them.

    Raises:
      UserError: if an array of that name has no variable, or another shape or type.
    """
    targets = dict(zip(names or keys(name, variables), variables, strict=True))
    homeless = [key for key in arrays if key.startswith(f"{name}/") and key not in targets]
    if homeless:
        raise UserError(f"saved arrays of {name}: {len(homeless)} fit no variable of it, such as {homeless[0]}")
    for key in targets.keys() & arrays.keys():
        array, target = arrays[key], targets[key]
        if array.shape != tuple(target.shape) or array.dtype != np.dtype(target.dtype):
            expected = f"{target.dtype} {list(target.shape)}"
            raise UserError(f"saved array {key}: expected {expected}, got {array.dtype} {list(array.shape)}")
        target.assign(array)
