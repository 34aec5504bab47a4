"""Base class of networks with a realness head and a class head. The class head can be widened."""

import keras
import numpy as np


class TwoHeadedNetwork(keras.Model):
    """Base of discriminators and classifiers: features under two dense heads.

    Subclasses build everything in their constructor, `realness` and `logits` included, define
    `features(images, training, update_statistics) -> [N, features]` and a `get_config` that holds `num_classes`.

    Shapes: images float32 [N, H, W, channels] in [-1, 1] -> (realness [N], logits [N, num_classes]).
    """

    def features(self, images, training=False, update_statistics=False):
        """What the heads read, [N, features]; update_statistics: whether moving averages follow the batch."""
        raise NotImplementedError

    def call(self, images, training=False, update_statistics=False):
        """(realness, logits)."""
        features = self.features(images, training, update_statistics)
        return self.realness(features)[:, 0], self.logits(features)

    def widen(self, num_classes):
        """Returns a copy whose class head has outputs for new classes; everything learned is kept."""
        wider = type(self).from_config(self.get_config() | {"num_classes": num_classes})
        for new, old in zip(wider.weights, self.weights, strict=True):
            values = np.asarray(new).copy()
            values[tuple(slice(0, n) for n in old.shape)] = np.asarray(old)
            new.assign(values)
        return wider

    def without_classes(self, labels):
        """Returns a copy whose class head has no outputs for these classes; the others' labels move down."""
        kept = np.setdiff1d(np.arange(self.num_classes), labels)
        copy = type(self).from_config(self.get_config() | {"num_classes": len(kept)})
        head = {id(variable) for variable in self.logits.weights}
        for new, old in zip(copy.weights, self.weights, strict=True):
            new.assign(np.asarray(old)[..., kept] if id(old) in head else np.asarray(old))
        return copy
