"""Trajectories of mask values over the epochs of a task (the paper's Fig. 3b)."""

import numpy as np

from dgm_tf.measures.measure import Detail
from dgm_tf.training.loop import Callback
from dgm_tf.training.randomness import numpy_generator

ENTRIES = 12  # of each layer's mask, chosen at random when the task begins
POINTS = 25  # epochs that results.json keeps of a task


class MaskWatch(Callback):
    """Notes some entries of each layer's mask after every epoch that trains masks.

    Attributes:
      epochs: list of int, from 1: those noted.
      values: dict layer -> list over epochs of float32 [entries] in [0, 1].
    """

    charge = "evaluation"

    def __init__(self):
        self.epochs, self.values = [], {}

    def on_task_begin(self, learner, context):
        """Resets for the next task."""
        self.epochs, self.values = [], {}

    def on_epoch_end(self, learner, context, phase, epoch):
        """Notes the values, at the mask scale of the epoch's last step."""
        masks = learner.method.mask_values(phase.schedule_at(learner.position.step - 1))
        if not masks:
            return
        self.epochs.append(epoch + 1)
        for name, mask in masks.items():
            flat = np.asarray(mask, np.float32).ravel()
            rng = numpy_generator(context.task_seed, "mask trajectories", name)
            chosen = rng.choice(flat.size, min(ENTRIES, flat.size), replace=False)
            self.values.setdefault(name, []).append(flat[np.sort(chosen)])

    def arrays(self):
        """What was noted in the task so far."""
        arrays = {f"mask_watch/values/{name}": np.stack(values) for name, values in self.values.items()}
        return arrays | {"mask_watch/epochs": np.asarray(self.epochs, np.int64)}

    def restore(self, learner, arrays):
        """The inverse of `arrays`; nothing where a run was begun before masks were watched."""
        prefix = "mask_watch/values/"
        self.epochs = np.asarray(arrays.get("mask_watch/epochs", [])).tolist()
        self.values = {name.removeprefix(prefix): list(a) for name, a in arrays.items() if name.startswith(prefix)}


class MaskTrajectories(Detail):
    """Values of some mask entries after the epochs of each task."""

    name = "mask_trajectories"

    def applies(self, view):
        """Of methods with masks."""
        return "capacity" in view.outcome

    def after_task(self, view):
        """{"epochs": [points], "layers": {name: [entries][points] in [0, 1]}}; None where nothing was watched."""
        watch = view.masks
        if watch is None or not watch.epochs:
            return None
        points = np.unique(np.linspace(0, len(watch.epochs) - 1, POINTS).round().astype(int))
        layers = {
            name: [[round(float(value), 3) for value in entry] for entry in np.stack(values)[points].T]
            for name, values in watch.values.items()
        }
        return {"epochs": [watch.epochs[point] for point in points], "layers": layers}
