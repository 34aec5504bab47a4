"""Small regularised learners and their stops in mid-task, shared by the tests of the three methods."""

import numpy as np

from dgm_tf import serialization
from dgm_tf.learner import Learner
from dgm_tf.networks.mlp import MLPDiscriminator
from dgm_tf.registry import register
from dgm_tf.training.loop import Callback
from tests.methods import tiny

SHAPE = (4, 4, 1)
TASKS = tuple(tiny.task(i, (2 * i, 2 * i + 1), shape=SHAPE) for i in range(3))


@register
class TinyMLP(MLPDiscriminator):
    """Two small hidden layers."""

    def __init__(self, image_shape=SHAPE, num_classes=1, units=(8, 6)):
        super().__init__(image_shape, num_classes, units)


def learner(method, **settings):
    """A learner of a method on tiny networks: 3 epochs of 4 batches, the last 2 steps of which end no interval."""
    settings = {"epochs": 3, "batch_size": 8, "learning_rate": 1e-2, "samples_per_class": 3} | settings
    return Learner(method(TinyMLP, **settings), seed=5)


class Snapshots(Callback):
    """Keeps the state in the middle of a task's phase and after it, as a checkpoint would."""

    def __init__(self, step):
        self._step, self.states = step, {}

    def on_step_end(self, learner, context, phase):
        if learner.position.step == self._step:
            self._keep("step", learner, serialization.to_arrays("phase", phase.variables()))

    def on_phases_end(self, learner, context):
        self._keep("phases done", learner, {})

    def _keep(self, name, learner, arrays):
        arrays = {k: np.array(v) for k, v in (learner.arrays() | arrays).items()}
        self.states[name] = learner.description(), arrays


def assert_same(one, other):
    """The same weights and everything that is kept, to the bit."""
    arrays, others = one.arrays(), other.arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)
