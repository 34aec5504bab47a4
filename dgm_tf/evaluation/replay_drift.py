"""The invariant of the method, measured: what is replayed of a learned task never changes."""

import numpy as np


class ReplayDrift:
    """Section 3's invariant, measured: images of past tasks for fixed z, when learned and now.

    Args:
      per_class: probe images of each class.
    """

    def __init__(self, per_class=8):
        self._per_class, self._reference = per_class, {}

    def measure(self, learner):
        """Largest absolute difference over all past tasks' probe images in [-1, 1]; keeps the newest task's.

        A pixel that is not a number counts as the largest difference that there can be, 2.
        """
        worst = 0.0
        for task, classes in enumerate(learner.task_classes[: learner.num_tasks]):
            labels = np.repeat(np.asarray(classes), self._per_class)
            images = learner.method.replay(labels, seed=0)
            reference = self._reference.setdefault(task, images)
            worst = max(worst, float(np.max(np.nan_to_num(np.abs(images - reference), nan=2.0))))
        return worst

    def arrays(self):
        """The reference images, by task."""
        return {f"drift/{task:04d}": images for task, images in self._reference.items()}

    def restore(self, learner, arrays):
        """The inverse of `arrays`."""
        self._reference = {int(k.split("/")[1]): v for k, v in arrays.items() if k.startswith("drift/")}
