"""How sure a trained classifier is: the temperature of its logits, and whether an image is of a class that it knows."""

import dataclasses

import keras
import numpy as np
import tensorflow as tf
from scipy import optimize, special

from dgm_tf import checks
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.exemplars import normalized_features
from dgm_tf.methods.method import Method

FALSE_ALARMS = 0.05  # share of new images of known classes that are taken for unknown ones
MOST = 200  # images of a class that both are found by
_FACTORS = (np.log(1e-3), np.log(1e3))  # logarithms of the least and the largest factor


@dataclasses.dataclass(frozen=True)
class Confidence:
    """What is known of a classifier beside its weights.

    Attributes:
      factor: of its logits, > 0, the inverse of their temperature.
      means: float32 [classes, features], of length 1: directions of the classes' features.
      limit: cosine of an image's features and the nearest of these, from which on it is of a known class.
    """

    factor: float
    means: np.ndarray
    limit: float


def temperature_factor(logits, labels):
    """Factor of logits with which labels are most likely, each class weighing the same (Guo et al., ICML 2017).

    A class may be taken for another one even if that happens to none of the images: as after Platt, one image more is
    taken to be of any class.

    logits: float [N, classes]; labels: int [N], N >= 1.
    """
    return _factor(np.asarray(logits, np.float64), labels, _weights(labels))


def lowest_score(scores, labels, false_alarms=FALSE_ALARMS):
    """The score that a share of the images is below, each class weighing the same; scores, labels: [N]."""
    order = np.argsort(scores, kind="stable")
    place = np.searchsorted(np.cumsum(_weights(labels)[order]), false_alarms)
    return float(scores[order[min(place, len(order) - 1)]])


def _weights(labels):
    weights = 1.0 / np.bincount(labels)[labels]
    return weights / weights.sum()


def _factor(logits, labels, weights):
    if logits.shape[1] == 1:
        return 1.0
    logits = logits - logits[np.arange(len(labels)), labels][:, None]  # of the true class 0
    share = 1.0 / (1.0 + len(labels))
    mean = share * np.sum(weights * logits.mean(axis=1))

    def loss(logarithm):
        factor = np.exp(logarithm)
        return np.sum(weights * special.logsumexp(factor * logits, axis=1)) - factor * mean

    return float(np.exp(optimize.minimize_scalar(loss, bounds=_FACTORS, options={"xatol": 1e-6}).x))


class Confident(keras.Model):
    """A classifier with a temperature, which tells known from unknown; it shares the weights of the one it is given.

    Args:
      reader: network that classifies.
      network: two-headed network whose features the reader reads; as a rule the same.
      confidence: `Confidence`.

    Shapes: as of the reader.
    """

    def __init__(self, reader, network, confidence):
        super().__init__(name="confident", dtype="float32")
        self.reader, self.network, self.confidence = reader, network, confidence
        self.built = True

    def call(self, images, training=False):
        """(realness, logits)."""
        realness, logits = self.reader(images, training=False)
        return realness, tf.cast(logits, tf.float32) * np.float32(self.confidence.factor)

    def logits_and_scores(self, images):
        """(logits, scores float32 [N]): the cosine with the nearest class mean above the limit."""
        cosines = tf.reduce_max(cosines_with(self.network.features(images), self.confidence.means), axis=1)
        return self(images)[1], cosines - np.float32(self.confidence.limit)


def cosines_with(features, means):
    """float32 [N, classes]; features: [N, D]; means: numpy [classes, D], of length 1."""
    return tf.matmul(tf.math.l2_normalize(tf.cast(features, tf.float32), axis=1), tf.constant(means.T))


class ConfidentMethod(Method):
    """A method that finds a `Confidence` at the end of each task, if it has images of all classes for that.

    Means are of replayed or stored images. A classifier is surer of these than of new ones, as it learned from them or
    their like. So the limit is the lower one of theirs and of that of the present classes' validation images, each
    with a share of `FALSE_ALARMS` below it. Test images are never asked for.

    Attributes:
      confidence: `Confidence` or None.
      calibrates: whether there are images of earlier classes.
    """

    confidence = None
    calibrates = False

    @property
    def trained_classifier(self):
        """The network that classifies, as it was trained."""
        return self.networks.classifier

    @property
    def classifier(self):
        """The network; with its temperature, between two tasks."""
        network = self.trained_classifier
        return network if self.confidence is None else Confident(network, self.networks.classifier, self.confidence)

    @property
    def tells_known(self):
        """Between two tasks, if there were images to find out by."""
        return self.confidence is not None

    def earlier_images(self, classes, count, seed):
        """(images, labels) of ended tasks' classes, at most `count` of each."""
        raise NotImplementedError

    def calibrate(self, context):
        """Finds the confidence; returns {"temperature": float}, or nothing."""
        self.confidence = None
        if not self.calibrates:
            return {}
        groups = [self.earlier_images(range(context.num_classes), MOST, context.task_seed + 2), *_held_out(context)]
        logits = [self.logits(images) for images, _ in groups]
        features = [normalized_features(self.networks.classifier, images) for images, _ in groups]
        if not all(np.isfinite(part).all() for part in (*logits, *features)):
            return {}
        labels = [labels for _, labels in groups]
        means = np.stack([features[0][labels[0] == label].mean(axis=0) for label in range(context.num_classes)])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), np.finfo(np.float32).tiny)
        scores = [np.max(part @ means.T, axis=1) for part in features]
        limit = min(lowest_score(*part) for part in zip(scores, labels, strict=True))
        earlier = ~np.isin(labels[0], np.concatenate([[-1], *labels[1:]]))
        parts = [(logits[0][earlier], labels[0][earlier]), *zip(logits[1:], labels[1:], strict=True)]
        factor = temperature_factor(*(np.concatenate(part) for part in zip(*parts, strict=True)))
        self.confidence = Confidence(factor, means.astype(np.float32), limit)
        return {"temperature": 1.0 / factor}

    def arrays(self):
        """The confidence."""
        found = self.confidence
        if found is None:
            return {}
        return {"confidence": np.array([found.factor, found.limit]), "confidence_means": found.means}

    def array_specs(self, networks, num_classes, image_shape):
        """Of the confidence, which earlier versions did not keep."""
        size = networks.classifier.logits.kernel.shape[0]
        return {
            "confidence": ArraySpec((2,), np.dtype(np.float64), required=False),
            "confidence_means": ArraySpec((num_classes, size), required=False),
        }

    def restore_arrays(self, arrays):
        """Takes it back.

        Raises:
          UserError: if it is none that `calibrate` can find.
        """
        self.confidence = None
        if {"confidence", "confidence_means"} <= arrays.keys():
            factor, limit = map(float, arrays["confidence"])
            fits = 0.0 < factor < np.inf and np.isfinite(limit) and np.isfinite(arrays["confidence_means"]).all()
            expected = "a factor above 0, a limit and directions, all finite"
            checks.argument("confidence", [factor, limit], fits, expected)
            self.confidence = Confidence(factor, arrays["confidence_means"], limit)


def _held_out(context):
    """A group of validation images of the present classes, at most `MOST` of each; none if there are none."""
    split = getattr(context.task, "validation", None)
    if split is None or not len(split):
        return []
    rows = np.concatenate([np.flatnonzero(split.labels == label)[:MOST] for label in np.unique(split.labels)])
    return [(split.images[rows], split.labels[rows])]
