"""Snapshot of a learner, to be restored if the next step fails."""

import dataclasses

import numpy as np


class Moment:
    """Snapshot of a learner. `restore` brings it back, with the same objects as method and networks.

    It copies weights, which training changes in place, and keeps references to the rest. A method comes back as it does
    from a file, through `Method.networks`, `arrays` and their inverses, on top of what its settings make of it anew.

    Args:
      learner: `Learner`, between two tasks or restored in the middle of one.
    """

    def __init__(self, learner):
        method = learner.method
        self._learner, self._method = dict(vars(learner)), dict(vars(method))
        self._networks = dataclasses.replace(method.networks)
        held = self._networks.by_name()
        self._weights = [(w, _copy(w)) for network in held.values() for w in network.weights]
        begun = held or learner.task_classes
        self._arrays = {name: _kept(array) for name, array in method.arrays().items()} if begun else None

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


def _copy(variable):
    return np.asarray(variable).copy()


def _kept(array):
    """Copies an array unless it holds images: these may be many, and are never changed."""
    array = np.asarray(array)
    return array.copy() if array.dtype.kind == "f" else array
