"""Base class of methods with a generative memory: settings, and replay by label."""

import contextlib
import dataclasses

import numpy as np

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.methods.confidence import ConfidentMethod
from dgm_tf.methods.fitting import Fitting
from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.methods.method import next_discriminator
from dgm_tf.methods.networks import Networks
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training import task_size
from dgm_tf.training.classifier import ClassifierSettings, check_batch_size
from dgm_tf.training.gan import GANSettings
from dgm_tf.training.randomness import seeded_initializers


@dataclasses.dataclass
class GenerativeMethod(ConfidentMethod):
    """A generator that replays the classes learned, and a two-headed discriminator that classifies.

    A subclass makes its networks in `begin_task`, lets `fitting` make its `phases`, and ends the task in `end_task`.

    Attributes:
      generator: generator class, not called.
      discriminator: two-headed network class, not called.
      gan: `GANSettings`.
      settings: `ClassifierSettings`.
      reinitialize_discriminator: whether D starts afresh at each task; else its class head is widened.
      task_classes: see `TaskContext`.
    """

    generator: type = None
    discriminator: type = DCGANDiscriminator
    gan: GANSettings = GANSettings()
    settings: ClassifierSettings = ClassifierSettings()
    reinitialize_discriminator: bool = True

    calibrates = True
    cannot_forget = "one generator makes the images of all classes, and each task has changed all of it"

    def __post_init__(self):
        checks.network_class(self, "generator")
        checks.network_class(self, "discriminator")
        checks.instance(self, "gan", (GANSettings,))
        checks.instance(self, "settings", (ClassifierSettings,))
        checks.flag(self, "reinitialize_discriminator")
        if self.gan.auxiliary_loss and self.settings.replay_schedule == "none" and not self.gan.class_loss:
            raise UserError(
                "GANSettings.auxiliary_loss: with ClassifierSettings.replay_schedule 'none' the class head learns "
                "nothing beside the generator: expected False, or GANSettings.class_loss = True, got True"
            )
        self.task_classes = ()

    @property
    def augmentation(self):
        """Of the classifier's inputs."""
        return self.settings.augmentation

    @property
    def adam(self):
        """Of the classifier."""
        return self.settings.adam

    @property
    def memory(self):
        """The `GeneratorMemory` that replays."""
        return GeneratorMemory(self.networks.generator, self.task_classes)

    def replay(self, labels, seed=0):
        """Images of learned classes."""
        return self.memory.replay(labels, seed)

    def earlier_images(self, classes, count, seed):
        """Replay of the classes, from another seed than what the classifier learned from."""
        labels = np.repeat(np.asarray(classes, np.int32), count)
        return self.replay(labels, seed), labels

    def replayed(self, context):
        """The groups of earlier classes' images that a task learns from: for each earlier task one."""
        return self.fitting(context).replay(self.replay)

    def replay_count(self, context):
        """As many as the current classes have on average, or the minimum."""
        return self.fitting(context).replay_count

    def fitting(self, context):
        """`Fitting` of the task, by the settings for one of its size."""
        sizes = [len(classes) for classes in context.task_classes]
        return Fitting(*task_size.settled(self.gan, self.settings, sizes), context)

    def told(self, sizes):
        """Settings that follow from the sizes of the tasks."""
        return task_size.told(self.gan, self.settings, sizes)

    @contextlib.contextmanager
    def beginning(self, context):
        """Inside, networks are made for a task, from the run's seed."""
        check_batch_size(self.gan.batch_size)
        self.confidence = None
        with seeded_initializers(context.seed, "begin task", context.index):
            yield
        self.task_classes = context.task_classes

    def next_discriminator(self, earlier, context):
        """The two-headed network for the task, from the last task's one or None."""
        return next_discriminator(earlier, self.discriminator, context, self.reinitialize_discriminator)

    def network_classes(self):
        """Generator and discriminator."""
        return Networks(generator=self.generator, classifier=self.discriminator)

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        super().restore_networks(networks, task_classes)
        self.task_classes = tuple(tuple(classes) for classes in task_classes)
