"""Tasks and methods small enough to be learned in seconds."""

import numpy as np

from dgm_tf.benchmarks.arrays import Split
from dgm_tf.benchmarks.benchmark import Task
from dgm_tf.methods.dgm import DGM
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings


class WeightsGenerator(DCGANGenerator):
    """DGMw's."""

    def __init__(self, image_shape=(32, 32, 1), plasticity="weights", filters=2, latent_size=16, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


class UnitsGenerator(DCGANGenerator):
    """DGMa's."""

    def __init__(self, image_shape=(32, 32, 1), plasticity="units", filters=2, latent_size=16, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


class Discriminator(DCGANDiscriminator):
    """The DCGAN one, with few filters."""

    def __init__(self, image_shape=(32, 32, 1), num_classes=1, filters=(2, 4, 6)):
        super().__init__(image_shape, num_classes, filters)


GENERATORS = {"weights": WeightsGenerator, "units": UnitsGenerator}
GAN = GANSettings(epochs=2, batch_size=8)


def dgm(plasticity="weights", classifier=None, **settings):
    """A DGM of tiny networks: two GAN epochs and s_max 50."""
    settings = {"gan": GAN, "sparsity_weight": 0.05, "max_mask_scale": 50.0} | settings
    return DGM(
        GENERATORS[plasticity], Discriminator, settings=classifier or ClassifierSettings(), **settings
    )


def split(classes, per_class, seed, shape=(32, 32, 1)):
    """Random images, each class of its own brightness."""
    rng = np.random.default_rng([seed, *classes])
    labels = np.repeat(np.asarray(classes, np.int32), per_class)
    images = rng.integers(0, 60, (len(labels), *shape)) + 40 * (labels % 5)[:, None, None, None]
    return Split(images.astype(np.uint8), labels)


def task(index, classes=None, per_class=16, shape=(32, 32, 1)):
    """Task `index`; by default of one class."""
    classes = (index,) if classes is None else tuple(classes)
    train, validation, test = (split(classes, n, s, shape) for s, n in enumerate((per_class, 4, 4)))
    return Task(index, classes, tuple(f"class {c}" for c in classes), train, validation, test)
