"""Checks of values. An error names the value, what was expected and what was found.

`argument`, `integer_in` and `number_in` take a name and its value, the others an object and the name of its field.
"""

import math
import numbers

import numpy as np

from dgm_tf.errors import UserError

SEEDS = f"[0, {2**32})"  # what NumPy's RandomState takes


def integer(owner, field, interval):
    """The owner's field must be an integer in the interval, such as "[1, inf)"."""
    integer_in(_name(owner, field), getattr(owner, field), interval)


def number(owner, field, interval):
    """The owner's field must be a number in the interval, such as "(0, 1]", in float32 too; NaN is in none.

    Training computes in float32: a rate of 1e39 would be infinite there, one of 1e-60 nothing, a beta of 0.99999999 1.
    """
    value = getattr(owner, field)
    number_in(_name(owner, field), value, interval)
    _check(owner, field, inside(_rounded(value), interval), f"a number that float32 holds in {interval}")


def _rounded(value):
    with np.errstate(over="ignore"):
        try:
            return float(np.float32(value))
        except OverflowError:  # an integer of more than 308 digits
            return math.inf if value > 0 else -math.inf


def flag(owner, field):
    """The owner's field must be True or False."""
    _check(owner, field, isinstance(getattr(owner, field), bool), "True or False")


def choice(owner, field, choices):
    """The owner's field must be one of the choices."""
    _check(owner, field, getattr(owner, field) in choices, f"one of {', '.join(map(repr, choices))}")


def pair(owner, field, interval):
    """The owner's field must be (low, high), numbers in the interval, in float32 too, with low <= high."""
    pair_in(_name(owner, field), getattr(owner, field), interval, _rounded)


def integers(owner, field, interval):
    """The owner's field must be a list or tuple, not empty, of integers in the interval."""
    values = getattr(owner, field)
    fits = isinstance(values, (tuple, list)) and all(inside(v, interval, numbers.Integral) for v in values)
    _check(owner, field, fits and len(values), f"a list of integers in {interval}")


def instance(owner, field, kinds):
    """The owner's field must be an object of one of the classes (a tuple)."""
    names = " or ".join("None" if kind is type(None) else f"@{kind.__name__}()" for kind in kinds)
    _check(owner, field, isinstance(getattr(owner, field), kinds), names)


def network_class(owner, field):
    """The owner's field must be a network class, not called."""
    _check(owner, field, isinstance(getattr(owner, field), type), "a network class (in gin: with @, without brackets)")


def argument(name, value, fits, expected):
    """Raises UserError for an argument that does not fit."""
    if not fits:
        raise UserError(f"{name}: expected {expected}, got {value!r}")


def integer_in(name, value, interval):
    """Raises UserError for what is no integer in the interval."""
    argument(name, value, inside(value, interval, numbers.Integral), f"an integer in {interval}")


def number_in(name, value, interval):
    """Raises UserError for what is no number in the interval."""
    argument(name, value, inside(value, interval), f"a number in {interval}")


def pair_in(name, value, interval, rounded=lambda number: number):
    """Raises UserError for what is no (low, high) of two numbers in the interval with low <= high."""
    fits = isinstance(value, (tuple, list)) and len(value) == 2 and all(inside(v, interval) for v in value)
    fits = fits and value[0] <= value[1] and all(inside(rounded(v), interval) for v in value)
    argument(name, value, fits, f"(low, high), two numbers in {interval} with low <= high")


def inside(value, interval, kind=numbers.Real):
    """Whether a value is a number (of a kind) in an interval such as "[0, inf)"; True and False are none."""
    if not isinstance(value, kind) or isinstance(value, bool):
        return False
    low, high = map(float, interval[1:-1].split(","))
    above = value >= low if interval[0] == "[" else value > low
    return above and (value <= high if interval[-1] == "]" else value < high)


def _check(owner, field, fits, expected):
    argument(_name(owner, field), getattr(owner, field), fits, expected)


def _name(owner, field):
    return f"{type(owner).__name__}.{field}"
