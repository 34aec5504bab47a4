"""Backbones of keras.applications: what they expect, and where their weights lie. Nothing is ever downloaded."""

import dataclasses
import json
import os
import pathlib

import keras

from dgm_tf.errors import UserError
from dgm_tf.features import graph, keras_config
from dgm_tf.features.extractor import CAFFE, IMAGENET
from dgm_tf.text import shown

_SIGNED, _LEVELS = (-1, 1), (0, 255)
_KERNELS = "{name}_weights_tf_dim_ordering_tf_kernels_notop.h5"
# Keras adds this layer to its EfficientNets of ImageNet's weights, and to no others.
_DEVIATIONS = (0.229, 0.224, 0.225)

_TRAINED_AT = {"MobileNet": (128, 160, 192), "MobileNetV2": (96, 128, 160, 192)}  # beside 224


@dataclasses.dataclass(frozen=True)
class Family:
    """input_range: as `BackboneExtractor` takes it; file: of weights in Keras's cache; prefix: of a model's name."""

    input_range: tuple | str
    file: str
    prefix: str = ""


def _families():
    found = {
        "MobileNet": Family(_SIGNED, "mobilenet_1_0_{size}_tf_no_top.h5", "mobilenet_"),
        "MobileNetV2": Family(
            _SIGNED, "mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5", "mobilenetv2_"
        ),
        "InceptionV3": Family(_SIGNED, _KERNELS.format(name="inception_v3"), "inception_v3"),
        "NASNetMobile": Family(_SIGNED, "nasnet_mobile_no_top.h5", "nasnet_mobile"),
        "NASNetLarge": Family(_SIGNED, "nasnet_large_no_top.h5", "nasnet_large"),
        "Xception": Family(_SIGNED, _KERNELS.format(name="xception"), "xception"),
    }
    for size in ("Small", "Large"):
        file = f"weights_mobilenet_v3_{size.lower()}_224_1.0_float_no_top_v2.h5"
        found[f"MobileNetV3{size}"] = Family(_LEVELS, file, f"MobileNetV3{size}")
    kernels: dict[tuple | str, tuple] = {IMAGENET: ("DenseNet121", "DenseNet169", "DenseNet201")}
    kernels[CAFFE] = ("ResNet50", "ResNet101", "ResNet152", "VGG16", "VGG19")
    kernels[_SIGNED] = ("ResNet50V2", "ResNet101V2", "ResNet152V2")
    for input_range, names in kernels.items():
        found |= {n: Family(input_range, _KERNELS.format(name=n.lower()), n.lower()) for n in names}
    for name in (f"B{i}" for i in range(8)):
        prefix = f"efficientnet{name.lower()}"
        found[f"EfficientNet{name}"] = Family(_LEVELS, f"{prefix}_notop.h5", prefix)
    for name in ("B0", "B1", "B2", "B3", "S", "M", "L"):
        prefix = f"efficientnetv2-{name.lower()}"
        found[f"EfficientNetV2{name}"] = Family(_LEVELS, f"{prefix}_notop.h5", prefix)
    return dict(sorted(found.items()))


FAMILIES = _families()


def known_range(name):
    """Input range of a model of Keras by the name that it has in a file; None for others."""
    families = sorted(FAMILIES.values(), key=lambda family: -len(family.prefix))  # resnet50v2 before resnet50
    return next((f.input_range for f in families if str(name).startswith(f.prefix)), None)


def read(name, image_shape, pretrained):
    """Reads the architecture of a name in `FAMILIES`, without memory for its weights.

    Args:
      image_shape: (H, W, 3).
      pretrained: whether the weights will be those of ImageNet.

    Raises:
      UserError: it takes no images of this size.
    """
    where = f"Backbone.model: {name}"
    try:
        with keras.StatelessScope(initialize_variables=False):
            model = getattr(keras.applications, name)(include_top=False, weights=None, input_shape=tuple(image_shape))
    except ValueError as error:
        reason = shown(str(error).split("\n")[0], most=200)
        raise UserError(f"{where} expects images of another size than {image_shape[:2]}: {reason}") from error
    config = {"module": "keras", "class_name": "Functional", "config": model.get_config()}
    reading = keras_config.read(json.loads(json.dumps(config)), where)
    if pretrained and name.startswith("EfficientNetB"):
        _divide(reading, [deviation**-0.5 for deviation in _DEVIATIONS])
    return reading


def _divide(reading, scale):
    """Adds a layer after the normalization, which is the second."""
    nodes = [dataclasses.replace(n, inputs=tuple(v + (v > 1) for v in n.inputs)) for n in reading.nodes]
    added = graph.node("Rescaling", (2,), {"scale": scale}, 3, reading.where)
    reading.nodes = [*nodes[:2], added, *nodes[2:]]
    reading.places.insert(2, None)


def cached_weights(name, image_shape):
    """Path of the weights of ImageNet where Keras keeps what it has downloaded.

    Raises:
      UserError: they are not there.
    """
    height, width = image_shape[:2]
    size = height if height == width and height in _TRAINED_AT.get(name, ()) else 224
    home = pathlib.Path(os.environ.get("KERAS_HOME") or pathlib.Path.home() / ".keras")
    path = home / "models" / FAMILIES[name].file.format(size=size)
    if not path.is_file():
        call = f"keras.applications.{name}(include_top=False, input_shape={tuple(image_shape)})"
        raise UserError(
            f"Backbone.weights: expected a file of weights, as nothing is downloaded, got None and found no "
            f"{shown(path)}; set it to a file, or call {call} once where there is a network"
        )
    return path
