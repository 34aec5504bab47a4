"""ClosedForm: a linear classifier of features, from statistics of classes alone. Nothing is trained by gradients."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks, limits
from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.class_statistics import ClassStatistics
from dgm_tf.methods.known_classes import SPREAD_SHRINKAGES, known_classes, projection
from dgm_tf.methods.linear_heads import HEADS, temperature
from dgm_tf.methods.method import Method
from dgm_tf.methods.networks import Networks
from dgm_tf.methods.spreads import Sample, spreads
from dgm_tf.networks.linear import LinearClassifier
from dgm_tf.registry import register
from dgm_tf.training.randomness import numpy_generator

_AT_WORK = 2.5  # of a Gram matrix in float64: memory that a task takes beside the statistics


@gin.register
@register
@dataclasses.dataclass
class ClosedForm(Method):
    """The classifier of all classes so far that joint training would give, for fixed features and one regularization.

    It keeps a count, a sum and a Gram matrix of feature vectors, from which the classifier follows whatever the order
    of the classes was. It learns in a `FeatureSpace`.

    Attributes:
      head: "lda" (linear discriminant analysis), "ridge" (ridge regression of one-hot labels) or "nearest_mean".
      regularization: of lda the share of shrinkage in (0, 1]; of ridge the penalty as a share of the features' mean
        variance; None: a rule that needs nothing but the statistics, see `linear_heads`.
      balanced: whether each class counts as much as any other, however many images it has.
      per_class: whether each class has a Gram matrix of its own. One class can then be weighted, or be taken out.
      random_features: number of random ReLU features of the vectors (RanPAC); 0: the vectors themselves.
      kept_as: "float64", or "float32" for half the bytes; statistics add up in float64 within a task.
      learn_validation: whether validation images are learned, too; False: they stay held out.
      false_alarms: share of new images of the known classes that `known` takes for unknown ones, in (0, 1); None: it
        does not tell.
    """

    head: str = "lda"
    regularization: float | None = None
    balanced: bool = True
    per_class: bool = True
    random_features: int = 0
    kept_as: str = "float64"
    learn_validation: bool = True
    false_alarms: float | None = 0.05

    keeps = Keeps.STATISTICS
    reads_once = True

    def __post_init__(self):
        checks.choice(self, "head", tuple(HEADS))
        checks.choice(self, "kept_as", ("float64", "float32"))
        if self.regularization is not None:
            checks.number(self, "regularization", "(0, 1]" if self.head == "lda" else "(0, inf)")
        for field in ("balanced", "per_class", "learn_validation"):
            checks.flag(self, field)
        if self.false_alarms is not None:
            checks.number(self, "false_alarms", "(0, 1)")
        checks.integer(self, "random_features", "[0, 1000000]")
        if self.head == "ridge" and self.balanced and not self.per_class:
            raise UserError(
                "ClosedForm: expected per_class = True for a balanced ridge regression, which weighs each class's Gram "
                "matrix, got False; set balanced = False where classes are even"
            )
        self._statistics: ClassStatistics | None = None
        self._projected: ClassStatistics | None = None

    def network_classes(self):
        """The linear classifier."""
        return Networks(classifier=LinearClassifier)

    def begin_task(self, context):
        """A linear classifier with outputs for all classes seen so far, and new statistics at the first task."""
        if len(context.image_shape) != 1:
            raise UserError(
                "ClosedForm: expected feature vectors, got images; learn in a FeatureSpace: FeatureSpace.method = "
                "@ClosedForm(), FeatureSpace.features = @WhitenedPatches() or @Backbone()"
            )
        size = self.random_features or context.image_shape[0]
        held = 0 if self._statistics is None else len(self._statistics.triangles)
        _check_memory(size, np.dtype(self.kept_as).itemsize, context.num_classes if self.per_class else 1, held)
        if self._statistics is None:
            self._statistics = ClassStatistics(size, self.per_class, self.kept_as)
        old = self.networks.classifier
        directions = None if self.false_alarms is None else projection(size)
        distances = None if self.false_alarms is None else _distances(size, directions)
        network = LinearClassifier(context.image_shape, context.num_classes, self.random_features, distances)
        if directions is not None:
            network.known_directions.assign(directions.astype(np.float32))
        if self.random_features:
            network.projection.assign(_projection(network, context.seed) if old is None else old.projection)
        self.networks.classifier = network

    def phases(self, context):
        """None: the task is learned when it ends."""
        return []

    def end_task(self, context):
        """Adds the task's vectors to the statistics, and solves for the classifier."""
        splits = [context.task.train, *([context.task.validation] if self.learn_validation else [])]
        for label in context.task.classes:
            if self._statistics.add_class() != label:
                raise UserError(f"ClosedForm: expected class {self._statistics.num_classes - 1} next, got {label}")
            self._learn(label, [split for split in splits if len(split)])
        self._statistics.close()
        return self._solve()

    def forget(self, labels, context):
        """Takes out the classes' statistics, and solves anew for the others."""
        if not self.per_class:
            raise UserError(
                "forget: expected ClosedForm.per_class = True, got one Gram matrix of all classes, from which none can "
                "be taken out; train again without the class, and with per_class = True to forget others later"
            )
        self._statistics.remove(labels)
        old = self.networks.classifier
        self._projected = None
        network = LinearClassifier(old.image_shape, self._statistics.num_classes, self.random_features, old.distances)
        if network.known_directions is not None:
            network.known_directions.assign(old.known_directions)
        if self.random_features:
            network.projection.assign(old.projection)
        self.networks.classifier = network
        self._solve()
        return []

    def images_per_class(self):
        """Of the statistics."""
        return None if self._statistics is None else self._statistics.counts.copy()

    def _learn(self, label, splits):
        """Adds a class's vectors of some splits to the statistics; each vector is read once."""
        directions, views = projection(self._statistics.num_features), getattr(splits[0], "views", 1)
        size = self._statistics.num_features if directions is None else directions.shape[1]
        parts = [split.images if np.all(split.labels == label) else split.of_class(label) for split in splits]
        sample = Sample(sum(map(len, parts)) // views, views, size)

        def expanded(vectors):
            vectors = self._expanded(vectors)
            chosen = vectors[sample.next(len(vectors))]
            sample.add(chosen if directions is None else chosen @ directions.astype(vectors.dtype))
            return vectors

        for part in parts:
            sample.begin(len(part) // views)
            self._statistics.add(label, part, expanded, views)
        self._statistics.spreads[label] = spreads(sample.vectors(), views, SPREAD_SHRINKAGES)

    def _solve(self):
        found = self._find_weights()
        if self.networks.classifier.tells_known:
            self._find_limit(self.networks.classifier)
        return found

    def _find_weights(self):
        head = HEADS[self.head](self._statistics, self.regularization, self.balanced)
        factor = temperature(head, self._statistics)
        network = self.networks.classifier
        network.kernel.assign((head.kernel * factor).astype(np.float32))
        network.bias.assign((head.bias * factor).astype(np.float32))
        return {"regularization": head.regularization, "temperature": 1.0 / factor}

    def _find_limit(self, network):
        directions = projection(self._statistics.num_features)
        if directions is not None:
            self._projected = self._statistics.projected(directions, self._projected)
        found = known_classes(self._statistics if directions is None else self._projected, self.false_alarms)
        network.known_whitening.assign(found.whitening.astype(np.float32))
        network.known_means.assign(found.means.astype(np.float32))
        network.known_limit.assign(np.float32(found.limit))

    @property
    def tells_known(self):
        """Unless `false_alarms` is None, or it was learned by an earlier version."""
        return getattr(self.networks.classifier, "tells_known", False)

    def _expanded(self, vectors):
        if not self.random_features:
            return vectors
        return self.networks.classifier.features(tf.constant(vectors)).numpy()

    def arrays(self):
        """The statistics."""
        return {} if self._statistics is None else self._statistics.arrays()

    def array_specs(self, networks, num_classes, image_shape):
        """Counts, sums, packed triangles; raises UserError for a classifier with other random features."""
        if networks.classifier.random_features != self.random_features:
            raise UserError(
                f"ClosedForm.random_features: expected {networks.classifier.random_features}, as its classifier has, "
                f"got {self.random_features}"
            )
        size, kept_as = self.random_features or image_shape[0], np.dtype(self.kept_as)
        triangle = ArraySpec((size * (size + 1) // 2,), kept_as)
        grams = {f"gram/{i:04d}": triangle for i in range(num_classes if self.per_class else 1)}
        counts = {"counts": ArraySpec((num_classes,), np.dtype(np.int64))}
        lengths = {
            "images": ArraySpec((num_classes,), np.dtype(np.int64), required=False),
            "spreads": ArraySpec((num_classes, 3), np.dtype(np.float64), required=False),
            "sketches": ArraySpec((num_classes, None, size), kept_as, required=False),
        }
        return grams | counts | lengths | {"sums": ArraySpec((num_classes, size), kept_as)}

    def restore_arrays(self, arrays):
        """Takes them back; of a run that was stopped in its first task there are none."""
        self._projected = None
        self._statistics = ClassStatistics.from_arrays(arrays, self.per_class) if "sums" in arrays else None

    def memory_bytes(self):
        """Of the statistics."""
        return {"class statistics": self._statistics.nbytes}


def _distances(num_features, directions):
    """`LinearClassifier.distances`."""
    return (False, num_features) if directions is None else (True, directions.shape[1])


def _projection(network, seed):
    shape = tuple(network.projection.shape)
    values = numpy_generator(seed, "random features").standard_normal(shape, np.float32)
    return values / np.sqrt(shape[0], dtype=np.float32)


def _check_memory(size, itemsize, matrices, held):
    """Raises UserError if Gram matrices of so many features do not fit into what memory is free.

    matrices: how many there will be, of which half is kept in numbers of `itemsize` bytes; held: how many of them are
    in memory.
    """
    needed, free = size**2 * (8 * _AT_WORK + itemsize * (matrices - held) / 2), limits.free_memory()
    if free is not None and needed > free:
        raise UserError(
            f"ClosedForm: expected {needed / 1e9:.1f} GB of free memory for Gram matrices of {size:,} features, got "
            f"{free / 1e9:.1f} GB; use fewer features, or per_class = False"
        )
