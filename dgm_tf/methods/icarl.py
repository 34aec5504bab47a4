"""iCaRL-S (Rebuffi et al., CVPR 2017): herded exemplars, distillation, the nearest mean of exemplars."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.errors import UserError
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.exemplars import herded, normalized_features
from dgm_tf.methods.method import network_bytes
from dgm_tf.methods.single_classifier import RehearsingClassifier
from dgm_tf.networks.nearest_means import NearestMeans
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierRules
from dgm_tf.training.inference import network_logits


class ICaRLRules(ClassifierRules):
    """Algorithm 3's loss. previous: the network before the task, which teaches the earlier classes; None: no such."""

    def __init__(self, previous):
        self._previous = previous

    def loss(self, network, images, labels):
        """Sigmoid cross-entropy and distillation."""
        _, logits = network(images, training=True, update_statistics=True)
        earlier = None if self._previous is None else self._previous(images, training=False)[1]
        return losses.icarl_loss(logits, labels, earlier), logits


@gin.register
@register
@dataclasses.dataclass
class ICaRL(RehearsingClassifier):
    """The class head trains the features; the nearest mean of exemplars classifies. "head": what the head would say.

    The paper stores the previous network's answers before the task's training. Here that network itself is held until
    the task ends: the same targets, and right ones for augmented images too.

    Attributes:
      budget: K, exemplars of all classes together: floor(K / classes seen so far) of each are kept. At least one
        a class.
      others: as in `SingleClassifier`.
    """

    budget: int = 2000

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self, "budget", "[1, inf)")
        self._reader = self._current = None

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        super().restore_networks(networks, task_classes)
        self._reader = NearestMeans(networks.classifier)

    def arrays(self):
        """The exemplars and the class means."""
        means = {} if self._reader is None else {"means": np.asarray(self._reader.means)}
        return super().arrays() | means

    def array_specs(self, networks, num_classes, image_shape):
        """Exemplars and means."""
        features = networks.classifier.logits.kernel.shape[0]
        return super().array_specs(networks, num_classes, image_shape) | {"means": ArraySpec((num_classes, features))}

    def restore_arrays(self, arrays):
        """Takes them back."""
        super().restore_arrays(arrays)
        self._reader.means.assign(arrays["means"])

    @property
    def trained_classifier(self):
        """The network, read by nearest means."""
        return self._reader

    def check_classes(self, num_classes):
        """The budget must hold an exemplar of each."""
        if self.budget < num_classes:
            raise UserError(
                f"ICaRL.budget: expected at least one exemplar for each of {num_classes} classes, got {self.budget}"
            )

    def begin_task(self, context):
        """Keeps the network as a teacher and continues with a wider copy."""
        self.networks.teacher = self.networks.classifier
        super().begin_task(context)
        self._reader = NearestMeans(self.networks.classifier)

    def phases(self, context):
        """One classifier phase."""
        self._current = context.task.train
        return super().phases(context)

    def rules(self):
        """Algorithm 3's."""
        return ICaRLRules(self.networks.teacher)

    def logits(self, images):
        """Minus the squared distances to the class means; those follow the network while it is trained."""
        if self._current is not None:
            self._find_means()
        return super().logits(images)

    def readings(self, images):
        """The class head's own logits."""
        return {"head": network_logits(self.networks.classifier, images)}

    def memory_bytes(self):
        """Of the exemplars, and of the last network, which is held while the next task is learned."""
        return super().memory_bytes() | {"classifier copy": network_bytes(self.networks.classifier)}

    def end_task(self, context):
        """Drops exemplars of earlier classes, chooses those of the new ones, finds all means (Algorithms 2, 4, 5)."""
        count = self.budget // context.num_classes
        self.exemplars.truncate(count)
        for label in context.task.classes:
            self.exemplars.add(label, herded(self.networks.classifier, context.task.train.of_class(label), count))
        self.networks.teacher = self._current = None
        self._find_means()
        return {}

    def forget(self, labels, context):
        """Takes out the classes' exemplars, means and outputs; the network stays."""
        means = np.delete(np.asarray(self._reader.means), labels, axis=0)
        self.exemplars.remove(labels)
        self.networks.classifier = self.networks.classifier.without_classes(labels)
        self._reader = NearestMeans(self.networks.classifier)
        self._reader.means.assign(means)
        return []

    def remains(self, labels, task_classes):
        """The network."""
        return [
            "The network stays, but for its outputs for the classes. It was trained on their images and may hold "
            "traces of them. To be rid of these, train again without the classes."
        ]

    def _find_means(self):
        """Means of exemplars; of all images for classes that have no exemplars yet, their task being learned."""
        stored = self.exemplars.classes
        sets = [
            self.exemplars.images_of(label) if label in stored else self._current.of_class(label)
            for label in range(self.networks.classifier.num_classes)
        ]
        means = np.stack([normalized_features(self.networks.classifier, images).mean(axis=0) for images in sets])
        self._reader.means.assign(tf.math.l2_normalize(means, axis=1))
