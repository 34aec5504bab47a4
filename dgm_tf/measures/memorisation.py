"""Memorisation: whether replayed images are nearer to training images than other images of their class are."""

import gin
import numpy as np

from dgm_tf.measures.measure import Detail
from dgm_tf.training.pool import to_float

MOST = 200  # images of a class that are compared with all training images of it


@gin.register
class Memorisation(Detail):
    """Distances to the nearest training image: of replayed images, and of test images beside them.

    EvaluationSettings.measures = [@Memorisation()] measures it, when each class is learned: later its training images
    are gone. `bin/audit` shows it.
    """

    name, title = "memorisation", "nearest training image"

    def applies(self, view):
        """Of methods that replay images."""
        return view.learner.method.replays_images

    def after_task(self, view):
        """{"replayed", "test"}: for each class of the task the median distance in pixels, see `nearest`; or None."""
        task = view.context.task
        found: dict[str, list] = {"replayed": [], "test": []}
        for label in task.classes:
            train = task.train.of_class(label)
            replayed = view.learner.replay(np.full(MOST, label), seed=1)
            for name, images in (("replayed", replayed), ("test", task.test.of_class(label)[:MOST])):
                found[name].append(float(np.median(nearest(images, train))) if len(images) else None)
        return found


def nearest(images, others):
    """float [N]: root mean square difference, over all pixels in [-1, 1], to the nearest of the others.

    images, others: uint8 or float32 in [-1, 1], [N, H, W, C] and [M, H, W, C].
    """
    one, other = (np.asarray(to_float(part), np.float64).reshape(len(part), -1) for part in (images, others))
    squares = np.sum(one**2, axis=1)[:, None] + np.sum(other**2, axis=1) - 2.0 * one @ other.T
    return np.sqrt(np.maximum(squares.min(axis=1), 0.0) / one.shape[1])
