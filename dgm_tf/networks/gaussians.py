"""A Gaussian of each class's feature vectors: mean, principal components, and the rest of each feature's variance."""

import keras
import numpy as np
import scipy.linalg

from dgm_tf import checks, limits
from dgm_tf.registry import register
from dgm_tf.training.randomness import numpy_generator

_LEAST_VARIANCE = 1e-9  # of a component, as a share of the first one's


@register
@keras.saving.register_keras_serializable("dgm_tf")
class ClassGaussians(keras.Model):
    """Means and principal axes of classes, from which vectors are drawn. Nothing of it is trained.

    Args:
      image_shape: (D,), of a vector.
      num_classes: int, >= 1.
      components: axes of each class, in [1, D].

    Attributes:
      counts: [classes], of the vectors that each was made of.
      means: [classes, D]; axes: [classes, components, D], each as long as its standard deviation, 0 where a class has
        fewer.
      rests: [classes, D], standard deviations of what the axes leave over of each feature.
    """

    def __init__(self, image_shape=(1,), num_classes=1, components=1):
        super().__init__(name="gaussians", dtype="float32")
        self.image_shape, self.num_classes, self.components = tuple(image_shape), num_classes, components
        fits = len(self.image_shape) == 1 and checks.inside(self.image_shape[0], f"[1, {limits.MAX_BACKBONE_FEATURES}]")
        checks.argument("ClassGaussians.image_shape", self.image_shape, fits, "(D,), of feature vectors")
        checks.integer(self, "num_classes", "[1, inf)")
        checks.integer(self, "components", f"[1, {self.image_shape[0]}]")
        size = self.image_shape[0]
        self.counts = self._constant("counts", (num_classes,))
        self.means = self._constant("means", (num_classes, size))
        self.axes = self._constant("axes", (num_classes, components, size))
        self.rests = self._constant("rests", (num_classes, size))
        self.built = True

    def _constant(self, name, shape):
        return self.add_weight(name=name, shape=shape, initializer="zeros", trainable=False)

    def of_classes(self, labels, more=0):
        """A copy with these classes alone, numbered anew, and room for `more` new ones."""
        config = self.get_config() | {"num_classes": len(labels) + more}
        copy = type(self).from_config(config)
        for new, old in zip(copy.weights, self.weights, strict=True):
            values = np.zeros(new.shape, np.float32)
            values[: len(labels)] = np.asarray(old)[list(labels)]
            new.assign(values)
        return copy

    def fit(self, label, vectors):
        """Takes a class's mean and axes. vectors: float [N, D], an array or `Rows`, N >= 1."""
        vectors = np.asarray(vectors[:], np.float64)
        mean = vectors.mean(axis=0)
        axes, found = np.zeros(self.axes.shape[1:]), principal_axes(vectors - mean, self.components)
        axes[: len(found)] = found
        rest = np.sqrt(np.maximum(vectors.var(axis=0) - np.sum(axes**2, axis=0), 0.0))
        values = ((self.counts, len(vectors)), (self.means, mean), (self.axes, axes), (self.rests, rest))
        for variable, value in values:
            every = np.asarray(variable).copy()
            every[label] = value
            variable.assign(every)

    def draw(self, labels, seed):
        """float32 [N, D], a vector of each label; labels: int [N]; a function of seed, an int."""
        labels, size = np.asarray(labels), self.image_shape[0]
        means, axes, rests = (np.asarray(weight) for weight in (self.means, self.axes, self.rests))
        vectors = np.empty((len(labels), *self.image_shape), np.float32)
        for label in np.unique(labels):
            rows = np.flatnonzero(labels == label)
            noise = numpy_generator(seed, "gaussian", int(label)).standard_normal
            z, rest = (noise((len(rows), count), np.float32) for count in (self.components, size))
            vectors[rows] = means[label] + z @ axes[label] + rest * rests[label]
        return vectors

    def get_config(self):
        """Keras config."""
        names = ("num_classes", "components")
        return {"image_shape": list(self.image_shape)} | {name: getattr(self, name) for name in names}


def principal_axes(vectors, most):
    """[k, D]: up to `most` principal axes of centred vectors [N, D], the largest first, as long as their deviations."""
    count, size = vectors.shape
    wide = count < size
    gram = (vectors @ vectors.T if wide else vectors.T @ vectors) / count
    most = min(most, len(gram))
    variances, axes = scipy.linalg.eigh(gram, subset_by_index=[len(gram) - most, len(gram) - 1])
    kept = variances > max(_LEAST_VARIANCE * variances[-1], 0.0)
    variances, axes = variances[kept][::-1], axes[:, kept][:, ::-1]
    return axes.T @ vectors / np.sqrt(count) if wide else np.sqrt(variances)[:, None] * axes.T
