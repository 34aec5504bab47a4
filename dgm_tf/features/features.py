"""Features: settings of a fixed extractor, and the base class of the networks that extract."""

import keras


class Features:
    """Settings of a feature space: a dataclass, with `@gin.register` and `@register` above it.

    The extractor is made once, when the first task is learned, and never changes. It is saved with the learner as any
    network is: a registered class, its config of plain values, and arrays.
    """

    # Whether the extractor was trained on other images, whose labels may be those of the classes to learn.
    pretrained = False

    def check(self, image_shape):
        """Raises UserError if no features can be extracted of such images; image_shape: (H, W, channels).

        It is called before any image is read for training, and tells what was expected and what to do.
        """

    def extractor_class(self):
        """Subclass of `FeatureExtractor`; it is not made."""
        raise NotImplementedError

    def extractor(self, images, seed):
        """A new `FeatureExtractor`.

        Args:
          images: uint8 [N, H, W, channels], an array or `Rows`: the first task's training images, and no others.
          seed: int, of all that is random.
        """
        raise NotImplementedError


class FeatureExtractor(keras.Model):
    """Base of extractors. A subclass is built in its constructor and has a `get_config` of plain values.

    Attributes:
      image_shape: (H, W, channels) of the images that it takes.
      num_features: length of a feature vector.
      batch_size: images that are extracted at once.
      version: raised where the same weights give other features than before, so that none that were kept are taken.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> features float32 [N, num_features].
    """

    image_shape: tuple[int, int, int]
    num_features: int
    batch_size: int = 64
    version: int = 1
