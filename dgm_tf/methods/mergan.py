"""MeRGAN: a conditional GAN that learns from, or is aligned with, its own replay (Wu et al., NeurIPS 2018)."""

import dataclasses

import gin
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.errors import UserError
from dgm_tf.methods.generative import GenerativeMethod
from dgm_tf.methods.shared_generator import (
    SharedGeneratorRules,
    generator_bytes,
    keep_student,
    next_networks,
    student_phases,
)
from dgm_tf.networks.conditional import ConditionalGenerator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.gan import GENERATOR_LOSSES, GANSettings
from dgm_tf.training.randomness import normal, replica_slice, split_seed, uniform

STRATEGIES = ("joint_replay", "replay_alignment")


class ReplayAlignmentRules(SharedGeneratorRules):
    """Adversarial training on the current images; for earlier classes the generator must make what its old copy makes.

    Args:
      generator: `ConditionalGenerator` that is trained.
      memory: its copy of before the task.
      weight: lambda_RA >= 0.
      batch_size: replayed images a step, over all replicas.
    """

    def __init__(self, generator, memory, weight, batch_size):
        super().__init__(generator)
        self._memory, self._weight, self._batch_size = memory, weight, batch_size

    def penalty(self, schedule, seed):
        """lambda_RA E |G(z, c) - G_old(z, c)|^2, z from N(0, 1), c uniform over the earlier classes (eq. 8).

        The images are those of inference, with each class's own batch norm statistics, as they are replayed; so it
        is 0 when the task begins.
        """
        z_seed, class_seed = split_seed(seed, 2)
        z = replica_slice(normal([self._batch_size, self.generator.latent_size], z_seed))
        labels = replica_slice(uniform([self._batch_size], class_seed, 0, self._memory.num_classes, tf.int32))
        replayed = tf.stop_gradient(self._memory(self._memory.latents(z, labels)))
        images = self.generator(self.generator.latents(z, labels))
        return self._weight * losses.replay_alignment_loss(images, replayed)


@gin.register
@register
@dataclasses.dataclass
class MeRGAN(GenerativeMethod):
    """Memory replay GAN.

    "joint_replay" (MeRGAN-JTR): the GAN learns from the current images and from as many replayed ones of each earlier
    class, made by the generator's copy of before the task. "replay_alignment" (MeRGAN-RA): it learns from the current
    images alone, and its generator is tied to the copy pixel by pixel. The class head of D learns from current
    and replayed images in both. The defaults are the paper's for MNIST, 4,000 generator steps a task, but for
    `alignment_weight`, which is constant here.

    Attributes:
      strategy: "joint_replay" or "replay_alignment".
      alignment_weight: lambda_RA >= 0 for "replay_alignment". In the unit used here, a mean over images of squares
        summed over pixels, the published MNIST experiments had 0.032 / earlier classes.
      reinitialize_discriminator: whether D starts afresh at each task; as a rule it is trained on, like the generator.
      The others: see `GenerativeMethod`.
    """

    generator: type = ConditionalGenerator
    gan: GANSettings = GANSettings(
        epochs=48, generator_learning_rate=1e-4, discriminator_learning_rate=1e-4, beta_1=0.0, beta_2=0.9,
        gradient_penalty_weight=10.0, critic_steps=5, auxiliary_loss=True,
    )  # fmt: skip
    settings: ClassifierSettings = ClassifierSettings("constant", updates=5, closing_epochs=3)
    reinitialize_discriminator: bool = False
    strategy: str = "joint_replay"
    alignment_weight: float = 1e-2

    def __post_init__(self):
        super().__post_init__()
        checks.choice(self, "strategy", STRATEGIES)
        checks.number(self, "alignment_weight", "[0, inf)")
        if self.strategy == "joint_replay" and not self.gan.auxiliary_loss:
            raise UserError(
                "GANSettings.auxiliary_loss: expected True for MeRGAN's joint_replay, whose critic sees all classes "
                "mixed: nothing else ties a class's code to its images; got "
                f"{self.gan.auxiliary_loss}"
            )

    @property
    def remedies(self):
        """The alignment's weight, where there is one."""
        aligned = self.strategy == "replay_alignment"
        return (Remedy("gan", GENERATOR_LOSSES, "a lower", "alignment_weight"),) if aligned else ()

    def begin_task(self, context):
        """Generator and discriminator are trained on, with room for the new classes."""
        next_networks(self, context)

    def phases(self, context):
        """The GAN; in closing epochs the classifier, on what the student now remembers."""
        return student_phases(self, context)

    def generator_rules(self):
        """Of the strategy, whose two are the same at the first task."""
        networks = self.networks
        if self.strategy == "joint_replay" or networks.generator is None:
            return SharedGeneratorRules(networks.student, joint=True)
        return ReplayAlignmentRules(networks.student, networks.generator, self.alignment_weight, self.gan.batch_size)

    def end_task(self, context):
        """The student is the generator from now on; returns its size."""
        return keep_student(self.networks, context)

    def memory_bytes(self):
        """Of the generator, and of its copy that the next task has."""
        return generator_bytes(self.networks)
