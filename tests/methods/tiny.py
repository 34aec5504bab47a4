"""Tasks and methods small enough to be learned in seconds."""

import dataclasses

import numpy as np

from dgm_tf.data.arrays import Split
from dgm_tf.data.stream import Task
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.dgr import DGR
from dgm_tf.methods.ewc_m import EWCM
from dgm_tf.methods.mergan import MeRGAN
from dgm_tf.networks.conditional import ConditionalGenerator
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings


@register
class WeightsGenerator(DCGANGenerator):
    """DGMw's."""

    def __init__(self, image_shape=(32, 32, 1), plasticity="weights", filters=2, latent_size=16, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


@register
class UnitsGenerator(DCGANGenerator):
    """DGMa's."""

    def __init__(self, image_shape=(32, 32, 1), plasticity="units", filters=2, latent_size=16, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


@register
class Discriminator(DCGANDiscriminator):
    """The DCGAN one, with few filters."""

    def __init__(self, image_shape=(32, 32, 1), num_classes=1, filters=(2, 4, 6)):
        super().__init__(image_shape, num_classes, filters)


@register
class SharedGenerator(ConditionalGenerator):
    """The class-conditional one, with few filters."""

    def __init__(self, image_shape=(32, 32, 1), num_classes=1, filters=2, kernel_size=4, latent_size=8):
        super().__init__(image_shape, num_classes, filters, kernel_size, latent_size)


GENERATORS = {"weights": WeightsGenerator, "units": UnitsGenerator}
GAN = GANSettings(epochs=2, batch_size=8)
# So few steps have to be large ones for images to be seen.
LARGE_STEPS = GANSettings(epochs=2, batch_size=8, generator_learning_rate=0.03)


def dgm(plasticity="weights", classifier=None, **settings):
    """A DGM of tiny networks: two GAN epochs and s_max 50."""
    settings = {"gan": GAN, "sparsity_weight": 0.05, "mask_scale_per_epoch": 25.0} | settings
    return DGM(GENERATORS[plasticity], Discriminator, settings=classifier or ClassifierSettings(), **settings)


def ewc_m(**settings):
    """EWC-M of tiny networks, with closing epochs."""
    closing = ClassifierSettings("none", closing_epochs=1)
    settings = {"gan": LARGE_STEPS, "settings": closing, "fisher_samples": 4, "consolidation_weight": 10.0} | settings
    return EWCM(SharedGenerator, Discriminator, **settings)


def mergan(strategy, **settings):
    """MeRGAN of tiny networks, with two critic steps and closing epochs."""
    gan = dataclasses.replace(LARGE_STEPS, auxiliary_loss=True, critic_steps=2)
    settings = {"gan": gan, "settings": ClassifierSettings("constant", closing_epochs=1)} | settings
    return MeRGAN(SharedGenerator, Discriminator, strategy=strategy, **settings)


def dgr(**settings):
    """DGR of tiny networks."""
    settings = {"gan": LARGE_STEPS, "settings": ClassifierSettings("none", closing_epochs=1)} | settings
    return DGR(SharedGenerator, Discriminator, **settings)


def randomize(generator, seed=0):
    """Gives the generator values with which its images differ; returns it."""
    rng = np.random.default_rng(seed)
    for variable in generator.trainable_variables:
        is_kernel = variable.name == "kernel"
        values = rng.normal(0.0, 0.3, variable.shape) if is_kernel else rng.uniform(0.5, 1.0, variable.shape)
        variable.assign(values)
    return generator


def pool(method, context, phase=0):
    """The `Pool` that a phase of the task learns from, by default the first."""
    return method.phases(context)[phase]().pool


def replayed(method, context, phase=0):
    """The groups of replay in a phase's pool: (images float32 in [-1, 1], labels), arrays of numpy."""
    found = pool(method, context, phase)
    return [tuple(np.asarray(part) for part in found.gather(np.asarray(rows))) for rows in found.replay]


def current(method, context, phase=0):
    """The current task's images in a phase's pool, likewise."""
    found = pool(method, context, phase)
    return tuple(np.asarray(part) for part in found.gather(np.asarray(found.current)))


SHARED = {
    "ewc_m": ewc_m,
    "mergan_jtr": lambda: mergan("joint_replay"),
    "mergan_ra": lambda: mergan("replay_alignment"),
    "dgr": dgr,
}


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
