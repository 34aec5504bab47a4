"""FeatureSpace: a method that learns feature vectors of images instead of their pixels."""

import dataclasses
import pathlib

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.data.rows import concatenated
from dgm_tf.data.vectors import VectorSplit
from dgm_tf.errors import UserError
from dgm_tf.features.extraction import Extraction, mirrored
from dgm_tf.features.features import Features
from dgm_tf.keeps import Keeps
from dgm_tf.methods.method import Method
from dgm_tf.networks.feature_classifier import FeatureClassifier
from dgm_tf.registry import register
from dgm_tf.training.inference import in_batches
from dgm_tf.training.pool import to_uint8


@gin.register
@register
@dataclasses.dataclass
class FeatureSpace(Method):
    """A method that learns feature vectors by a fixed extractor, which is made at the first task and saved with it.

    Images of more than 8 bits a level are rounded to 8 before.

    Attributes:
      method: `Method`, which sees vectors, float32 [N, D], where there would be images.
      features: `Features`, how they are extracted.
      mirrored: whether mirrored copies of training images are learned as well, and each image is classified by the
        mean of its own logits and its mirrored copy's.
    """

    method: Method
    features: Features
    mirrored: bool = False

    has_bounds = False
    _cache_dir = None  # of the class, so that it outlives a task that failed

    def __post_init__(self):
        checks.instance(self, "method", (Method,))
        checks.instance(self, "features", (Features,))
        checks.flag(self, "mirrored")
        if isinstance(self.method, FeatureSpace):
            raise UserError("FeatureSpace.method: expected a method such as @ClosedForm(), got a FeatureSpace")
        if self.method.augmentation is not None:
            raise UserError(
                f"FeatureSpace.method: expected {type(self.method).__name__}.augmentation = None, as vectors are no "
                "images; set FeatureSpace.mirrored = True for mirrored copies"
            )
        if getattr(getattr(self.method, "settings", None), "quantize_replay", False):
            raise UserError(
                "FeatureSpace.method: expected ClassifierSettings.quantize_replay = False, as vectors have no grey "
                "levels to be rounded to, got True"
            )
        self.method = dataclasses.replace(self.method)  # it is this space's own
        self._extraction: Extraction | None = None
        self._contexts: tuple = (None, None)

    @property
    def networks(self):
        """The method's, and the extractor."""
        return self.method.networks

    @networks.setter
    def networks(self, networks):
        self.method.networks = networks

    @property
    def keeps(self):
        """As the method, but of vectors where it keeps images."""
        return Keeps.FEATURES if self.method.keeps is Keeps.IMAGES else self.method.keeps

    @property
    def pretrained(self):
        """Whether the extractor is."""
        return self.features.pretrained

    @property
    def replays(self):
        """Whether the method does."""
        return self.method.replays

    @property
    def replays_images(self):
        """False: vectors are replayed, and nothing makes images of them."""
        return False

    @property
    def replay_is_frozen(self):
        """As of the method."""
        return self.method.replay_is_frozen

    def replay(self, labels, seed=0):
        """Vectors float32 [N, D] of learned classes."""
        return self.method.replay(labels, seed)

    def replay_logits(self, replayed):
        """The method's, of vectors."""
        return self._method_logits(replayed)

    def replay_count(self, context):
        """The method's."""
        return self.method.replay_count(self._inner(context))

    @property
    def caution(self):
        """The method's."""
        return self.method.caution

    def told(self, sizes):
        """The method's."""
        return self.method.told(sizes)

    def keep_in(self, folder):
        """Names the folder in which vectors are kept."""
        self._cache_dir = pathlib.Path(folder)

    def check_classes(self, num_classes):
        """The method's."""
        self.method.check_classes(num_classes)

    def begin_task(self, context):
        """Makes the extractor of the first task's images, if there is none yet."""
        if self.networks.extractor is None:
            self.features.check(context.image_shape)
            self.networks.extractor = self.features.extractor(context.task.train.images, context.seed)
        self.method.begin_task(self._inner(context))

    def phases(self, context):
        """The method's."""
        return self.method.phases(self._inner(context))

    def end_task(self, context):
        """The method's."""
        return self.method.end_task(self._inner(context))

    def network_classes(self):
        """The method's, and the extractor's."""
        return dataclasses.replace(self.method.network_classes(), extractor=self.features.extractor_class())

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        self._extraction = None
        self.method.restore_networks(networks, task_classes)

    def arrays(self):
        """The method's."""
        return self.method.arrays()

    def array_specs(self, networks, num_classes, image_shape):
        """The method's, for vectors."""
        return self.method.array_specs(networks, num_classes, (networks.extractor.num_features,))

    def restore_arrays(self, arrays):
        """Gives them to the method."""
        self.method.restore_arrays(arrays)

    def forget(self, labels, context):
        """The method's; the extractor stays."""
        shape = (self.networks.extractor.num_features,)
        return self.method.forget(labels, dataclasses.replace(context, image_shape=shape))

    def calibrate(self, context):
        """The method's."""
        try:
            return self.method.calibrate(self._inner(context) if hasattr(context.task, "train") else context)
        finally:
            self._contexts = (None, None)

    def remains(self, labels, task_classes):
        """The method's, and what the extractor may hold of the first task."""
        mine = []
        if not self.pretrained and set(labels) & set(task_classes[0]):
            mine = [
                "The extractor's filters stay: they were found in the training images of the run's first task, and "
                "all statistics are of features by them. To be rid of them, train again without the class."
            ]
        return [*self.method.remains(labels, task_classes), *mine]

    def images_per_class(self):
        """The method's, without mirrored copies."""
        counts = self.method.images_per_class()
        return counts // 2 if self.mirrored and counts is not None else counts

    def memory_bytes(self):
        """The method's."""
        parts = self.method.memory_bytes()
        return {"features" if name == "images" else name: size for name, size in parts.items()}

    def readings(self, images):
        """The method's other ways of classifying."""
        parts = [self.method.readings(vectors) for vectors in self._views(images)]
        return {name: np.mean([part[name] for part in parts], axis=0) for name in parts[0]}

    def watch(self, schedule):
        """The method's."""
        return self.method.watch(schedule)

    @property
    def classifier(self):
        """Extractor and the method's classifier as one network of images."""
        return FeatureClassifier(self.networks.extractor, self.method.classifier, self.mirrored)

    def logits(self, images):
        """float32 [N, classes seen so far]; of mirrored copies, too, where these are learned."""
        return np.mean([self._method_logits(vectors) for vectors in self._views(images)], axis=0)

    @property
    def tells_known(self):
        """Whether the method does."""
        return self.method.tells_known

    def known_scores(self, images):
        """The method's, their mean with those of mirrored copies where these are learned."""
        parts = [self._in_batches(self.method.known_scores, vectors) for vectors in self._views(images)]
        return np.mean(parts, axis=0)

    def _method_logits(self, vectors):
        return self._in_batches(self.method.logits, vectors)

    def _in_batches(self, function, vectors):
        return in_batches(lambda part: function(np.asarray(part)), vectors, (64, 64))

    def _views(self, images):
        """Vectors of images, and of their mirrored copies where these are learned."""
        if images.dtype != np.uint8:
            images = to_uint8(np.asarray(images))
        views = [images, mirrored(images)] if self.mirrored else [images]
        return [self._extracted().vectors(view) for view in views]

    def _extracted(self):
        if self._extraction is None:
            self._extraction = Extraction(self.networks.extractor, self._cache_dir)
        return self._extraction

    def _inner(self, context):
        """The method's `TaskContext`: the task's vectors, each split extracted when it is first asked for."""
        if self._contexts[0] is not context:
            task = _VectorTask(context.task, self._vectors_of)
            shape = (self.networks.extractor.num_features,)
            self._contexts = context, dataclasses.replace(context, task=task, image_shape=shape)
        return self._contexts[1]

    def _vectors_of(self, split):
        views = [split.images, mirrored(split.images)] if self.mirrored else [split.images]
        parts = [self._extracted().vectors(view, keep=not self.method.reads_once) for view in views]
        return VectorSplit(concatenated(parts), np.tile(split.labels, len(parts)), len(parts))


class _VectorTask:
    """A `data.Task` with vectors for images."""

    def __init__(self, task, vectors_of):
        self._task, self._vectors_of, self._splits = task, vectors_of, {}
        self.index, self.classes, self.class_names = task.index, task.classes, task.class_names

    @property
    def train(self):
        """`VectorSplit` of the training images."""
        return self._split("train")

    @property
    def validation(self):
        """The same of the validation images."""
        return self._split("validation")

    def _split(self, name):
        if name not in self._splits:
            self._splits[name] = self._vectors_of(getattr(self._task, name))
        return self._splits[name]
