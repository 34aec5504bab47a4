"""Base class of methods with one generator for all tasks, which every task changes."""

import dataclasses

import numpy as np

from dgm_tf.methods.generative import GenerativeMethod
from dgm_tf.methods.method import network_bytes
from dgm_tf.networks.conditional import ConditionalGenerator
from dgm_tf.training.classifier import check_batch_size
from dgm_tf.training.gan import GeneratorRules
from dgm_tf.training.inference import in_batches
from dgm_tf.training.randomness import normal, seeded_initializers


class SharedGeneratorRules(GeneratorRules):
    """Plain conditional adversarial training.

    Args:
      generator: `ConditionalGenerator`.
      joint: see `GeneratorRules`.
    """

    def __init__(self, generator, joint=False):
        super().__init__(generator, generator.num_classes)
        self.joint = joint

    def generate(self, z, labels, schedule):
        """Images in training mode."""
        return self.generator(self.generator.latents(z, labels), training=True)

    def preview(self, z, labels, schedule):
        """Images in inference mode."""
        return self.generator(self.generator.latents(z, labels))


@dataclasses.dataclass
class SharedGeneratorMethod(GenerativeMethod):
    """A generator without reserved parts: what it replays of earlier classes changes with every task.

    While a task is learned there are two generators. `memory` stays as the task found it and replays the earlier
    classes, so that what is replayed in the middle of a task does not depend on the step; `student` is trained, and at
    the end of the task is the new memory. The closing epochs learn from the student's replay: from what the
    generator now remembers.

    Attributes:
      generator: `ConditionalGenerator` class, not called.
      reinitialize_discriminator: whether D starts afresh at each task; as a rule it is trained on, like the generator.
      The others: see `GenerativeMethod`.
    """

    generator: type = ConditionalGenerator
    reinitialize_discriminator: bool = False

    def __post_init__(self):
        super().__post_init__()
        self.student = None

    def networks(self):
        """Memory and discriminator, and in the middle of a task the student."""
        networks = {"generator": self.memory, "student": self.student, "discriminator": self.critic}
        return {name: network for name, network in networks.items() if network is not None}

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        super().restore_networks({"generator": None, **networks}, task_classes)
        self.student = networks.get("student")

    def begin_task(self, context):
        """The student is the memory with room for the new classes, at the first task a new generator."""
        check_batch_size(self.gan.batch_size)
        with seeded_initializers(context.seed, "begin task", context.index):
            self.student = self._next_generator(context)
            self.critic = self._next_discriminator(self.critic, context)
        self.task_classes = context.task_classes

    def _next_generator(self, context):
        if self.memory is None:
            return self.generator(image_shape=context.image_shape, num_classes=context.num_classes)
        return self.memory.widen(context.num_classes)

    def _closing_replay(self, context):
        return self._replay_groups(context, self._replay_trained)

    def _replay_trained(self, labels, seed):
        return self._replay_by(self.student, labels, seed)

    def replay(self, labels, seed=0):
        """Images of learned classes as the last ended task left them."""
        return self._replay_by(self.memory, labels, seed)

    def _replay_by(self, network, labels, seed):
        def generate(task, labels, seed):
            z = normal([len(labels), network.latent_size], seed)
            return in_batches(network, network.latents(z, labels), network.image_shape)

        return self._task_by_task(labels, seed, generate, network.image_shape)

    def latents(self, task, z, labels):
        """Full inputs of the generator; TensorFlow."""
        return self.memory.latents(z, labels)

    def end_task(self, context):
        """The student becomes the memory; returns the generator's size."""
        self._replayed = None
        self.memory, self.student = self.student, None
        size = sum(int(np.prod(v.shape)) for v in self.memory.trainable_variables)
        return {"capacity": {"task": context.index, "size": size, "layers": {}}}

    def memory_bytes(self):
        """The generator, and its copy that is kept while the next task is learned; float32."""
        size = network_bytes(self.memory)
        return {"generator": size, "generator copy": size}
