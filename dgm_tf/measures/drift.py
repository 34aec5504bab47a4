"""The invariant of the method, measured: what is replayed of a learned task never changes."""

import pathlib
import platform
import re

import numpy as np
import tensorflow as tf

from dgm_tf.measures.measure import Better, Detail, Kept


class ReplayDrift:
    """Section 3's invariant, measured: images of past tasks for fixed z, when learned and now.

    Where a run goes on on another device, whose kernels round otherwise, or in another process on a GPU, which chooses
    its kernels by their speed at the moment, the images are made anew from the weights as they were saved, and it is
    they that later ones are compared with; a leak between a task's beginning and such a move would then stand in
    `device_difference`.

    Args:
      per_class: probe images of each class.

    Attributes:
      device_difference: the largest difference in [-1, 1] images that such a move has made, 0 without one.
    """

    def __init__(self, per_class=8):
        self._per_class, self._reference, self._device = per_class, {}, device()
        self.device_difference = 0.0

    def measure(self, learner):
        """Largest absolute difference over all past tasks' probe images in [-1, 1]; keeps the newest task's.

        A pixel that is not a number counts as the largest difference that there can be, 2.
        """
        worst = 0.0
        for task, classes in enumerate(learner.task_classes[: learner.num_tasks]):
            labels = np.repeat(np.asarray(classes), self._per_class)
            images = learner.method.replay(labels, seed=0)
            worst = max(worst, _difference(images, self._reference.setdefault(task, images)))
        return worst

    def arrays(self):
        """The reference images, by task, and the device that made them."""
        name = np.frombuffer(self._device.encode(), np.uint8)
        facts = {"drift_device/name": name, "drift_device/difference": np.float32(self.device_difference)}
        return {f"drift/{task:04d}": images for task, images in self._reference.items()} | facts

    def restore(self, learner, arrays):
        """The inverse of `arrays`."""
        self._reference = {int(k.split("/")[1]): v for k, v in arrays.items() if k.startswith("drift/")}
        if "drift_device/name" not in arrays:  # of a run begun before the device was kept
            return
        self.device_difference = float(arrays["drift_device/difference"])
        moved = bytes(arrays["drift_device/name"]).decode() != self._device or tf.config.list_physical_devices("GPU")
        if moved and self._reference:
            before, self._reference = self._reference, {}
            self.measure(learner)
            changes = [_difference(images, before[task]) for task, images in self._reference.items() if task in before]
            self.device_difference = max([self.device_difference, *changes])


class _OfReplay(Detail):
    """A measure of methods that replay."""

    kept = Kept.LAST

    def applies(self, view):
        """Whether they do."""
        return view.learner.method.replays


class LargestDrift(_OfReplay):
    """The largest change of an earlier task's images in the whole run: 0 where replay is frozen."""

    name, better = "replay_drift", Better.LOWER

    def after_task(self, view):
        """In [0, 2]."""
        before = view.record.last.get(self.name) or 0.0
        return max(before, view.drift.measure(view.learner), view.outcome.get("replay_drift", 0.0))


class DeviceDifference(_OfReplay):
    """The same across a move to another device, see `ReplayDrift`."""

    name, better = "replay_device_difference", Better.LOWER

    def after_task(self, view):
        """In [0, 2]."""
        return view.drift.device_difference


class ReplayIsFrozen(_OfReplay):
    """Whether the method promises that replay of earlier tasks never changes."""

    name = "replay_is_frozen"

    def after_task(self, view):
        """True or False."""
        return view.learner.method.replay_is_frozen


def device():
    """Text on the device that decides rounding: TensorFlow's version and the GPUs, or else the processor."""
    gpus = tf.config.list_physical_devices("GPU")
    names = {tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus}
    return f"TensorFlow {tf.__version__} on {', '.join(sorted(names)) or _processor()}"


def _processor():
    """Its name and the vector instructions that kernels are chosen by."""
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text()
    except OSError:  # not Linux
        return platform.processor() or platform.machine()
    name = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    vectors = sorted(set(re.findall(r"\b(?:avx|amx|fma|sve)\w*", text)))
    return " ".join([name[1] if name else platform.machine(), *vectors])


def _difference(images, others):
    return float(np.max(np.nan_to_num(np.abs(images - others), nan=2.0)))
