"""An extractor and a classifier of its vectors as one network of images."""

import keras
import tensorflow as tf


class FeatureClassifier(keras.Model):
    """An extractor and a classifier of its vectors as one network, which shares their weights.

    Args:
      extractor: `FeatureExtractor`.
      head: network of vectors, (realness, logits).
      mirrored: whether logits are the mean over each image and its mirrored copy.

    Shapes: images float32 [N, H, W, C] in [-1, 1] -> (realness [N], logits [N, classes]).
    """

    def __init__(self, extractor, head, mirrored=False):
        super().__init__(name="feature_classifier", dtype="float32")
        self.extractor, self.head, self.mirrored = extractor, head, mirrored
        self.built = True

    def call(self, images, training=False):
        """(realness, logits)."""
        return self._mean(lambda vectors: self.head(vectors, training=False), images)

    def logits_and_scores(self, images):
        """(logits, scores [N]) where the head has them."""
        return self._mean(self.head.logits_and_scores, images)

    def _mean(self, function, images):
        """A function's answers, means over the views of each image."""
        views = [images, tf.reverse(images, axis=[2])] if self.mirrored else [images]
        answers = [function(self.extractor(view, training=False)) for view in views]
        return tuple(tf.add_n(part) / len(views) for part in zip(*answers, strict=True))
