"""Base classes of methods that train a classifier alone, with or without stored real images."""

import dataclasses

import numpy as np

from dgm_tf import checks
from dgm_tf.keeps import Keeps
from dgm_tf.methods.confidence import ConfidentMethod
from dgm_tf.methods.exemplars import ExemplarMemory
from dgm_tf.methods.method import next_discriminator
from dgm_tf.methods.networks import Networks
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import CLASSIFIER_LOSS, PLAIN_RULES, ClassifierPhase, check_batch_size
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.optimizer import ADAMS
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers


@dataclasses.dataclass
class SingleClassifier(ConfidentMethod):
    """A classifier that learns from the task's own images; subclasses say from what else, and by what rules.

    Attributes:
      discriminator: two-headed network class, not called.
      epochs: passes over each task's images.
      batch_size: images a step.
      learning_rate: of Adam.
      augmentation: `Augmentation` or None.
      adam: as of `GANSettings`.
    """

    discriminator: type = DCGANDiscriminator
    epochs: int = 3
    batch_size: int = 64
    learning_rate: float = 1e-3
    augmentation: Augmentation | None = None
    adam: str = dataclasses.field(default="pytorch", kw_only=True)

    remedies = (Remedy("classifier", CLASSIFIER_LOSS, "a lower", "learning_rate"),)
    afresh = False  # whether each task begins with a new network; else the class head is widened

    def __post_init__(self):
        checks.network_class(self, "discriminator")
        checks.integer(self, "epochs", "[1, inf)")
        checks.integer(self, "batch_size", "[1, inf)")
        checks.number(self, "learning_rate", "(0, inf)")
        checks.instance(self, "augmentation", (Augmentation, type(None)))
        checks.choice(self, "adam", ADAMS)

    def network_classes(self):
        """The classifier."""
        return Networks(classifier=self.discriminator)

    def begin_task(self, context):
        """A network with outputs for all classes seen so far."""
        check_batch_size(self.batch_size)
        self.confidence = None
        with seeded_initializers(context.seed, "begin task", context.index):
            self.networks.classifier = next_discriminator(
                self.networks.classifier, self.discriminator, context, self.afresh
            )

    def phases(self, context):
        """One classifier phase."""
        return [lambda: self._classifier_phase(context)]

    def _classifier_phase(self, context):
        return ClassifierPhase(
            self.networks.classifier, self.pool(context), self.epochs, self.batch_size, self.learning_rate,
            context.task_seed, self.augmentation, self.rules(), adam=self.adam,
        )  # fmt: skip

    def pool(self, context):
        """`Pool` of what it learns from in this task."""
        return Pool(self.replay_groups(), (context.task.train.images, context.task.train.labels))

    def replay_groups(self):
        """The pool's groups of earlier tasks' images."""
        return []

    def rules(self):
        """`ClassifierRules` of this task."""
        return PLAIN_RULES


def keeps_no_images(method):
    """Caution of a classifier that keeps nothing of earlier tasks."""
    return (
        f"{type(method).__name__} keeps no images. In the class-incremental setting it is known to forget nearly all "
        "but the last task's classes, whatever its settings (van de Ven and Tolias, 2019, arXiv 1904.07734; "
        "Farquhar and Gal, 2018, arXiv 1805.09733): low accuracies on earlier tasks are no bug."
    )


@dataclasses.dataclass
class RehearsingClassifier(SingleClassifier):
    """A classifier that learns from stored real images of earlier classes beside the task's own.

    Subclasses choose in `end_task` what is stored in `exemplars`, an `ExemplarMemory`.
    """

    keeps = Keeps.IMAGES
    calibrates = True

    def __post_init__(self):
        super().__post_init__()
        self.exemplars = ExemplarMemory()

    def earlier_images(self, classes, count, seed):
        """Stored images of the classes, although the classifier learned from them."""
        parts = [self.exemplars.images_of(label)[:count] for label in classes]
        return np.concatenate(parts), np.repeat(np.asarray(classes, np.int32), list(map(len, parts)))

    def replay_groups(self):
        """The stored images, if there are any."""
        return [self.exemplars.group()] if len(self.exemplars) else []

    def arrays(self):
        """The stored images, and the confidence."""
        return super().arrays() | self.exemplars.arrays()

    def array_specs(self, networks, num_classes, image_shape):
        """Stored images of every class, and the confidence."""
        own = ExemplarMemory.array_specs(num_classes, image_shape)
        return super().array_specs(networks, num_classes, image_shape) | own

    def restore_arrays(self, arrays):
        """Takes them back."""
        super().restore_arrays(arrays)
        self.exemplars.restore(arrays)

    def memory_bytes(self):
        """Of the stored images."""
        return {"images": self.exemplars.nbytes}
