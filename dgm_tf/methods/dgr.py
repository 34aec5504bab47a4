"""DGR: deep generative replay (Shin et al., NeurIPS 2017). The last generator and solver teach the next ones."""

import dataclasses
import functools

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.methods.generative import GenerativeMethod
from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.methods.method import network_bytes
from dgm_tf.methods.selection import CANDIDATES, select
from dgm_tf.methods.shared_generator import SharedGeneratorRules, generator_bytes, keep_student, next_student
from dgm_tf.networks.conditional import ConditionalGenerator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.inference import network_logits
from dgm_tf.training.randomness import fold_in, normal, seeded_initializers, stateless_seed


class UnconditionalRules(SharedGeneratorRules):
    """Adversarial training on all images of the pool, their labels ignored."""

    def __init__(self, generator):
        super().__init__(generator, joint=True)

    def generate(self, z, labels, schedule):
        """Images in training mode."""
        return super().generate(z, tf.zeros_like(labels), schedule)

    def preview(self, z, labels, schedule):
        """Images in inference mode, of whatever class."""
        return super().preview(z, tf.zeros_like(labels), schedule)


# Where nobody states them, of a generator that knows no classes and a solver that learns after it.
_ALONE = {"auxiliary_loss": False, "replay_schedule": "none", "generated_current": 0.0}


def _alone(settings):
    """Settings that do not follow from the size of a task; what is no settings as it is."""
    fields = getattr(settings, "of_task_size", ())
    names = [name for name in fields if name in _ALONE and getattr(settings, name) is None]
    return dataclasses.replace(settings, **{name: _ALONE[name] for name in names}) if names else settings


class Scholar(GeneratorMemory):
    """A generator that knows no classes, and the solver that tells them apart.

    A class can be asked for all the same: images are generated until the solver takes enough of them for the class
    (see `select` for what becomes of a class that the generator has forgotten).

    Args:
      generator: unconditional, a `ConditionalGenerator` of one class.
      solver: two-headed network.
      task_classes: for each task that it knows, its classes.
      limit: images generated at most for each that is asked for.
    """

    def __init__(self, generator, solver, task_classes, limit):
        super().__init__(generator, task_classes)
        self._solver, self._limit, self.selectors = solver, limit, (solver,)

    def latents(self, task, z, labels):
        """Full inputs of the generator, whatever the labels."""
        return self.generator.latents(z, tf.zeros_like(labels))

    def draw(self, labels, seed):
        """z [N, latent_size] whose images the solver takes for the labels. TensorFlow."""
        latent_size = self.generator.latent_size

        def candidates(i):
            z = normal([CANDIDATES, latent_size], fold_in(seed, i))
            images = self.generator(self.latents(0, z, tf.zeros([CANDIDATES], tf.int32)))
            return z, tf.nn.softmax(self._solver(images, training=False)[1])

        return select(labels, candidates, self._solver.num_classes, latent_size, self._limit)

    def replay(self, labels, seed=0):
        """Images that the solver takes for the labels."""
        labels = np.asarray(labels, np.int32)
        if not len(labels):
            return np.zeros((0, *self.generator.image_shape), np.float32)
        z = self.draw(tf.constant(labels), stateless_seed(seed, "latents"))
        return self.generate(0, self.latents(0, z, labels))

    def unasked(self, count, seed):
        """float32 [count, H, W, C]: images of whatever classes; seed: int."""
        z = normal([count, self.generator.latent_size], stateless_seed(seed, "replay"))
        return self.generate(0, self.latents(0, z, tf.zeros([count], tf.int32)))

    def answers(self, images):
        """int32 [N]: the solver's choices for images as a pool holds them."""
        return np.argmax(network_logits(self._solver, images), axis=1).astype(np.int32)


@gin.register
@register
@dataclasses.dataclass
class DGR(GenerativeMethod):
    """Deep generative replay.

    For each task a scholar is trained, from where the last one stood: an unconditional generator by WGAN-GP, then a
    solver (the classifier). Both learn from real images of the task and from images of the last scholar's generator
    with the last scholar's labels, mixed by the importance r of the new task: r of what they see is real.

    Attributes:
      importance: r in (0, 1), from the second task on; None: 1 / (tasks so far), so that all tasks weigh the same.
      selection_limit: images generated at most for each image that is asked for, where these are not very few: a class
        that the generator has nearly forgotten would be searched for without end.
      settings: `ClassifierSettings` of the solver: it learns in closing epochs alone.
      reinitialize_discriminator: whether D starts afresh at each task; as a rule it is trained on, like the generator.
      The others: see `GenerativeMethod`.
    """

    generator: type = ConditionalGenerator
    settings: ClassifierSettings = ClassifierSettings("none", closing_epochs=3)
    reinitialize_discriminator: bool = False
    importance: float | None = None
    selection_limit: int = 4

    # The solver itself says what its images show, which tells nothing of how sure it may be.
    calibrates = False

    def __post_init__(self):
        self.gan, self.settings = _alone(self.gan), _alone(self.settings)
        super().__post_init__()
        if self.importance is not None:
            checks.number(self, "importance", "(0, 1)")
        checks.integer(self, "selection_limit", "[1, inf)")
        if self.settings.replay_schedule != "none" or self.settings.generated_current:
            raise UserError(
                "DGR.settings: the solver is a network of its own that learns after the generator, from real images of "
                "the present classes: expected ClassifierSettings with replay_schedule 'none' and generated_current 0, "
                f"got {self.settings.replay_schedule!r} and {self.settings.generated_current}"
            )

    @property
    def memory(self):
        """The last task's `Scholar`."""
        networks = self.networks
        solver = networks.teacher or networks.classifier
        return Scholar(networks.generator, solver, self.task_classes, self.selection_limit)

    def network_classes(self):
        """Generator, critic and solver."""
        return dataclasses.replace(super().network_classes(), critic=self.discriminator)

    def begin_task(self, context):
        """Generator, critic and solver go on from the last scholar's, or start."""
        networks = self.networks
        with self.beginning(context):
            networks.student = next_student(networks.generator, self.generator, context.image_shape, 1)
            networks.critic = self.next_discriminator(networks.critic, context)
        with seeded_initializers(context.seed, "begin task solver", context.index):
            networks.teacher = networks.classifier
            networks.classifier = self.next_discriminator(networks.classifier, context)

    def phases(self, context):
        """The GAN, then the solver, both on current images and on the last scholar's."""
        fitting, networks = self.fitting(context), self.networks
        replayed = functools.cache(lambda: self.replayed(context))
        return fitting.phases(
            lambda: fitting.gan_phase(UnconditionalRules(networks.student), networks.critic, replayed),
            lambda: fitting.closing_phase(networks.classifier, replayed(), self.replay),
        )

    def replayed(self, context):
        """One group: (1 - r) / r as many images of the last scholar as there are real ones, labelled by it."""
        if self.networks.generator is None:
            return []
        fitting, importance = self.fitting(context), self.importance or 1.0 / (context.index + 1)
        current = len(fitting.repeated(np.arange(len(context.task.train))))
        count = round(current * (1.0 - importance) / importance)
        if not count:
            return []
        images = fitting.quantized(self.memory.unasked(count, context.task_seed))
        return [(images, self.memory.answers(images))]

    def end_task(self, context):
        """The student takes the generator's place, the solver its teacher's."""
        self.networks.teacher = None
        return keep_student(self.networks, context)

    def memory_bytes(self):
        """The generator, the critic that goes on with it, and the copies that teach while the next task is learned."""
        networks = self.networks
        copies = {"critic": network_bytes(networks.critic), "solver copy": network_bytes(networks.classifier)}
        return generator_bytes(networks) | copies
