"""What DGM, EWC-M, MeRGAN and DGR share: whose images are replayed, how many, and from which seed."""

import dataclasses

import numpy as np
import pytest

from dgm_tf.methods.context import TaskContext
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import tiny

CLASSES = ((0, 1), (2,), (3,))
METHODS = {"dgm": tiny.dgm, **tiny.SHARED}
CLOSING = ClassifierSettings("none", closing_epochs=1)


def context(index, seed=0):
    return TaskContext(tiny.task(index, CLASSES[index], 8), CLASSES[: index + 1], (32, 32, 1), seed)


def at_task(method, index=1):
    """The method about to learn a task, its generator as training may leave it."""
    for t in range(index + 1):
        method.begin_task(context(t))
        tiny.randomize(method.memory if method.memory is not None else method.student, seed=t)
        if t < index:
            method.end_task(context(t))
    return method


def replay_sets(method, *contexts):
    """The images replayed for each context, all groups together."""
    return [np.concatenate([images for images, _ in method._generate_replay_set(each)]) for each in contexts]


@pytest.fixture(scope="module", params=METHODS)
def method(request):
    return at_task(METHODS[request.param]())


def test_what_is_replayed_for_training_follows_from_the_runs_seed_and_the_task(method):
    same, again, other_seed = replay_sets(method, context(1), context(1), context(1, seed=1))
    np.testing.assert_array_equal(same, again)
    assert same.shape == other_seed.shape and np.abs(same - other_seed).max() > 1e-3
    later = dataclasses.replace(context(1), task=dataclasses.replace(context(1).task, index=2))
    (other_task,) = replay_sets(method, later)
    assert not np.array_equal(same[: len(other_task)], other_task[: len(same)])
