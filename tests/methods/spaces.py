"""Feature spaces small enough to be learned in a second."""

import dataclasses

import numpy as np
import tensorflow as tf

from dgm_tf.features.features import FeatureExtractor, Features
from dgm_tf.methods.closed_form import ClosedForm
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.feature_space import FeatureSpace
from dgm_tf.networks.dense import DenseGenerator
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings
from dgm_tf.training.randomness import numpy_generator


@register
class Projection(FeatureExtractor):
    """Random projections of the pixels, minus those of a mean image; batches of five."""

    batch_size = 5

    def __init__(self, image_shape=(32, 32, 1), num_features=6):
        super().__init__(name="projection", dtype="float32")
        self.image_shape, self.num_features = tuple(image_shape), num_features
        size = int(np.prod(self.image_shape))
        self.mean = self.add_weight(shape=(size,), initializer="zeros", trainable=False, name="mean")
        self.kernel = self.add_weight(shape=(size, num_features), initializer="zeros", trainable=False, name="kernel")
        self.built = True

    def call(self, images, training=False):
        pixels = tf.reshape(images, [-1, self.kernel.shape[0]])
        return tf.matmul(pixels - self.mean, self.kernel)

    def get_config(self):
        return {"image_shape": list(self.image_shape), "num_features": self.num_features}


@register
@dataclasses.dataclass
class Projections(Features):
    """`Projection`s whose mean image is the first task's."""

    num_features: int = 6
    pretrained: bool = False

    def extractor_class(self):
        return Projection

    def extractor(self, images, seed):
        network = Projection(images.shape[1:], self.num_features)
        pixels = np.asarray(images).reshape(len(images), -1) / 127.5 - 1.0
        network.mean.assign(pixels.mean(axis=0))
        network.kernel.assign(numpy_generator(seed, "kernel").normal(0.0, 0.05, network.kernel.shape))
        return network


def closed_form(mirrored=False, num_features=6, **settings):
    """A `ClosedForm` among projections."""
    return FeatureSpace(ClosedForm(**settings), Projections(num_features), mirrored)


@register
class WeightsGenerator(DenseGenerator):
    """DGMw's of vectors."""

    def __init__(
        self, image_shape=(6,), units=(8, 6), start="gaussian", plasticity="weights", latent_size=16, **kwargs
    ):
        super().__init__(image_shape, units, start, plasticity=plasticity, latent_size=latent_size, **kwargs)


@register
class UnitsGenerator(WeightsGenerator):
    """DGMa's of vectors."""

    def __init__(self, plasticity="units", **kwargs):
        super().__init__(plasticity=plasticity, **kwargs)


GENERATORS = {"weights": WeightsGenerator, "units": UnitsGenerator}


def dgm(plasticity="weights", mirrored=False, **settings):
    """A DGM among projections."""
    defaults = {
        "gan": GANSettings(epochs=2, batch_size=8),
        "settings": ClassifierSettings("none", closing_epochs=20, generated_current=1.0, learning_rate=0.01),
        "mask_scale_per_epoch": 25.0,
    }
    method = DGM(GENERATORS[plasticity], MLPDiscriminator, **defaults | settings)
    return FeatureSpace(method, Projections(16), mirrored)
