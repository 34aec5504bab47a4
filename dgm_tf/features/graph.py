"""The architecture of a backbone: layers of the closed list in a row, each of which names the values that it takes."""

import dataclasses
import math

from dgm_tf import limits
from dgm_tf.errors import UserError
from dgm_tf.features import keras_layers
from dgm_tf.text import shown

IMAGE = 0  # value 0 is the image, value i what the i-th layer puts out


@dataclasses.dataclass(frozen=True)
class Node:
    """A layer.

    Attributes:
      kind: a key of `keras_layers.KINDS`.
      inputs: the values that it takes, all of them earlier ones.
      settings: {name: checked value}.
    """

    kind: str
    inputs: tuple[int, ...]
    settings: dict


def to_config(nodes):
    """Returns plain lists: [kind, inputs, [[name, value], ...]] of each layer, without settings at their default."""
    return [[node.kind, list(node.inputs), _told(node)] for node in nodes]


def _told(node):
    known = keras_layers.KINDS[node.kind].settings
    return [[name, value] for name, value in node.settings.items() if value != known[name].default]


def from_config(config):
    """Inverse of `to_config`. Everything is checked, and nothing is made.

    Raises:
      UserError: for what is no such list, another kind of layer, other settings or too many layers.
    """
    if not isinstance(config, (list, tuple)) or not 1 <= len(config) <= limits.MAX_BACKBONE_LAYERS:
        got = len(config) if isinstance(config, (list, tuple)) else shown(repr(config), most=80)
        raise UserError(f"layers: expected a list of 1 to {limits.MAX_BACKBONE_LAYERS} layers, got {got}")
    return tuple(_node(entry, position) for position, entry in enumerate(config, start=1))


def _node(entry, position):
    where = f"layers: layer {position}"
    fits = isinstance(entry, (list, tuple)) and len(entry) == 3 and all(map(_is_list, entry[1:]))
    if not fits or not all(_is_list(s) and len(s) == 2 and isinstance(s[0], str) for s in entry[2]):
        raise UserError(f"{where}: expected [kind, inputs, settings], got {shown(repr(entry), most=80)}")
    kind, inputs, settings = entry
    if not isinstance(kind, str) or kind not in keras_layers.KINDS:
        raise UserError(f"{where}: expected one of {', '.join(keras_layers.KINDS)}, got {shown(repr(kind), most=80)}")
    return node(kind, inputs, {name: _as_lists(value) for name, value in settings}, position, where)


def node(kind, inputs, settings, position, where):
    """Returns a checked `Node`, which will be the layer at the position, from 1."""
    earlier = all(type(value) is int and 0 <= value < position for value in inputs)
    if not earlier or not (len(inputs) > 1 if keras_layers.KINDS[kind].joins else len(inputs) == 1):
        count = "two or more" if keras_layers.KINDS[kind].joins else "one"
        got = shown(repr(list(inputs)), most=80)
        raise UserError(f"{where} ({kind}): expected {count} of the earlier values 0 to {position - 1}, got {got}")
    return Node(kind, tuple(inputs), keras_layers.checked_settings(kind, settings, f"{where} ({kind})"))


def _is_list(value):
    return isinstance(value, (list, tuple))


def _as_lists(value):
    return [_as_lists(item) for item in value] if _is_list(value) else value


def layers(nodes, image_shape):
    """Makes and builds the layers, named by their position; returns (layers, shapes of the image and all outputs).

    The size of weights and outputs is checked before memory is taken for them.

    Raises:
      UserError: if layers do not fit each other, or take more than the limits.
    """
    shapes, built, entries = [(None, *image_shape)], [], 0
    for position, entry in enumerate(nodes, start=1):
        where = f"layers: layer {position} ({entry.kind})"
        given = [shapes[value] for value in entry.inputs]
        entries += keras_layers.KINDS[entry.kind].entries(entry.settings, given[0])
        if entries > limits.MAX_BACKBONE_WEIGHTS:
            raise UserError(f"{where}: expected at most {limits.MAX_BACKBONE_WEIGHTS:,} weights, got {entries:,}")
        given = given if keras_layers.KINDS[entry.kind].joins else given[0]
        layer, shape = _built(entry, f"layer_{position:04d}", given, where)
        built.append(layer)
        shapes.append(shape)
    return built, shapes


def stages(nodes, shapes):
    """Positions of the layers that end a stage, the last layer left out.

    In networks with sums (residual ones) a stage ends with the last sum of so many channels, in others with the last
    maps of a resolution.

    nodes, shapes: as of `layers`.
    """
    maps = [position for position in range(1, len(nodes)) if len(shapes[position]) == 4]
    sums = [position for position in maps if nodes[position - 1].kind == "Add"]
    ends = {shapes[position][-1]: position for position in sums} if sums else {shapes[p][1:3]: p for p in maps}
    return sorted(ends.values())


def _built(entry, name, given, where):
    lengths = {len(value) for value in entry.settings.values() if entry.kind == "Rescaling" and isinstance(value, list)}
    if lengths - {given[-1]}:
        raise UserError(f"{where}: expected {given[-1]} numbers, one for each channel, got {max(lengths)}")
    try:
        layer = keras_layers.made(entry.kind, entry.settings, name)
        shape = tuple(layer.compute_output_shape(given))
        _check_shape(shape, where)
        layer.build(given)
    except UserError:
        raise
    except Exception as error:  # settings and shapes that do not belong together fail anywhere in Keras
        reason = shown(str(error).split("\n")[0], most=200)
        raise UserError(f"{where}: does not fit its input of shape {given}: {reason}") from error
    return layer, shape


def _check_shape(shape, where):
    if len(shape) not in (2, 3, 4) or not all(isinstance(size, int) and size >= 1 for size in shape[1:]):
        raise UserError(f"{where}: expected an output of one or more values in each direction, got {list(shape[1:])}")
    if (values := math.prod(shape[1:])) > limits.MAX_BACKBONE_VALUES:
        raise UserError(f"{where}: expected at most {limits.MAX_BACKBONE_VALUES:,} output values, got {values:,}")
