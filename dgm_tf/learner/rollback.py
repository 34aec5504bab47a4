"""Snapshot of a learner, to be restored if the next step fails."""

import dataclasses

import numpy as np


class Moment:
    """Snapshot of a learner. `restore` brings it back, with the same objects as method and networks.

    It copies weights that are trained, and keeps references to the rest. A method comes back as it does from a file,
    through `Method.networks`, `arrays` and their inverses, on top of what its settings make of it anew.

    Args:
      learner: `Learner`, between two tasks or restored in the middle of one.
    """

    def __init__(self, learner):
        method = learner.method
        self._learner, self._method = dict(vars(learner)), dict(vars(method))
        self._networks = dataclasses.replace(method.networks)
        held = self._networks.by_name()
        trained = [network for name, network in held.items() if name != "extractor"]  # which never changes
        self._weights = [(w, np.asarray(w).copy()) for network in trained for w in network.weights]
        begun = held or learner.task_classes
        self._arrays = method.arrays() if begun else None

    def restore(self, learner):
        """Restores the learner."""
        vars(learner).update(self._learner)
        method = learner.method
        anew = vars(dataclasses.replace(method)) if dataclasses.is_dataclass(type(method)) else {}
        attributes = vars(method)
        attributes.clear()
        attributes.update(self._method | anew)
        for variable, value in self._weights:
            variable.assign(value)
        method.networks = dataclasses.replace(self._networks)
        if self._arrays is not None:
            method.restore_networks(method.networks, learner.task_classes)
            method.restore_arrays(self._arrays)
