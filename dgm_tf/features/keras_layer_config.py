"""Reads the description of one layer by Keras as data, in the closed list's words. Nothing of it is made or called.

What matters for training alone is left out: dropout and augmentation, initializers, regularizers and constraints.
"""

import re

from dgm_tf.errors import UserError
from dgm_tf.features import keras_layers
from dgm_tf.text import shown

OPERATIONS = "keras.src.ops.numpy"  # such as x + 3 among a model's layers
ADVICE = "cut it, or save another model: a backbone consists of Keras's own layers of images"
_LAYERS = "keras.layers"
# What lets its input through in inference.
_UNCHANGED = {
    "InputLayer", "Dropout", "SpatialDropout2D", "GaussianDropout", "GaussianNoise", "AlphaDropout", "Identity",
    "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast",
    "RandomBrightness", "RandomShear", "RandomHue", "RandomSaturation", "RandomSharpness", "RandomErasing",
}  # fmt: skip
# Settings that tell nothing about inference.
_OF_TRAINING = re.compile(
    r"name|trainable|dtype|data_format|momentum|synchronized|seed|autocast|noise_shape|renorm_(clipping|momentum)|"
    r"\w*(initializer|regularizer|constraint)"
)
_SYNONYMS = {"swish": "silu", "hard_swish": "hard_silu"}
_NORMALIZATION_EPSILON = 1e-12
_JOINED = ("Add", "Multiply", "Maximum", "Minimum", "Subtract")
_SCALED = ("Add", "Subtract", "Multiply", "TrueDivide", "Divide")


def read_layer(reading, entry, inputs, constants, place):
    """Adds a layer to a `Reading`; returns the value that it puts out.

    Args:
      reading: a `keras_config.Reading`.
      entry: of the model's list of layers.
      inputs: the values that it takes.
      constants: numbers beside them.
      place: where Keras's files have its weights.

    Raises:
      UserError: it is not of the closed list, or has other settings than those of it.
    """
    kind, module, registered = entry["class_name"], entry.get("module"), entry.get("registered_name")
    name = shown(entry["config"]["name"], most=80)
    if module == OPERATIONS:
        return _read_operation(reading, kind, inputs, constants, name)
    if constants or not inputs:
        raise UserError(f"{reading.where}: expected layer {name} to take earlier layers, got other arguments")
    known = kind in keras_layers.KINDS or kind in _UNCHANGED or kind in _READERS
    if module != _LAYERS or registered not in (None, kind) or not known:
        raise UserError(
            f"{reading.where}: expected Keras's own layers of images, got {name}, a {_shown(kind)} of "
            f"{_shown(module)}; {ADVICE}"
        )
    if kind == "InputLayer":
        _read_input(reading, entry["config"])
    if kind in _UNCHANGED:
        return inputs[0]
    settings = _settings(reading, kind, entry["config"], name)
    if kind in _READERS:
        return _READERS[kind](reading, inputs, settings, name, place)
    if settings.get("activation") == "softmax":
        value = reading.add(kind, inputs, settings | {"activation": "linear"}, name, place)
        reading.softmax = name
        return value
    return reading.add(kind, inputs, settings, name, place)


def _read_input(reading, config):
    shape = config.get("batch_shape")
    fits = isinstance(shape, list) and len(shape) == 4
    if not fits or not all(size is None or type(size) is int for size in shape):
        raise UserError(f"{reading.where}: expected a model of images [N, H, W, 3], got the input {_shown(shape)}")
    if reading.input_shape is None:
        reading.input_shape = tuple(shape[1:])


def _settings(reading, kind, config, name):
    """What a layer's config says about inference, in the closed list's words."""
    settings = {}
    if config.get("data_format") not in (None, "channels_last"):
        raise UserError(f"{reading.where}: expected channels_last, got {_shown(config['data_format'])} in {name}")
    dtype = config.get("dtype")
    if isinstance(dtype, dict) and dtype.get("class_name") != "DTypePolicy":
        raise UserError(f"{reading.where}: expected weights of floating point, got {_shown(dtype)} in {name}")
    known = keras_layers.KINDS[kind].settings if kind in keras_layers.KINDS else {}
    for key, value in config.items():
        if key in known or (kind in _READERS and not _OF_TRAINING.fullmatch(key)):
            settings[key] = _value(key, value)
        elif not _OF_TRAINING.fullmatch(key) and value is not None and value is not False:
            what = shown(repr(key), most=80)
            raise UserError(f"{reading.where}: expected known settings, got {what} in {name}; {ADVICE}")
    if kind in ("MaxPooling2D", "AveragePooling2D") and settings.get("strides") is None:
        settings["strides"] = settings.get("pool_size")
    return settings


def _value(key, value):
    if key == "activation":
        if isinstance(value, dict) and value.get("registered_name") == value.get("class_name") == "function":
            value = value.get("config")
        return _SYNONYMS.get(value, value) if isinstance(value, str) else "linear" if value is None else value
    if key == "axis":  # of channels: the last of [N, H, W, C]
        value = value[0] if isinstance(value, list) and len(value) == 1 else value
        return -1 if value == 3 and type(value) is int else value
    return value


def _read_operation(reading, kind, inputs, constants, name):
    """Arithmetic between layers: of two of them, or of one and a number."""
    if kind in _JOINED and len(inputs) == 2 and not constants:
        return reading.add(kind, inputs, {}, name, None)
    if len(inputs) != 1 or len(constants) != 1 or kind not in _SCALED:
        got = f"{name}, a {_shown(kind)}"
        raise UserError(f"{reading.where}: expected Keras's own layers of images, got {got}; {ADVICE}")
    number = constants[0]
    if kind in ("TrueDivide", "Divide"):
        kind, number = "Multiply", 1 / number if number else 0
    scale = number if kind == "Multiply" else 1.0
    offset = {"Add": number, "Subtract": -number}.get(kind, 0.0)
    return reading.add("Rescaling", inputs, {"scale": scale, "offset": offset}, name, None)


def _read_softmax(reading, inputs, settings, name, place):
    reading.softmax = name
    return inputs[0]


def _read_activation(reading, inputs, settings, name, place):
    function = settings.get("activation")
    if function == "softmax":
        return _read_softmax(reading, inputs, settings, name, place)
    return reading.add("Activation", inputs, {"activation": function}, name, place)


def _read_normalization(reading, inputs, settings, name, place):
    """Mean and variance of channels: weights in the file, which a batch normalization without scale holds as well."""
    given = [settings.get(key) for key in ("mean", "variance")]
    if settings.get("axis") != -1 or settings.get("invert"):
        raise UserError(f"{reading.where}: expected a mean and variance of channels, got others in {name}; {ADVICE}")
    if given == [None, None]:
        plain = {"center": False, "scale": False, "epsilon": _NORMALIZATION_EPSILON}
        return reading.add("BatchNormalization", inputs, plain, name, place)
    means, variances = (_flat(value) for value in given)
    if not means or len(means) != len(variances or ()) or not all(v > 0 for v in variances):
        raise UserError(f"{reading.where}: expected a mean and variance of channels, got {_shown(given)} in {name}")
    scale = [v**-0.5 for v in variances]
    offset = [-m * s for m, s in zip(means, scale, strict=True)]
    return reading.add("Rescaling", inputs, {"scale": scale, "offset": offset}, name, None)


def _flat(value):
    """A number, or nested lists around one list of numbers, as a list; None for others."""
    while isinstance(value, list) and len(value) == 1 and isinstance(value[0], list):
        value = value[0]
    values = value if isinstance(value, list) else [value]
    return values if all(type(v) in (int, float) and abs(v) < 1e9 for v in values) else None


_READERS = {
    "Softmax": _read_softmax,
    "Activation": _read_activation,
    "Normalization": _read_normalization,
}


def _shown(value):
    return shown(repr(value), most=80)
