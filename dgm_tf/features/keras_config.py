"""Reads Keras's description of a model as data, into layers of the closed list. Nothing of it is made or called."""

import collections
import dataclasses
import re

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.features import graph
from dgm_tf.features.keras_layer_config import ADVICE, OPERATIONS, read_layer
from dgm_tf.text import shown

_MODELS = {"Functional": "functional", "Sequential": "sequential"}
_MODULES = ("keras", "keras.models", "keras.src.models.functional", "keras.src.models.sequential", None)
_RESHAPING = ("Reshape", "Flatten")


@dataclasses.dataclass
class Reading:
    """A model as it is read.

    Attributes:
      nodes: the layers so far.
      places: for each, where Keras's files have its weights, such as "layers/conv2d_1".
      where: names the model in messages.
      name: that the model has.
      input_shape: (H, W, channels) that it is for; None stands for any number.
      softmax: name of a layer that ends with it, which only a classifier's last layer may; None without.
    """

    where: str
    nodes: list = dataclasses.field(default_factory=list)
    places: list = dataclasses.field(default_factory=list)
    input_shape: tuple | None = None
    name: str = ""
    softmax: str | None = None

    def add(self, kind, inputs, settings, name, place):
        """Adds a layer; returns its value."""
        if self.softmax and kind not in _RESHAPING:
            raise UserError(f"{self.where}: expected no softmax among the layers, got one in {self.softmax}; {ADVICE}")
        position = len(self.nodes) + 1
        if position > limits.MAX_BACKBONE_LAYERS:
            raise UserError(f"{self.where}: expected at most {limits.MAX_BACKBONE_LAYERS} layers, got more")
        self.nodes.append(graph.node(kind, inputs, settings, position, f"{self.where}: {name}"))
        self.places.append(place)
        return position


def read(config, where):
    """Reads the description of a whole model, as `json.loads` gives it, or `Model.get_config` with its class.

    Raises:
      UserError: it has other layers or settings than those of the closed list, shared layers, several inputs or
        outputs, or is a classifier.
    """
    reading = Reading(where, name=_name_of(config))
    output = _read_model(reading, config, graph.IMAGE, "", 1)
    if output != len(reading.nodes) or not output:
        raise UserError(f"{where}: expected a model with layers and a single output, got another; {ADVICE}")
    _refuse_head(reading)
    return reading


def _name_of(config):
    """The model's name; of a sequence of layers with a single model among them, that one's."""
    settings = config.get("config") if isinstance(config, dict) else None
    settings = settings if isinstance(settings, dict) else {}
    entries = settings.get("layers", []) if isinstance(settings.get("layers"), list) else []
    inner = [e for e in entries if isinstance(e, dict) and e.get("class_name") == "Functional"]
    return _name_of(inner[0]) if len(inner) == 1 else str(settings.get("name", ""))[:1000]


def _refuse_head(reading):
    last = next((n for n in reversed(reading.nodes) if n.kind not in _RESHAPING), reading.nodes[-1])
    units = last.settings.get("units", last.settings.get("filters"))
    head = f"a softmax ({reading.softmax})" if reading.softmax else None
    if last.kind in ("Dense", "Activation") and last.settings["activation"] == "sigmoid":
        head = head or "a sigmoid"
    if last.kind in ("Dense", "Conv2D") and units in (1000, 1001):
        head = head or f"{units} classes"
    if head:
        raise UserError(
            f"{reading.where}: expected a model without its classification head, got one that ends with {head}; make "
            "it with include_top=False, or save the part that ends before its last Dense layer"
        )


def _read_model(reading, config, value, place, depth):
    """Reads a model, also one among the layers of another; returns the value that it puts out."""
    where, kind = reading.where, config.get("class_name") if isinstance(config, dict) else None
    if not isinstance(kind, str) or kind not in _MODELS or config.get("module") not in _MODULES:
        raise UserError(
            f"{where}: expected a functional or sequential model of Keras, got {_shown(kind)} of "
            f"{_shown(config.get('module') if isinstance(config, dict) else None)}; {ADVICE}"
        )
    settings = config.get("config")
    entries = settings.get("layers") if isinstance(settings, dict) else None
    if not isinstance(entries, list) or not all(_is_entry(entry) for entry in entries):
        raise UserError(f"{where}: expected a list of layers with class, module and config, got another description")
    if depth > limits.MAX_BACKBONE_DEPTH:
        raise UserError(f"{where}: expected at most {limits.MAX_BACKBONE_DEPTH} models inside each other, got more")
    counts: collections.Counter[str] = collections.Counter()
    values: dict[str, int] = {}
    start = value
    for entry in entries:
        name = entry["config"]["name"]
        if name in values:
            raise UserError(f"{where}: expected layers with names of their own, got {_shown(name)} twice")
        is_first = kind == "Functional" and entry["class_name"] == "InputLayer"
        if is_first or kind == "Sequential":
            inputs, constants = [start if is_first else value], []
        else:
            inputs, constants = _given(reading, entry, values)
        inner = _place(entry, place, counts)
        if entry["class_name"] in _MODELS and len(inputs) == 1:
            values[name] = value = _read_model(reading, entry, inputs[0], f"{inner}/", depth + 1)
        else:
            values[name] = value = read_layer(reading, entry, inputs, constants, inner)
    if kind == "Sequential":
        return value
    inputs, outputs = (_single(reading, settings.get(key), key) for key in ("input_layers", "output_layers"))
    made = [e["config"]["name"] for e in entries if e["class_name"] == "InputLayer"]
    if made != [inputs] or outputs not in values:
        raise UserError(f"{where}: expected a model with one input and one output, got {len(made)} inputs; {ADVICE}")
    return values[outputs]


def _is_entry(entry):
    fits = isinstance(entry, dict) and isinstance(entry.get("config"), dict)
    return fits and isinstance(entry.get("class_name"), str) and isinstance(entry["config"].get("name"), str)


def _single(reading, told, what):
    """The layer's name of `[name, 0, 0]`, or of a list of one of these."""
    if isinstance(told, list) and len(told) == 1:
        told = told[0]
    if not isinstance(told, list) or len(told) != 3 or not isinstance(told[0], str) or told[1:] != [0, 0]:
        what = what.split("_")[0]
        raise UserError(f"{reading.where}: expected a model with one {what}, got {_shown(told)}; {ADVICE}")
    return told[0]


def _given(reading, entry, values):
    """Returns (values that a layer takes, numbers beside them)."""
    name, calls = entry["config"]["name"], entry.get("inbound_nodes")
    if not isinstance(calls, list) or len(calls) != 1:
        raise UserError(f"{reading.where}: expected layer {_shown(name)} to be used once, got a shared one; {ADVICE}")
    call = calls[0]
    if not isinstance(call, dict) or not isinstance(call.get("args"), list) or not isinstance(call.get("kwargs"), dict):
        raise UserError(f"{reading.where}: expected a file of Keras 3, got an earlier one; load it and save it again")
    if any(v is not None and type(v) is not bool and k != "mask" for k, v in call["kwargs"].items()):
        raise UserError(f"{reading.where}: expected layer {_shown(name)} to take images alone, got other arguments")
    return _arguments(reading, name, call["args"], values)


def _arguments(reading, name, arguments, values):
    while len(arguments) == 1 and isinstance(arguments[0], list):
        arguments = arguments[0]
    inputs, constants = [], []
    for argument in arguments:
        history = _history(argument)
        if type(argument) in (int, float):
            constants.append(argument)
        elif history and history[0] in values and history[1:] == [0, 0]:
            inputs.append(values[history[0]])
        else:
            got = _shown(history or argument)
            raise UserError(f"{reading.where}: expected layer {_shown(name)} to take earlier layers, got {got}")
    return inputs, constants


def _history(argument):
    """[layer's name, 0, 0] of what an earlier layer has put out; None for anything else."""
    settings = argument.get("config") if isinstance(argument, dict) else None
    history = settings.get("keras_history") if isinstance(settings, dict) else None
    return history if isinstance(history, list) and history and isinstance(history[0], str) else None


def _place(entry, place, counts):
    """Where Keras's file of weights has a layer: it counts the layers of a class."""
    if entry.get("module") == OPERATIONS:
        return None
    kind = _MODELS.get(entry["class_name"]) or _snake_case(entry["class_name"])
    number = counts[kind]
    counts[kind] += 1
    return f"{place}layers/{kind}" + (f"_{number}" if number else "")


def _snake_case(name):
    """As Keras names its classes in files: "BatchNormalization" -> "batch_normalization", "Conv2D" -> "conv2d"."""
    name = re.sub(r"\W+", "", name)
    return re.sub("([a-z])([A-Z])", r"\1_\2", re.sub("(.)([A-Z][a-z]+)", r"\1_\2", name)).lower()


def _shown(value):
    return shown(repr(value), most=80)
