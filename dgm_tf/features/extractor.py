"""The network of a backbone: layers of the closed list, which extract a vector of features from an image."""

import math

import gin
import keras
import numpy as np
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.errors import UserError
from dgm_tf.features import graph
from dgm_tf.features.features import FeatureExtractor
from dgm_tf.registry import register
from dgm_tf.text import shown

CHANNELS = 3
_MOST_VALUES = 100_000_000  # of a layer for a batch: a few such outputs are in memory at once
# What models take that were trained on ImageNet by the habits of PyTorch and of Caffe: RGB in [0, 1] less its mean and
# divided by its deviation, and BGR in [0, 255] less its mean.
IMAGENET, CAFFE = "imagenet", "caffe"
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CAFFE_MEAN = (103.939, 116.779, 123.68)


@gin.register(denylist=["image_shape"])
@register
@keras.saving.register_keras_serializable("dgm_tf")
class BackboneExtractor(FeatureExtractor):
    """A fixed backbone. It is always in inference mode, computes in float32, and has nothing to train.

    Args:
      image_shape: (H, W, 3).
      layers: plain lists as `graph.to_config` gives them; the last layer puts out maps, which are averaged over
        positions, or a vector.
      input_range: (low, high), the values that black and white have for the first layer, "imagenet" or "caffe".
      levels: number of earlier stages whose maps, averaged over positions, join the last output; see `graph.stages`.
        Each of these vectors is then scaled to one length, so that all count alike.
      length: that one, > 0.

    Shapes: images float32 [N, H, W, 3] in [-1, 1] -> features float32 [N, num_features].
    """

    def __init__(self, image_shape=(128, 128, 3), layers=(), input_range=(0, 255), levels=0, length=1.0):
        super().__init__(name="backbone", dtype="float32")
        self.image_shape = _checked_shape(image_shape)
        self.input_range = checked_range(input_range, "BackboneExtractor.input_range")
        self.nodes = graph.from_config(layers)
        self.row, shapes = graph.layers(self.nodes, self.image_shape)
        shape = shapes[-1]
        if len(shape) not in (2, 4):
            raise UserError(f"layers: expected maps or a vector as the last output, got the shape {list(shape[1:])}")
        stages = graph.stages(self.nodes, shapes)
        checks.integer_in("levels", levels, f"[0, {len(stages)}]")
        checks.number_in("length", length, "(0, inf)")
        self.levels, self.length = levels, length
        self._joined = stages[len(stages) - levels :]
        self.num_features = shape[-1] + sum(shapes[position][-1] for position in self._joined)
        checks.integer_in("features of an image", self.num_features, f"[1, {limits.MAX_BACKBONE_FEATURES}]")
        largest = max(math.prod(shape[1:]) for shape in shapes)
        self.batch_size = max(1, min(FeatureExtractor.batch_size, _MOST_VALUES // largest))
        self._last_use = _last_use(self.nodes, self._joined)
        _check_held(shapes, self._last_use)
        self.trainable = False
        self.built = True

    def call(self, images, training=False):
        """The features, whatever `training` is."""
        values = {graph.IMAGE: _rescaled(tf.cast(images, tf.float32), self.input_range)}
        for position, (node, layer) in enumerate(zip(self.nodes, self.row, strict=True), start=1):
            given = [values[value] for value in node.inputs]
            options = {"training": False} if node.kind == "BatchNormalization" else {}
            values[position] = layer(given if len(given) > 1 else given[0], **options)
            for value in self._last_use.get(position, ()):
                del values[value]  # or all maps of a batch would be held at once
        parts = [_averaged(values[position]) for position in (*self._joined, len(self.nodes))]
        if not self.levels:
            return parts[0]
        return tf.concat([self.length * tf.math.l2_normalize(part, axis=1) for part in parts], axis=1)

    def get_config(self):
        """Plain values."""
        given = self.input_range
        return {
            "image_shape": list(self.image_shape),
            "layers": graph.to_config(self.nodes),
            "input_range": given if isinstance(given, str) else list(given),
            "levels": self.levels,
            "length": self.length,
        }


def checked_range(value, name):
    """Returns "imagenet", "caffe" or (low, high), two numbers of which the first is smaller."""
    if isinstance(value, str) and value in (IMAGENET, CAFFE):
        return value
    fits = isinstance(value, (list, tuple)) and len(value) == 2
    if not fits or not all(checks.inside(v, "[-1000, 1000]") for v in value) or not value[0] < value[1]:
        expected = f"(low, high) in [-1000, 1000], {IMAGENET!r} or {CAFFE!r}"
        raise UserError(f"{name}: expected {expected}, got {shown(repr(value), most=80)}")
    return tuple(value)


def _checked_shape(shape):
    fits = isinstance(shape, (list, tuple)) and len(shape) == 3 and all(type(size) is int for size in shape)
    if not fits or not all(1 <= size < 65536 for size in shape) or shape[2] != CHANNELS:
        raise UserError(f"image_shape: expected (height, width, {CHANNELS}), got {shown(repr(shape), most=80)}")
    return tuple(shape)


def most_levels(nodes, image_shape, most_features):
    """The most levels of an extractor of these layers that has no more features than that; 0 where none fits."""
    _, shapes = graph.layers(nodes, image_shape)
    stages = graph.stages(nodes, shapes)
    sizes = [shapes[-1][-1], *(shapes[position][-1] for position in reversed(stages))]
    return max(0, int(np.sum(np.cumsum(sizes) <= most_features)) - 1)


def _averaged(values):
    return tf.reduce_mean(values, [1, 2]) if len(values.shape) == 4 else values


def _last_use(nodes, kept=()):
    """{position of a layer: values that no later one takes}; the last layer's output and the kept ones stay."""
    last: dict[int, int] = {}
    for position, node in enumerate(nodes, start=1):
        last |= dict.fromkeys((position, *node.inputs), position)
    positions: dict[int, list[int]] = {}
    for value, position in last.items():
        if value != len(nodes) and value not in kept:
            positions.setdefault(position, []).append(value)
    return positions


def _check_held(shapes, last_use):
    """Raises UserError if the outputs of layers that later ones still take are too many together for one image."""
    held = math.prod(shapes[graph.IMAGE][1:])
    for position in range(1, len(shapes)):
        held += math.prod(shapes[position][1:])
        if held > limits.MAX_BACKBONE_HELD_VALUES:
            most = f"{limits.MAX_BACKBONE_HELD_VALUES:,}"
            raise UserError(f"layers: layer {position}: expected at most {most} values in memory at once, got {held:,}")
        held -= sum(math.prod(shapes[value][1:]) for value in last_use.get(position, ()))


def _rescaled(images, input_range):
    """Images in [-1, 1] as the backbone takes them."""
    if input_range == IMAGENET:
        return ((images + 1) / 2 - _MEAN) / _DEVIATION
    if input_range == CAFFE:
        return (images[..., ::-1] + 1) * 127.5 - _CAFFE_MEAN
    low, high = input_range
    return images if (low, high) == (-1, 1) else (images + 1) * ((high - low) / 2) + low
