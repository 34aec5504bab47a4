"""What every method owes: taken up again in the middle of a task, or loaded, it is the one that was never stopped."""

import json

import numpy as np

import dgm_tf
from dgm_tf import serialization
from dgm_tf.learner import Learner
from dgm_tf.training.loop import Callback


class Snapshot(Callback):
    """Keeps the state after one step, as a checkpoint would; moment: (task, phase, step)."""

    def __init__(self, moment):
        self._moment, self.state = moment, None

    def on_step_end(self, learner, context, phase):
        position = learner.position
        if (position.task, position.phase, position.step) == self._moment:
            arrays = learner.arrays() | serialization.to_arrays("phase", phase.variables())
            description = json.loads(json.dumps(learner.description()))
            self.state = description, {k: np.array(v) for k, v in arrays.items()}


def learned(method, tasks, callbacks=(), seed=5):
    """A learner that has learned the tasks."""
    learner = Learner(method, seed)
    for task in tasks:
        learner.learn(task, callbacks)
    return learner


def assert_same(one, other, images):
    """The same arrays and answers, to the bit."""
    arrays, others = one.arrays(), other.arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)
    np.testing.assert_array_equal(one.logits(images), other.logits(images))
    assert one.description() == other.description()


def assert_resumes(method, tasks, phase=0, step=1):
    """Stopped after that step of the last task, it ends the same."""
    snapshot = Snapshot((len(tasks) - 1, phase, step))
    learner = learned(method, tasks, (snapshot,))
    taken_up = Learner.from_state(*snapshot.state)
    assert taken_up.num_tasks == len(tasks) - 1
    taken_up.learn(tasks[-1])
    assert_same(taken_up, learner, tasks[0].test.images)


def assert_loads(learner, folder, following):
    """Saved and loaded it is the same, and goes on the same with the task that follows."""
    images = following.test.images
    learner.save(folder)
    loaded = dgm_tf.load(folder)
    assert_same(loaded, learner, images)
    learner.learn(following)
    loaded.learn(following)
    assert_same(loaded, learner, images)
