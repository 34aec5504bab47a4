"""A linear classifier of feature vectors, with random features before it where wanted."""

import gin
import keras
import tensorflow as tf

from dgm_tf.registry import register

_LEAST = 1e-12  # of what is divided by


@gin.register(denylist=["image_shape", "num_classes"])  # which follow from the task
@register
@keras.saving.register_keras_serializable("dgm_tf")
class LinearClassifier(keras.Model):
    """logits = f @ kernel + bias, f being the vectors, or random ReLU features of them.

    Random features are max(0, vectors @ projection) with a fixed Gaussian projection (RanPAC: McDonnell et al.,
    NeurIPS 2023).

    Args:
      image_shape: (D,), of a vector.
      num_classes: outputs, >= 1.
      random_features: their number; 0: none.
      distances: (projected, dimensions) of the space in which distances from the known classes are measured; projected
        is whether f is projected to it; None: they are not measured.

    Shapes: vectors float32 [N, D] -> (realness [N], always 0, logits [N, num_classes]).
    """

    def __init__(self, image_shape=(1,), num_classes=1, random_features=0, distances=None):
        super().__init__(name="discriminator", dtype="float32")
        self.image_shape, self.num_classes, self.random_features = tuple(image_shape), num_classes, random_features
        size = self.image_shape[0]
        self.projection = None
        if random_features:
            self.projection = self.add_weight(
                shape=(size, random_features), initializer="zeros", trainable=False, name="projection"
            )
        shape = (random_features or size, num_classes)
        self.kernel = self.add_weight(shape=shape, initializer="zeros", name="kernel")
        self.bias = self.add_weight(shape=(num_classes,), initializer="zeros", name="bias")
        self.distances = None if distances is None else (bool(distances[0]), int(distances[1]))
        self.known_directions = None
        if self.distances:
            self._add_distances(shape[0], *self.distances)
        self.built = True

    def _add_distances(self, num_features, projected, size):
        shapes = {"whitening": (size, size), "means": (self.num_classes, size), "limit": ()}
        if projected:
            shapes["directions"] = (num_features, size)
        for name, shape in shapes.items():
            weight = self.add_weight(shape=shape, initializer="ones", trainable=False, name=f"known_{name}")
            setattr(self, f"known_{name}", weight)

    @property
    def tells_known(self):
        """Whether `scores` works."""
        return self.distances is not None

    def features(self, images, training=False, update_statistics=False):
        """What the kernel is multiplied with, [N, random_features or D]; images: vectors [N, D]."""
        return images if self.projection is None else tf.nn.relu(tf.matmul(images, self.projection))

    def call(self, images, training=False, update_statistics=False):
        """(zeros [N], logits)."""
        logits = tf.matmul(self.features(images), self.kernel) + self.bias
        return tf.zeros_like(logits[:, 0]), logits

    def logits_and_scores(self, images):
        """(logits, scores float32 [N]): logarithms of how many times nearer than allowed a vector is to a known class.

        It is 0 at the limit, and above it for what is known. The distance is that of `KnownClasses`.
        """
        vectors = tf.cast(self.features(images), tf.float32)
        vectors = tf.matmul(vectors, self.known_directions) if self.distances[0] else vectors
        centre = tf.reduce_mean(self.known_means, axis=0)  # by which less is rounded away
        vectors, means = vectors - centre, self.known_means - centre
        plain = _squared_distances(vectors, means)
        white = _squared_distances(tf.matmul(vectors, self.known_whitening), tf.matmul(means, self.known_whitening))
        logarithms = tf.math.log(self.known_limit) + tf.math.log(plain) / 2.0 - tf.math.log(white)
        return self(images)[1], tf.reduce_max(logarithms, axis=1)

    def get_config(self):
        """Keras config."""
        config = {"image_shape": list(self.image_shape), "num_classes": self.num_classes}
        distances = {} if self.distances is None else {"distances": list(self.distances)}
        return config | {"random_features": self.random_features} | distances


def _squared_distances(vectors, means):
    """float32 [N, classes], above 0."""
    squares = tf.reduce_sum(vectors**2, axis=1, keepdims=True) + tf.reduce_sum(means**2, axis=1)
    return tf.maximum(squares - 2.0 * tf.matmul(vectors, means, transpose_b=True), _LEAST)
