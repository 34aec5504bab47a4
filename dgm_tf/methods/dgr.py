"""DGR: deep generative replay (Shin et al., NeurIPS 2017). The last generator and solver teach the next ones."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.methods.method import network_bytes
from dgm_tf.methods.selection import CANDIDATES, select
from dgm_tf.methods.shared_generator import SharedGeneratorMethod, SharedGeneratorRules
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


@gin.register
@register
@dataclasses.dataclass
class DGR(SharedGeneratorMethod):
    """Deep generative replay.

    For each task a scholar is trained, from where the last one stood: an unconditional generator by WGAN-GP, then a
    solver (the classifier). Both learn from real images of the task and from images of the last scholar's generator
    with the last scholar's labels, mixed by the importance r of the new task: r of what they see is real.

    A class can be asked for all the same: images are generated until the solver takes enough of them for the
    class (`replay`, `draw`; see `select` for what becomes of a class that the generator has forgotten).

    Attributes:
      importance: r in (0, 1), from the second task on; None: 1 / (tasks so far), so that all tasks weigh the same.
      selection_limit: images generated at most for each image that is asked for, where these are not very few.
      settings: `ClassifierSettings` of the solver: it learns in closing epochs alone.
      The others: see `SharedGeneratorMethod`.
    """

    settings: ClassifierSettings = ClassifierSettings("none", closing_epochs=3)
    importance: float | None = None
    selection_limit: int = 4

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
        self.solver = self.labeller = None

    def networks(self):
        """Memory, critic and solver ("discriminator"); in the middle of a task also student and last solver."""
        networks = super().networks() | {"critic": self.critic, "discriminator": self.solver, "labeller": self.labeller}
        return {name: network for name, network in networks.items() if network is not None}

    def network_classes(self):
        """Generator, critic and solver."""
        return super().network_classes() | {"critic": self.discriminator}

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        super().restore_networks({**networks, "discriminator": networks["critic"]}, task_classes)
        self.solver, self.labeller = networks["discriminator"], networks.get("labeller")

    def begin_task(self, context):
        """Student, critic and solver go on from the last scholar's, or start."""
        super().begin_task(context)
        with seeded_initializers(context.seed, "begin task solver", context.index):
            self.labeller, self.solver = self.solver, self._next_discriminator(self.solver, context)

    def _next_generator(self, context):
        if self.memory is None:
            return self.generator(image_shape=context.image_shape, num_classes=1)
        return self.memory.widen(1)

    def _rules(self, context):
        return UnconditionalRules(self.student)

    def _closing_replay(self, context):
        return self._replay_set(context)

    def _generate_replay_set(self, context):
        """One group: (1 - r) / r as many images of the last scholar as there are real ones, labelled by it."""
        if self.memory is None:
            return []
        importance = self.importance or 1.0 / (context.index + 1)
        current = len(self._repeated(context, np.arange(len(context.task.train))))
        count = round(current * (1.0 - importance) / importance)
        if not count:
            return []
        z = normal([count, self.memory.latent_size], stateless_seed(context.task_seed, "replay"))
        images = self._quantized(self.generate(0, self.latents(0, z, tf.zeros([count], tf.int32))))
        return [(images, self._labels(images))]

    def _labels(self, images):
        """int32 [N]: the last scholar's choices for images as the pool holds them."""
        logits = network_logits(self._memory_solver, images)
        return np.argmax(logits, axis=1).astype(np.int32)

    @property
    def _memory_solver(self):
        """The solver that belongs to `memory`."""
        return self.labeller or self.solver

    @property
    def selectors(self):
        """The solver that `draw` chooses by."""
        return (self._memory_solver,)

    def latents(self, task, z, labels):
        """Full inputs of the generator, which knows no classes."""
        return self.memory.latents(z, tf.zeros_like(labels))

    def replay(self, labels, seed=0):
        """Images that the solver takes for the labels."""
        labels = np.asarray(labels, np.int32)
        if not len(labels):
            return np.zeros((0, *self.memory.image_shape), np.float32)
        z = self.draw(tf.constant(labels), stateless_seed(seed, "latents"))
        return self.generate(0, self.latents(0, z, labels))

    def draw(self, labels, seed):
        """z [N, latent_size] whose images the solver takes for the labels; see the class. TensorFlow."""
        solver, latent_size = self._memory_solver, self.memory.latent_size

        def candidates(i):
            z = normal([CANDIDATES, latent_size], fold_in(seed, i))
            _, logits = solver(self.memory(self.latents(0, z, tf.zeros([CANDIDATES], tf.int32))), training=False)
            return z, tf.nn.softmax(logits)

        return select(labels, candidates, solver.num_classes, latent_size, self.selection_limit)

    def end_task(self, context):
        """The student becomes the memory, the solver its labeller."""
        self.labeller = None
        return super().end_task(context)

    def memory_bytes(self):
        """The generator, the critic that goes on with it, and the copies that teach while the next task is learned."""
        copies = {"critic": network_bytes(self.critic), "solver copy": network_bytes(self.solver)}
        return super().memory_bytes() | copies
