"""EWC-M: a conditional GAN whose generator is held by elastic weight consolidation (Seff et al., 2017)."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.methods.array_spec import ArraySpec
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
from dgm_tf.serialization import keys
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.gan import GENERATOR_LOSSES
from dgm_tf.training.randomness import normal, stateless_seed


class ConsolidationRules(SharedGeneratorRules):
    """Adversarial training, and a quadratic pull of each parameter to where the last task left it.

    Args:
      generator: `ConditionalGenerator`.
      weight: lambda >= 0.
      importances, anchors: lists of float32 arrays, parallel to the generator's trainable variables; or empty.
    """

    def __init__(self, generator, weight, importances=(), anchors=()):
        super().__init__(generator)
        self._weight = weight
        self._pulls = [(tf.constant(f), tf.constant(a)) for f, a in zip(importances, anchors, strict=True)]

    def penalty(self, schedule, seed):
        """lambda / 2 sum_i F_i (theta_i - theta*_i)^2 (Seff et al., 2017, the augmented loss of G)."""
        pulls = zip(self._pulls, self.generator.trainable_variables, strict=False)
        terms = [tf.reduce_sum(f * tf.square(v - a)) for (f, a), v in pulls]
        return 0.5 * self._weight * tf.add_n(terms) if terms else tf.zeros([])


@gin.register
@register
@dataclasses.dataclass
class EWCM(GenerativeMethod):
    """EWC on the generator; the classifier learns from what the generator still remembers, and the current images.

    The Fisher information of a parameter is the mean, over generated images of the classes just learned, of the squared
    derivative of the generator's loss -D(G(z, c)), image by image. The tasks' informations are added up, and the anchor
    is the generator as the last task left it.

    The paper's network has ordinary batch norm, whose moving averages no penalty holds; here they, gamma and beta
    are per class, as in the generator that the published scores on MNIST come from (Wu et al., 2018).

    Attributes:
      consolidation_weight: lambda >= 0; the critic's scores have no unit, so that it depends on the data and networks.
      fisher_samples: generated images that the importance of a task is estimated from; each costs a gradient of its
        own, and with few of them the importances are noisy.
      reinitialize_discriminator: whether D starts afresh at each task; as a rule it is trained on, like the generator.
      The others: see `GenerativeMethod`.
    """

    generator: type = ConditionalGenerator
    reinitialize_discriminator: bool = False
    consolidation_weight: float = 1e4
    fisher_samples: int = 256

    remedies = (Remedy("gan", GENERATOR_LOSSES, "a lower", "consolidation_weight"),)

    def __post_init__(self):
        super().__post_init__()
        checks.number(self, "consolidation_weight", "[0, inf)")
        checks.integer(self, "fisher_samples", "[1, inf)")
        self._importances, self._of_task = [], []

    def begin_task(self, context):
        """Generator and discriminator are trained on, with room for the new classes."""
        next_networks(self, context)

    def phases(self, context):
        """The GAN with its pull; in closing epochs the classifier, on what the student now remembers."""
        # The closing epochs change the critic that importances are measured by; a checkpoint in them keeps these.
        return student_phases(self, context, before_closing=lambda: self._measure(context))

    def generator_rules(self):
        """The pull to where the last task left the generator, at the first task none."""
        student = self.networks.student
        if not self._importances:
            return ConsolidationRules(student, self.consolidation_weight)
        shapes = [v.shape for v in student.trainable_variables]
        anchors = [np.asarray(v) for v in self.networks.generator.trainable_variables]
        held = ([padded(a, s) for a, s in zip(arrays, shapes, strict=True)] for arrays in (self._importances, anchors))
        return ConsolidationRules(student, self.consolidation_weight, *held)

    def _measure(self, context):
        if not self._of_task:
            labels = np.resize(np.asarray(context.task.classes, np.int32), self.fisher_samples)
            seed, student = stateless_seed(context.task_seed, "fisher"), self.networks.student
            latents = student.latents(normal([len(labels), student.latent_size], seed), labels)
            self._of_task = generator_fisher(student, self.networks.classifier, latents)

    def end_task(self, context):
        """Adds the task's importances to those of the tasks before; the student is the generator from now on."""
        self._measure(context)
        earlier = self._importances or [np.zeros(f.shape, np.float32) for f in self._of_task]
        self._importances = [padded(e, f.shape) + f for e, f in zip(earlier, self._of_task, strict=True)]
        self._of_task = []
        return keep_student(self.networks, context)

    def arrays(self):
        """Importances of the ended tasks, and of the present one where they have been measured; the confidence."""
        return super().arrays() | {
            f"{name}/{i:04d}": array
            for name, arrays in (("importance", self._importances), ("importance of task", self._of_task))
            for i, array in enumerate(arrays)
        }

    def array_specs(self, networks, num_classes, image_shape):
        """An importance for each of the generator's trainable variables."""
        specs = [ArraySpec(tuple(v.shape)) for v in networks.generator.trainable_variables]
        own = dict(zip(keys("importance", specs), specs, strict=True))
        return super().array_specs(networks, num_classes, image_shape) | own

    def restore_arrays(self, arrays):
        """Takes them back."""
        super().restore_arrays(arrays)
        self._importances, self._of_task = (
            [arrays[key] for key in sorted(arrays) if key.startswith(f"{name}/")]
            for name in ("importance", "importance of task")
        )

    def memory_bytes(self):
        """The generator, its copy, which is the anchor, and the importances."""
        return generator_bytes(self.networks) | {"importances": sum(f.nbytes for f in self._importances)}


def generator_fisher(generator, critic, latents):
    """mean over images of (d -D(G(latents)) / d theta)^2, a list of float32 arrays as the trainable variables.

    Both networks in inference mode, where an image's score does not depend on the others' of a batch.

    Args:
      generator: `ConditionalGenerator`.
      critic: two-headed network, (realness, logits).
      latents: float32 [N, generator's full input].
    """
    variables = generator.trainable_variables

    @tf.function
    def sum_of_squares(latents):
        totals = [tf.zeros(v.shape) for v in variables]
        for i in tf.range(len(latents)):
            with tf.GradientTape() as tape:
                scores, _ = critic(generator(latents[i : i + 1]), training=False)
                loss = losses.wasserstein_generator_loss(scores)
            gradients = tape.gradient(loss, variables)
            totals = [total + tf.square(gradient) for total, gradient in zip(totals, gradients, strict=True)]
        return totals

    return [total.numpy() / len(latents) for total in sum_of_squares(latents)]


def padded(array, shape):
    """The array in the corner of zeros of a shape at least as large: new classes have no importance yet."""
    return np.pad(array, [(0, n - m) for n, m in zip(shape, array.shape, strict=True)])
