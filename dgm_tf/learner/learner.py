"""Learner: the Python API that learns one task after the other, and the base of runs."""

from typing import NamedTuple

import numpy as np

from dgm_tf import keras_setup, serialization
from dgm_tf.data.rows import Rows
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.learner import arguments, forgetting, saving
from dgm_tf.learner.levels import FloatLevels
from dgm_tf.learner.rollback import Moment
from dgm_tf.learner.saving import METHOD_ARRAYS
from dgm_tf.learner.state import LearnerState
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.networks import Networks
from dgm_tf.training.clock import Clock
from dgm_tf.training.divergence import check_finite, task_name
from dgm_tf.training.loop import Position, notify, run_phase
from dgm_tf.training.pool import to_uint8

PROBES = 4  # images of a task that are classified at its end, to see whether that is possible


class Known(NamedTuple):
    """Whether images are of learned classes.

    known: bool [N]; score: float32 [N], the higher, the surer, and at least 0 where `known`.
    """

    known: np.ndarray
    score: np.ndarray


class Learner:
    """Learns tasks with a method and classifies among all classes seen so far.

    Args:
      method: a `Method` that has learned nothing, such as `DGM()`.
      seed: int >= 0, of everything random in training.

    Raises:
      UserError: if an argument is not as described, or the method is in use by another learner.

    Attributes:
      class_names: original names of the classes seen so far, in learning order: a class's label is its
        position in this list.
      task_classes: per task its labels.
      image_shape: (H, W, channels) of all images; None before the first task.
      clock: `Clock`, where the time goes; see its `TIMINGS`.
    """

    def __init__(self, method, seed=0):
        keras_setup.check()
        arguments.check_method(method)
        arguments.check_seed(seed)
        self.method, self.seed = method, int(seed)
        self.class_names, self.task_classes = [], []
        self.image_shape: tuple[int, ...] | None = None
        self.position = Position()
        self.clock = Clock()
        self._restored, self._told_range = None, False

    @property
    def num_tasks(self):
        """Number of tasks learned to their end."""
        return self.position.task

    def learn(self, task, callbacks=()):
        """Learns a task's classes; returns what the method reports, such as capacity and warnings.

        If it fails or is interrupted, by whatever exception, the learner is as it was before the call.

        Args:
          task: `data.Task`; its index must be the number of tasks learned so far.
          callbacks: list of `Callback`s that watch. An error that one raises in `on_task_end` finds the task learned.

        Raises:
          UserError: if an argument is not as described, the task is not the next one, its labels do not follow those
            learned so far, or its images have another shape.
          Diverged: if a loss or a weight is not finite.
        """
        callbacks = arguments.check_callbacks(callbacks)
        arguments.check_task(task)
        arguments.check_follows(task, self.class_names, self.task_classes, self.position.task, self.image_shape)
        context, outcome = self._learn_or_restore(task, callbacks)
        notify(self, callbacks, "on_task_end", context, outcome)
        return outcome

    def _learn_or_restore(self, task, callbacks):
        before = Moment(self)
        try:
            return self._learn(task, callbacks)
        except BaseException:
            before.restore(self)
            raise

    def _learn(self, task, callbacks):
        """Learns the task to its end; returns its context and what the method reports."""
        resumed = self._restored is not None
        task_classes = self.task_classes if resumed else [*self.task_classes, tuple(map(int, task.classes))]
        context = TaskContext(task, tuple(task_classes), tuple(task.train.images.shape[1:]), self.seed)
        if not resumed:
            self.method.check_classes(context.num_classes)
            with self.clock.measure("prepare"):
                self.method.begin_task(context)
            self.task_classes, self.image_shape = task_classes, context.image_shape
            self.class_names = [*self.class_names, *task.class_names]
        phases = self.method.phases(context)
        notify(self, callbacks, "on_task_begin", context)
        if resumed:
            for callback in callbacks:
                callback.restore(self, self._restored)
        self._run_phases(context, phases, callbacks)
        with self.clock.measure("end_task"):
            outcome = self.method.end_task(context)
            outcome |= self.method.calibrate(context)
            # Weights may be finite and too large to compute with: no loss was read after the last step.
            results = self.arrays() | {"logits": self.method.logits(np.asarray(task.train.images[:PROBES]))}
            check_finite(self, results, lambda: f"{task_name(context)}, at its end")
        self.position = Position(self.position.task + 1, 0, 0, self.position.global_step)
        return context, outcome

    def _run_phases(self, context, phases, callbacks):
        for index in range(self.position.phase, len(phases)):
            with self.clock.measure("replay"):
                phase = self._make_phase(phases[index])
            run_phase(self, context, phase, callbacks)
            self._check_trained(context, phase)
            self.position = Position(self.position.task, index + 1, 0, self.position.global_step)
            if index + 1 < len(phases):
                notify(self, callbacks, "on_next_phase", context)
        phases.clear()  # with the images that they replayed
        notify(self, callbacks, "on_phases_end", context)
        self._restored = None

    def _check_trained(self, context, phase):
        """Raises `Diverged` unless everything that the phase trained is finite."""
        preview = phase.preview(phase.num_steps - 1, np.asarray(context.task.classes[:1], np.int32))
        results = self.arrays() | ({} if preview is None else {"images": preview})
        check_finite(self, results, lambda: f"{task_name(context)}, phase {phase.name}, at its end", phase.name)

    def _make_phase(self, make):
        phase = make()
        if self._restored is not None:
            serialization.assign_arrays("phase", phase.variables(), self._restored)
            self._restored = None
        return phase

    def logits(self, images):
        """Returns logits, float32 [N, classes so far]; images: uint8 or floats in [-1, 1], [N, H, W, C] or `Rows`.

        Warns once if all floats lie in [0, 1]: the expected range is [-1, 1].

        Raises:
          UserError: if nothing was learned yet, or the images are not as described.
        """
        return self._logits(images)

    def _logits(self, images):
        return self._answers(self.method.logits, images)

    def known(self, images):
        """Returns `Known`, whether images are of classes that were learned; images: as for `logits`.

        Raises:
          UserError: as `logits`, and if the method cannot tell.
        """
        if self.task_classes and not self.method.tells_known:
            raise UserError(
                f"known: expected a method that tells known from unknown images, such as ClosedForm, got "
                f"{type(self.method).__name__} as it was learned"
            )
        score = self._scores(images)
        return Known(score >= 0.0, score)

    def _scores(self, images):
        return self._answers(self.method.known_scores, images)

    def _answers(self, function, images):
        """A method's function of images that were checked."""
        if not self.task_classes:
            raise UserError("logits: expected a learner that has learned a task, got one that has not")
        images = arguments.as_images(images, self.image_shape)
        if images.dtype == np.uint8:
            return function(images)
        levels = FloatLevels()
        images = levels.of_rows(images) if isinstance(images, Rows) else levels.checked(images)
        answers = function(images)
        if not self._told_range:
            self._told_range = levels.tell_unit_range(stacklevel=4)
        return answers

    def classify(self, images):
        """Returns labels, int64 [N]: positions in `class_names`. images: as for `logits`."""
        return np.argmax(self._logits(images), axis=1)

    def replay(self, labels, seed=0):
        """Generates images of learned classes, uint8 [N, H, W, C]. The same seed gives the same images.

        Args:
          labels: int [N], positions in `class_names`.
          seed: int >= 0.

        Raises:
          UserError: if an argument is not as described, or the method has no generative memory.
        """
        arguments.check_seed(seed)
        known = sum(len(classes) for classes in self.task_classes[: self.num_tasks])
        if not known:
            raise UserError("replay: expected a learner that has learned a task, got one that has not")
        labels = arguments.as_labels(labels, known)
        if self.method.replays and not self.method.replays_images:
            raise UserError(
                "replay: expected a memory of images, got one of feature vectors; method.replay gives these"
            )
        return to_uint8(self.method.replay(labels, seed))

    def forget(self, class_names, callbacks=()):
        """Takes classes out; returns sentences on what stays of them.

        The labels of later classes move down, and tasks that are left without a class are gone. If it fails or is
        interrupted, the learner is as it was before the call. A folder that the learner was saved to keeps the classes
        until it is saved there again; see docs/forgetting.md.

        Args:
          class_names: list of names, some of the attribute `class_names` but not all.
          callbacks: list of `Callback`s that watch what is trained anew.

        Raises:
          UserError: if a class is not known or none would be left, in the middle of a task, or if the method cannot
            take out classes.
        """
        return forgetting.forget(self, class_names, arguments.check_callbacks(callbacks))

    def description(self):
        """Returns what is needed beside the arrays to restore this learner, for JSON.

        Raises:
          UserError: if the method or a network is of a class that no other process could find, see `registry`.
        """
        held = self.method.networks.by_name()
        networks = {name: serialization.network_to_json(network) for name, network in held.items()}
        state = LearnerState(
            method=self.method,
            networks=networks,
            seed=self.seed,
            class_names=self.class_names,
            task_classes=self.task_classes,
            image_shape=self.image_shape or (),
            position=self.position,
        )
        return state.to_json()

    def arrays(self):
        """Returns the weights of all networks and the other arrays of the method."""
        arrays = {f"{METHOD_ARRAYS}/{name}": array for name, array in self.method.arrays().items()}
        for name, network in self.method.networks.by_name().items():
            keys = serialization.network_keys(name, network)
            arrays |= {key: np.asarray(w) for key, w in zip(keys, network.weights, strict=True)}
        return arrays

    @classmethod
    def from_state(cls, description, arrays, method=None):
        """Restores a learner from `description` and `arrays`. In the middle of a task, `learn` resumes it.

        method: settings to go on with; default: those that it was saved with.

        Raises:
          UserError: if the description is not as it should be, or arrays do not fit its networks.
        """
        state = LearnerState.from_json(description, method)
        return cls._restored_from(state, arrays, whole=state.format > 1)

    @classmethod
    def _restored_from(cls, state, arrays, whole=False):
        """whole: whether each weight must have its array."""
        learner = cls(state.method, state.seed)
        learner.class_names, learner.task_classes = list(state.class_names), list(state.task_classes)
        learner.image_shape, learner.position = state.image_shape, state.position
        networks = {}
        for name, description in state.networks.items():
            networks[name] = network = serialization.network_from_json(description, f"networks.{name}")
            names = serialization.network_keys(name, network)
            missing = set(names) - arrays.keys() if whole else ()
            if missing:
                raise UserError(f"saved learner: expected the arrays of all its networks, found no {min(missing)}")
            numbered = state.format == 1
            serialization.assign_arrays(name, network.weights, arrays, None if numbered else names)
        learner.method.restore_networks(Networks.from_names(networks), learner.task_classes)
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
          Diverged: if a weight is not finite; what was saved there before stays.
        """
        if not self.num_tasks or len(self.task_classes) > self.num_tasks:
            raise UserError(f"save: expected a learner at the end of a task, got one with {self.num_tasks} learned")
        check_finite(self, self.arrays(), lambda: "save")
        sizes = saving.save(self, directory)
        return {f"{name.removesuffix('.npz')}_bytes": size for name, size in sizes.items()}


def load(directory):
    """Loads the learner saved in a directory or in a run folder's `memory/`. See docs/security.md on strangers' files.

    Raises:
      Damaged: if a file of it is not as it was saved.
      UserError: if there is none, or it holds what no learner of the registered classes has.
    """
    directory = user_path(directory, "directory")
    for place in (directory, directory / "memory"):
        if (place / saving.DESCRIPTION).is_file():
            return Learner._restored_from(*saving.read(place))
    raise UserError(f"{directory}: expected a saved learner (learner.json) or a run folder with one, found none")


def check_learner(learner):
    """Checks for a `Learner`."""
    if not isinstance(learner, Learner):
        found = arguments.described(learner)
        raise UserError(f"learner: expected a dgm_tf.Learner, such as dgm_tf.load gives, got {found}")
