"""Checks of settings: a value out of place is named, with what was expected and what came."""

import numbers

from dgm_tf.errors import UserError


def integer(owner, field, interval):
    """The owner's field must be an integer in the interval, such as "[1, inf)"."""
    _number(owner, field, interval, numbers.Integral, "an integer")


def number(owner, field, interval):
    """The owner's field must be a number in the interval, such as "(0, 1]"; NaN is in none."""
    _number(owner, field, interval, numbers.Real, "a number")


def flag(owner, field):
    """The owner's field must be True or False."""
    if not isinstance(getattr(owner, field), bool):
        raise wrong(owner, field, "True or False")


def choice(owner, field, choices):
    """The owner's field must be one of the choices."""
    if getattr(owner, field) not in choices:
        raise wrong(owner, field, f"one of {', '.join(map(repr, choices))}")


def pair(owner, field, interval):
    """The owner's field must be (low, high), numbers in the interval with low <= high."""
    value = getattr(owner, field)
    fits = isinstance(value, (tuple, list)) and len(value) == 2
    if not fits or not all(_inside(v, interval, numbers.Real) for v in value) or value[0] > value[1]:
        raise wrong(owner, field, f"(low, high), two numbers in {interval} with low <= high")


def integers(owner, field, interval):
    """The owner's field must be a list or tuple, not empty, of integers in the interval."""
    values = getattr(owner, field)
    fits = isinstance(values, (tuple, list)) and values
    if not fits or not all(_inside(value, interval, numbers.Integral) for value in values):
        raise wrong(owner, field, f"one or more integers in {interval}, in brackets")


def instance(owner, field, kinds):
    """The owner's field must be an object of one of the classes (a tuple)."""
    if not isinstance(getattr(owner, field), kinds):
        names = " or ".join("None" if kind is type(None) else f"a {kind.__name__}" for kind in kinds)
        raise wrong(owner, field, f"{names} (in gin: with @ and brackets)")


def network_class(owner, field):
    """The owner's field must be a network class, not called."""
    if not isinstance(getattr(owner, field), type):
        raise wrong(owner, field, "a network class (in gin: with @, without brackets)")


def wrong(owner, field, expected):
    """The `UserError` for a field that is not as expected; owner: the object that has it."""
    return UserError(f"{type(owner).__name__}.{field}: expected {expected}, got {getattr(owner, field)!r}")


def _number(owner, field, interval, kind, name):
    if not _inside(getattr(owner, field), interval, kind):
        raise wrong(owner, field, f"{name} in {interval}")


def _inside(value, interval, kind):
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    return above and (value <= high if interval[-1] == "]" else value < high)
