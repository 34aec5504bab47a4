"""What saved learners of earlier formats say by leaving it out."""

from dgm_tf import aliases, registry
from dgm_tf.errors import UserError

_DESCRIPTIONS = (("new", "settings"), ("class", "config"))  # of settings and of networks, see `serialization`


def completed(value):
    """A JSON value of before format 3, each setting of `aliases.BEFORE` that is missing with the value that it had."""
    if isinstance(value, list):
        return [completed(item) for item in value]
    if not isinstance(value, dict):
        return value
    value = {name: completed(item) for name, item in value.items()}
    for name, entries in _DESCRIPTIONS:
        if isinstance(value.get(name), str) and isinstance(value.get(entries), dict):
            value[entries] = _settings_of(value[name]) | value[entries]
    return value


def _settings_of(name):
    try:
        return settings_before(registry.find(name))
    except UserError:  # which is told where the class is needed
        return {}


def settings_before(cls):
    """Dict setting -> its value before it could be set, of a class of settings, a method or a network."""
    return {name: value for base in cls.__mro__ for name, value in aliases.BEFORE.get(base.__name__, {}).items()}
