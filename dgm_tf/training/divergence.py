"""Divergence: infinite or NaN losses and weights are noticed before they are saved, with advice what to try."""

import dataclasses
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from dgm_tf.errors import Diverged
from dgm_tf.text import shown

# Steps between two readings where steps run on a GPU: a value that is read makes the next step wait to be launched.
GPU_INTERVAL = 50
NAMED_CLASSES = 3
_CHUNK = 2**22  # numbers looked at at once


class Remedy(NamedTuple):
    """Advice for losses or weights that diverge. Settings list theirs as `remedies`.

    phase: name of the phase; losses: names of those that it concerns; advice: "a lower", "a higher" or "another";
    field: of the settings.
    """

    phase: str
    losses: tuple
    advice: str
    field: str


class LossWatch:
    """Reads a phase's losses after its steps.

    A loss that is not finite makes NaN of weights, and they of all losses that follow: where not every step is read, it
    is seen at the next reading, and the step that it began in is found among those in between.

    Args:
      learner, context, phase: in hand.

    Attributes:
      interval: steps after which losses are read, at the latest at the end of an epoch: reading one waits for a GPU.
    """

    def __init__(self, learner, context, phase):
        self._learner, self._context, self._phase = learner, context, phase
        self.interval = GPU_INTERVAL if tf.config.list_logical_devices("GPU") else 1
        self._unread = []

    def see(self, index, metrics):
        """After step `index`, 0-based; metrics: dict of scalar tensors.

        Raises:
          Diverged: where one of them is not finite.
        """
        self._unread.append((index, metrics))
        if (index + 1) % self._phase.batches and len(self._unread) < self.interval:
            return
        if _not_finite(metrics):
            self._tell_first()
        self._unread.clear()

    def _tell_first(self):
        index, losses = next((i, bad) for i, metrics in self._unread if (bad := _not_finite(metrics)))
        raise _diverged(self._learner, self._place(index), ", ".join(losses), self._phase.name, losses)

    def _place(self, index):
        phase = self._phase
        epoch = f"epoch {index // phase.batches + 1} of {phase.epochs}, step {index + 1} of {phase.num_steps}"
        return f"{task_name(self._context)}, phase {phase.name}, {epoch}"


def task_name(context):
    """Such as "task 3 (owl, heron)"."""
    names = context.task.class_names
    listed = ", ".join(names[:NAMED_CLASSES]) + (" ..." if len(names) > NAMED_CLASSES else "")
    return f"{context.title} ({shown(listed)})"


def check_finite(learner, arrays, place, phase=None):
    """Raises `Diverged` if an array is not finite.

    Args:
      learner: whose settings are to be named.
      arrays: dict of arrays, such as `Learner.arrays` gives.
      place: function returning text on where this is.
      phase: name of the phase whose settings are to be named; None: all phases'.
    """
    owners = dict.fromkeys(_owner(key) for key, array in arrays.items() if not is_finite(array))
    if owners:
        raise _diverged(learner, place(), ", ".join(owners), phase)


def is_finite(array):
    """Whether an array is finite. Integers, such as images, are not read."""
    array = np.asarray(array)
    if array.dtype.kind != "f":
        return True
    values = array.reshape(-1)
    return all(np.isfinite(values[start : start + _CHUNK]).all() for start in range(0, len(values), _CHUNK))


def _not_finite(metrics):
    return [name for name, value in metrics.items() if not math.isfinite(value)]


def _owner(key):
    """Text on what an array belongs to, by its key: a network, what a method keeps beside it, an optimizer."""
    owner, separator, rest = key.partition("/")
    if owner == "method":
        return rest.partition("/")[0]
    return {"phase": "an optimizer"}.get(owner, f"weights of {owner}" if separator else owner)


def _diverged(learner, place, what, phase, losses=()):
    advice = " or ".join(settings_to_try(learner.method, phase, losses))
    return Diverged(
        f"{place}: expected finite values, got NaN or infinity in {what}; nothing of it is saved. Try {advice}"
    )


def settings_to_try(method, phase=None, losses=()):
    """Texts such as "a lower GANSettings.generator_learning_rate (now 0.1)", the farthest from its default first.

    Args:
      method: `Method`, whose settings are looked through, nested ones too.
      phase, losses: names, which remedies are for; None, (): of all phases, all losses.
    """
    found = list(_remedies(method))
    meant = [(owner, r) for owner, r in found if phase in (None, r.phase) and (not losses or {*losses} & {*r.losses})]
    ranked = sorted(meant or found, key=lambda pair: -_excess(*pair))
    return list(dict.fromkeys(_text(owner, remedy) for owner, remedy in ranked)) or ["a lower learning rate"]


def _remedies(owner):
    for remedy in getattr(owner, "remedies", ()):
        yield owner, remedy
    for field in dataclasses.fields(owner) if dataclasses.is_dataclass(owner) else ():
        value = getattr(owner, field.name)
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            yield from _remedies(value)


def _excess(owner, remedy):
    """How many times its default a setting is that is to be lower; the inverse of one that is to be higher."""
    value, default = getattr(owner, remedy.field), getattr(type(owner), remedy.field, None)
    if remedy.advice == "another" or not default or not value:
        return 1.0
    return value / default if remedy.advice == "a lower" else default / value


def _text(owner, remedy):
    value = getattr(owner, remedy.field)
    value = f"{value:g}" if isinstance(value, float) else value
    return f"{remedy.advice} {type(owner).__name__}.{remedy.field} (now {value})"
