"""A learner that takes one task after the other: the Python API, and what experiments are built on."""

import pathlib

import numpy as np

from dgm_tf import keras_setup, saved_learner, serialization
from dgm_tf.errors import UserError
from dgm_tf.learner_state import LearnerState
from dgm_tf.methods.context import TaskContext
from dgm_tf.rows import Rows
from dgm_tf.saved_learner import METHOD_ARRAYS
from dgm_tf.training.clock import Clock
from dgm_tf.training.loop import Position, notify, run_phase
from dgm_tf.training.pool import to_uint8


class Learner:
    """Learns tasks with a method and answers for all classes seen so far.

    Args:
      method: a `Method` that has learned nothing, such as `DGM()`.
      seed: int, of everything random in training.

    Raises:
      UserError: if the method is in use by another learner.

    Attributes:
      class_names: original names of the classes seen so far, in learning order: a class's label is its
        position in this list.
      task_classes: per task its labels.
      clock: `Clock`, where the time goes: a phase's steps under its name, "tracing", "replay" (making a phase and
        the images that it replays), "end_task", and what the callbacks charge.
    """

    def __init__(self, method, seed=0):
        keras_setup.check()
        if any(network is not None for network in method.networks().values()):
            raise UserError("method: expected one that has learned nothing, got one in use; make each learner its own")
        self.method, self.seed = method, int(seed)
        self.class_names, self.task_classes = [], []
        self.image_shape = None
        self.position = Position()
        self.clock = Clock()
        self._restored = None

    @property
    def num_tasks(self):
        """Tasks learned to their end."""
        return self.position.task

    def learn(self, task, callbacks=()):
        """Learns a task's classes; returns what the method reports, such as capacity and warnings.

        Args:
          task: `benchmarks.Task`; its index must be the number of tasks learned so far.
          callbacks: `Callback`s that watch.

        Raises:
          UserError: if the task is not the next one, its labels do not follow those learned so far, its images
            have another shape, or the last call was broken off.
        """
        self._check(task)
        resumed = self._restored is not None
        task_classes = self.task_classes if resumed else [*self.task_classes, tuple(map(int, task.classes))]
        context = TaskContext(task, tuple(task_classes), tuple(task.train.images.shape[1:]), self.seed)
        if not resumed:
            self.method.check_classes(context.num_classes)
            with self.clock.measure("prepare"):
                self.method.begin_task(context)  # where it refuses, the learner stays as it was
            self.task_classes, self.image_shape = task_classes, context.image_shape
            self.class_names.extend(task.class_names)
        phases = self.method.phases(context)
        notify(self, callbacks, "on_task_begin", context)
        if resumed:
            for callback in callbacks:
                callback.restore(self, self._restored)
        for index in range(self.position.phase, len(phases)):
            with self.clock.measure("replay"):
                phase = self._make_phase(phases[index])
            run_phase(self, context, phase, callbacks)
            self.position = Position(task.index, index + 1, 0, self.position.global_step)
            if index + 1 < len(phases):
                notify(self, callbacks, "on_next_phase", context)
        notify(self, callbacks, "on_phases_end", context)
        self._restored = None
        with self.clock.measure("end_task"):
            outcome = self.method.end_task(context)
        self.position = Position(task.index + 1, 0, 0, self.position.global_step)
        notify(self, callbacks, "on_task_end", context, outcome)
        return outcome

    def _make_phase(self, make):
        phase = make()
        if self._restored is not None:
            serialization.assign_arrays("phase", phase.variables(), self._restored)
            self._restored = None
        return phase

    def _check(self, task):
        begun = len(self.task_classes) > self.position.task
        if begun and self._restored is None:
            raise UserError("learn: the last task was broken off in its middle; go on from what was saved")
        if task.index != self.position.task:
            raise UserError(f"task: expected task {self.position.task} next, got task {task.index}")
        known = sum(len(classes) for classes in self.task_classes[: self.position.task])
        expected = tuple(range(known, known + len(task.class_names)))
        if not expected or tuple(task.classes) != expected:
            raise UserError(f"task.classes: expected {expected}, one for each of its class names, got {task.classes}")
        labels = tuple(np.unique(task.train.labels).tolist())
        if labels != expected:
            raise UserError(f"task.train.labels: expected images of the classes {expected}, got labels {labels}")
        shape = tuple(task.train.images.shape[1:])
        if self.image_shape not in (None, shape):
            raise UserError(f"task: expected images of shape {self.image_shape}, got {shape}")

    def logits(self, images):
        """float32 [N, classes seen so far]; images: uint8 or float32 in [-1, 1], [N, H, W, C]."""
        if not self.task_classes:
            raise UserError("logits: expected a learner that has learned a task, got one that has not")
        images = images if isinstance(images, Rows) else np.asarray(images)
        if images.shape[1:] != self.image_shape:
            raise UserError(f"images: expected shape [N, {self.image_shape}], got {images.shape}")
        if images.dtype != np.uint8 and images.dtype.kind != "f":
            raise UserError(f"images: expected uint8 or float32 in [-1, 1], got {images.dtype}")
        return self.method.logits(images)

    def classify(self, images):
        """int64 [N] labels in learning order; see `class_names`. Images as for `logits`."""
        return np.argmax(self.logits(images), axis=1)

    def replay(self, labels, seed=0):
        """uint8 [N, H, W, C] generated images of learned classes; labels: int [N]; a function of the seed."""
        labels = np.asarray(labels)
        known = sum(len(classes) for classes in self.task_classes[: self.num_tasks])
        if labels.size and not 0 <= labels.min() <= labels.max() < known:
            raise UserError(f"labels: expected values in [0, {known}), got {labels.min()} to {labels.max()}")
        return to_uint8(self.method.replay(labels, seed))

    def description(self):
        """What beside the arrays it takes to make this learner again, for JSON.

        Raises:
          UserError: if the method or a network is of a class that no other process could find, see `registry`.
        """
        networks = {name: serialization.network_to_json(network) for name, network in self.method.networks().items()}
        state = LearnerState(
            self.method, networks, self.seed, self.class_names, self.task_classes, self.image_shape, self.position
        )
        return state.to_json()

    def arrays(self):
        """All weights of all networks, and what the method keeps beside them."""
        arrays = {f"{METHOD_ARRAYS}/{name}": array for name, array in self.method.arrays().items()}
        for name, network in self.method.networks().items():
            keys = serialization.network_keys(name, network)
            arrays |= {key: np.asarray(w) for key, w in zip(keys, network.weights, strict=True)}
        return arrays

    @classmethod
    def from_state(cls, description, arrays, method=None):
        """A learner from `description` and `arrays`; in the middle of a task, `learn` goes on from there.

        method: settings to go on with; default: those that it was saved with.

        Raises:
          UserError: if the description is not as it should be, or arrays do not fit its networks.
        """
        return cls._restored_from(LearnerState.from_json(description, method), arrays)

    @classmethod
    def _restored_from(cls, state, arrays):
        learner = cls(state.method, state.seed)
        learner.class_names, learner.task_classes = list(state.class_names), list(state.task_classes)
        learner.image_shape, learner.position = state.image_shape, state.position
        networks = {}
        for name, description in state.networks.items():
            networks[name] = network = serialization.network_from_json(description, f"networks.{name}")
            names = None if state.format == 1 else serialization.network_keys(name, network)
            serialization.assign_arrays(name, network.weights, arrays, names)
        learner.method.restore_networks(networks, learner.task_classes)
        own = f"{METHOD_ARRAYS}/"
        learner.method.restore_arrays({k.removeprefix(own): v for k, v in arrays.items() if k.startswith(own)})
        if len(learner.task_classes) > learner.position.task:
            learner._restored = arrays
        return learner

    def save(self, directory):
        """Writes learner.json, weights.npz, masks.npz, stored.npz; returns the sizes of the three.

        stored.npz holds what the method keeps beside its networks, such as real images. The sizes are bytes on disk,
        {"weights_bytes": ..., "masks_bytes": ..., "stored_bytes": ...}.

        What follows from the tasks' stored bits, and what is empty between tasks, is not written.

        Raises:
          UserError: before the first task's end, and in the middle of a task (a checkpoint can do that).
        """
        if not self.num_tasks or len(self.task_classes) > self.num_tasks:
            raise UserError(f"save: expected a learner at the end of a task, got one with {self.num_tasks} learned")
        sizes = saved_learner.save(self, directory)
        return {f"{name.removesuffix('.npz')}_bytes": size for name, size in sizes.items()}


def load(directory):
    """The learner saved in a directory, or in a run folder's `memory/`: see docs/security.md on those of strangers.

    Raises:
      Damaged: if a file of it is not as it was saved.
      UserError: if there is none, or it holds what no learner of the registered classes has.
    """
    directory = pathlib.Path(directory)
    for place in (directory, directory / "memory"):
        if (place / saved_learner.DESCRIPTION).is_file():
            return Learner._restored_from(*saved_learner.read(place))
    raise UserError(f"{directory}: expected a saved learner (learner.json) or a run folder with one, found none")
