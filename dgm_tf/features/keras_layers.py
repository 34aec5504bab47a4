"""The closed list of Keras's own layers that a backbone may have, and the values that their settings may take.

A backbone may come from a stranger. Nothing of it is looked up by name except in `KINDS`, and only checked settings
reach a constructor. What matters for training alone (initializers, regularizers, dropout) is not part of a backbone.
"""

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import keras

from dgm_tf.checks import inside
from dgm_tf.errors import UserError
from dgm_tf.text import shown

ACTIVATIONS = (
    "linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "hard_silu", "sigmoid", "hard_sigmoid",
    "tanh", "softplus", "softsign", "mish", "exponential",
)  # fmt: skip
REQUIRED = object()
_MOST_CHANNELS = 65_536


@dataclasses.dataclass(frozen=True)
class Setting:
    """fits: whether a value of JSON may be given. expected: which, for messages."""

    fits: Callable[[Any], bool]
    expected: str
    default: Any = REQUIRED


@dataclasses.dataclass(frozen=True)
class Kind:
    """A layer of the list.

    Attributes:
      settings: {name: Setting}, in the words of Keras's constructor.
      joins: whether it takes several inputs.
      entries: (settings, input shape) -> how many weights it has at most, known before memory is taken for them.
    """

    settings: dict[str, Setting]
    joins: bool = False
    entries: Callable[[dict, tuple], int] = lambda settings, shape: 0


def _integer(low, high, default=REQUIRED):
    return Setting(lambda v: _is_integer(v, low, high), f"an integer in [{low}, {high}]", default)


def _is_integer(value, low, high):
    return type(value) is int and low <= value <= high


def _number(interval, default=REQUIRED, optional=False):
    def fits(value):
        return (optional and value is None) or inside(value, interval)

    return Setting(fits, f"a number in {interval}" + (" or None" if optional else ""), default)


def _flag(default):
    return Setting(lambda v: isinstance(v, bool), "True or False", default)


def _choice(*choices, default=REQUIRED):
    named = ", ".join(map(repr, choices))
    return Setting(lambda v: type(v) in (str, int) and v in choices, f"one of {named}", default)


def _pair(low, high, default=REQUIRED):
    return Setting(lambda v: _are_integers(v, low, high, 2), f"two integers in [{low}, {high}]", default)


def _are_integers(value, low, high, count):
    return isinstance(value, list) and len(value) == count and all(_is_integer(v, low, high) for v in value)


def _fits_margins(value):
    return isinstance(value, list) and len(value) == 2 and all(_are_integers(side, 0, 512, 2) for side in value)


def _fits_levels(value):
    """A number, or one for each channel."""
    values = value if isinstance(value, list) else [value]
    return 1 <= len(values) <= _MOST_CHANNELS and all(inside(v, "(-1e9, 1e9)") for v in values)


def _fits_shape(value):
    return isinstance(value, list) and 1 <= len(value) <= 3 and all(type(v) is int and -1 <= v < 2**31 for v in value)


_MARGINS = Setting(_fits_margins, "two pairs of integers in [0, 512]")
_CHANNEL_AXIS = _choice(-1, default=-1)
_ACTIVATION = _choice(*ACTIVATIONS, default="linear")
_SPATIAL = {
    "kernel_size": _pair(1, 64),
    "strides": _pair(1, 64, default=[1, 1]),
    "padding": _choice("valid", "same", default="valid"),
    "dilation_rate": _pair(1, 64, default=[1, 1]),
    "activation": _ACTIVATION,
    "use_bias": _flag(True),
}
_POOLING = {
    "pool_size": _pair(1, 512),
    "strides": _pair(1, 512),
    "padding": _choice("valid", "same", default="valid"),
}
_NORMALIZATION = {
    "axis": _CHANNEL_AXIS,
    "epsilon": _number("[0, 1]", 1e-3),
    "center": _flag(True),
    "scale": _flag(True),
}
_DEPTH = {"depth_multiplier": _integer(1, 64, default=1)}
_FILTERS = {"filters": _integer(1, _MOST_CHANNELS)}


def _of_convolution(settings, shape):
    return math.prod(settings["kernel_size"]) * shape[-1] * settings["filters"] + settings["filters"]


def _of_depthwise(settings, shape):
    return (math.prod(settings["kernel_size"]) + 1) * shape[-1] * settings["depth_multiplier"]


def _of_separable(settings, shape):
    between = shape[-1] * settings["depth_multiplier"]
    return math.prod(settings["kernel_size"]) * between + (between + 1) * settings["filters"]


KINDS: dict[str, Kind] = {
    "Conv2D": Kind(_FILTERS | _SPATIAL | {"groups": _integer(1, _MOST_CHANNELS, default=1)}, entries=_of_convolution),
    "DepthwiseConv2D": Kind(_SPATIAL | _DEPTH, entries=_of_depthwise),
    "SeparableConv2D": Kind(_FILTERS | _SPATIAL | _DEPTH, entries=_of_separable),
    "Dense": Kind(
        {"units": _integer(1, _MOST_CHANNELS), "activation": _ACTIVATION, "use_bias": _flag(True)},
        entries=lambda settings, shape: (shape[-1] + 1) * settings["units"],
    ),
    "BatchNormalization": Kind(_NORMALIZATION, entries=lambda settings, shape: 4 * shape[-1]),
    "LayerNormalization": Kind(_NORMALIZATION, entries=lambda settings, shape: 2 * shape[-1]),
    "Activation": Kind({"activation": _choice(*ACTIVATIONS)}),
    "ReLU": Kind(
        {
            "max_value": _number("[0, 1e9]", None, optional=True),
            "negative_slope": _number("[0, 1e3]", 0.0),
            "threshold": _number("[0, 1e9]", 0.0),
        }
    ),
    "LeakyReLU": Kind({"negative_slope": _number("[0, 1e3]", 0.3)}),
    "ELU": Kind({"alpha": _number("[0, 1e3]", 1.0)}),
    **{name: Kind({}, joins=True) for name in ("Add", "Multiply", "Average", "Maximum", "Minimum", "Subtract")},
    "Concatenate": Kind({"axis": _CHANNEL_AXIS}, joins=True),
    "MaxPooling2D": Kind(_POOLING),
    "AveragePooling2D": Kind(_POOLING),
    "GlobalAveragePooling2D": Kind({"keepdims": _flag(False)}),
    "GlobalMaxPooling2D": Kind({"keepdims": _flag(False)}),
    "ZeroPadding2D": Kind({"padding": _MARGINS}),
    "Cropping2D": Kind({"cropping": _MARGINS}),
    "UpSampling2D": Kind({"size": _pair(1, 64), "interpolation": _choice("nearest", "bilinear", default="nearest")}),
    "Rescaling": Kind(
        {
            "scale": Setting(_fits_levels, "a number in (-1e9, 1e9), or one for each channel"),
            "offset": Setting(_fits_levels, "a number in (-1e9, 1e9), or one for each channel", 0.0),
        }
    ),
    "Reshape": Kind({"target_shape": Setting(_fits_shape, "one to three sizes, of which one may be -1")}),
    "Flatten": Kind({}),
}


def checked_settings(kind, settings, where):
    """Returns all settings of a layer, with defaults where none are given.

    Args:
      kind: a key of `KINDS`.
      settings: {name: value of JSON}.
      where: names the layer in messages.

    Raises:
      UserError: a setting is unknown, missing, or not as described.
    """
    known = KINDS[kind].settings
    if unknown := settings.keys() - known.keys():
        name = shown(repr(min(unknown)), most=80)
        raise UserError(f"{where}: expected settings of {', '.join(known) or 'no name'}, got {name}")
    checked = {}
    for name, setting in known.items():
        value = settings.get(name, setting.default)
        if value is REQUIRED or (name in settings and not setting.fits(value)):
            got = "none" if value is REQUIRED else shown(repr(value), most=80)
            raise UserError(f"{where}.{name}: expected {setting.expected}, got {got}")
        checked[name] = value
    return checked


def made(kind, settings, name):
    """Makes a layer of checked settings. It computes in float32 whatever the policy, and is not trained."""
    return getattr(keras.layers, kind)(**settings, name=name, dtype="float32", trainable=False)
