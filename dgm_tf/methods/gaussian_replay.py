"""GaussianReplay: a Gaussian of each class's feature vectors is kept, and a new classifier learns from draws."""

import dataclasses

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.methods.method import next_discriminator
from dgm_tf.methods.networks import Networks
from dgm_tf.methods.single_classifier import SingleClassifier
from dgm_tf.networks.gaussians import ClassGaussians
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierPhase
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers


@gin.register
@register
@dataclasses.dataclass
class GaussianReplay(SingleClassifier):
    """A new classifier at each task, trained on vectors drawn from a Gaussian of each class, the new ones too.

    As all classes are drawn alike, nothing but the classes can be told apart by it. It learns in a `FeatureSpace`.

    Attributes:
      components: principal components that are kept of a class, at most D; features vary independently in the rest.
      per_class: vectors drawn of each class.
      The others: see `SingleClassifier`. The learning rate falls linearly to zero.
    """

    discriminator: type = MLPDiscriminator
    epochs: int = 8
    components: int = 512
    per_class: int = 2000

    keeps = Keeps.STATISTICS
    replay_is_frozen = True
    afresh = True
    calibrates = True

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self, "components", "[1, inf)")
        checks.integer(self, "per_class", "[1, inf)")

    def network_classes(self):
        """Gaussians and classifier."""
        return Networks(generator=ClassGaussians, classifier=self.discriminator)

    def begin_task(self, context):
        """Takes the new classes' means and components; makes a new classifier."""
        if len(context.image_shape) != 1:
            raise UserError(
                "GaussianReplay: expected feature vectors, got images; learn in a FeatureSpace: FeatureSpace.method = "
                "@GaussianReplay(), FeatureSpace.features = @WhitenedPatches() or @Backbone()"
            )
        super().begin_task(context)
        earlier, new, train = self.networks.generator, context.task.classes, context.task.train
        if earlier is None:
            components = min(self.components, context.image_shape[0])
            gaussians = ClassGaussians(context.image_shape, len(new), components)
        else:
            gaussians = earlier.of_classes(range(earlier.num_classes), more=len(new))
        for label in new:
            gaussians.fit(label, train.of_class(label))
        self.networks.generator = gaussians

    def _classifier_phase(self, context):
        return ClassifierPhase(
            self.networks.classifier, self.pool(context), self.epochs, self.batch_size, self.learning_rate,
            context.task_seed, rules=self.rules(), decay=1.0, adam=self.adam,
        )  # fmt: skip

    def pool(self, context):
        """Draws of all classes."""
        labels = np.repeat(np.arange(context.num_classes, dtype=np.int32), self.per_class)
        earlier = np.flatnonzero(labels < context.num_classes - len(context.task.classes))
        vectors = self.replay(labels, context.task_seed)
        groups = [(vectors[earlier], labels[earlier])] if len(earlier) else []
        return Pool(groups, (vectors[len(earlier) :], labels[len(earlier) :]))

    def replay(self, labels, seed=0):
        """Vectors float32 [N, D]."""
        return self.networks.generator.draw(labels, seed)

    def earlier_images(self, classes, count, seed):
        """Draws of the classes."""
        labels = np.repeat(np.asarray(classes, np.int32), count)
        return self.replay(labels, seed), labels

    def replay_count(self, context):
        """As set."""
        return self.per_class

    def forget(self, labels, context):
        """Takes out the classes' means and components; a new classifier learns from draws of the others."""
        networks = self.networks
        stay = [label for label in range(networks.generator.num_classes) if label not in set(labels)]
        networks.generator = networks.generator.of_classes(stay)
        with seeded_initializers(context.task_seed, "forget"):
            networks.classifier = next_discriminator(networks.classifier, self.discriminator, context, afresh=True)
        return [lambda: self._classifier_phase(context)]

    def images_per_class(self):
        """Of the Gaussians."""
        generator = self.networks.generator
        return None if generator is None else np.asarray(generator.counts).astype(int)

    def memory_bytes(self):
        """Means and components, float32."""
        gaussians = self.networks.generator
        return {"class statistics": 4 * sum(int(np.prod(w.shape)) for w in gaussians.weights)}
