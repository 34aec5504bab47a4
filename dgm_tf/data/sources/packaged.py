"""Source of the images in this package: a small part of MNIST."""

import importlib.resources

import gin
import numpy as np

from dgm_tf.data.arrays import Arrays
from dgm_tf.data.source import Source


@gin.register
class PackagedMNIST(Source):
    """5000 training and 1000 test images of MNIST's ten digits, 28x28, one channel; needs no download.

    Reference: LeCun et al., Gradient-based learning applied to document recognition, 1998.
    """

    name = "mnist_mini"

    def load(self):
        """Returns `Arrays` with images uint8 [N, 28, 28, 1]."""
        path = importlib.resources.files("dgm_tf") / "data" / "mnist_mini.npz"
        with path.open("rb") as file, np.load(file) as data:
            return Arrays(
                train_images=data["x_train"][..., np.newaxis],
                train_labels=data["y_train"],
                test_images=data["x_test"][..., np.newaxis],
                test_labels=data["y_test"],
                class_names=tuple(str(digit) for digit in range(10)),
            )
