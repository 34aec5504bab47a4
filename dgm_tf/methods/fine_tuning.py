"""FT: plain fine-tuning, the lower bound: it learns each task's real images and forgets the others."""

import dataclasses

import gin

from dgm_tf import checks
from dgm_tf.methods.method import Method
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierPhase, check_batch_size
from dgm_tf.training.pool import ImagePool
from dgm_tf.training.randomness import seeded_initializers


@gin.register
@dataclasses.dataclass
class FineTuning(Method):
    """The classifier alone, its class head widened at each task.

    In the class-incremental setting it is known to keep nothing but the last task (van de Ven and Tolias, 2019).

    Attributes:
      discriminator: two-headed network class, not called.
      epochs: passes over each task's images.
      batch_size: images a step.
      learning_rate: of Adam.
      augmentation: `Augmentation` or None.
    """

    discriminator: type = DCGANDiscriminator
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 1e-3
    augmentation: Augmentation | None = None

    def __post_init__(self):
        checks.network_class(self, "discriminator")
        checks.integer(self, "epochs", "[1, inf)")
        checks.integer(self, "batch_size", "[1, inf)")
        checks.number(self, "learning_rate", "(0, inf)")
        checks.instance(self, "augmentation", (Augmentation, type(None)))
        self._network = None

    def networks(self):
        """The classifier."""
        return {"discriminator": self._network}

    def restore_networks(self, networks, task_classes):
        """Takes a network that was saved."""
        self._network = networks["discriminator"]

    def begin_task(self, context):
        """A network at the first task, new outputs at the others."""
        check_batch_size(self.batch_size)
        with seeded_initializers(context.seed, "begin task", context.index):
            if self._network is None:
                self._network = self.discriminator(
                    image_shape=context.image_shape, num_classes=context.num_classes
                )
            else:
                self._network = self._network.widen(context.num_classes)

    def phases(self, context):
        """One classifier phase on the task's own images."""
        return [lambda: self._classifier_phase(context)]

    def _classifier_phase(self, context):
        return ClassifierPhase(
            self._network, ImagePool(self.groups(context)), self.epochs, self.batch_size, self.learning_rate,
            context.task_seed, self.augmentation,
        )  # fmt: skip

    def groups(self, context):
        """What it learns from in this task, for `ImagePool`."""
        return [(context.task.train.images, context.task.train.labels)]
