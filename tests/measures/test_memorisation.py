"""Memorisation: a memory that gives training images back is seen by the distance to the nearest of them."""

import types

import numpy as np
import pytest

from dgm_tf.measures.memorisation import MOST, Memorisation, nearest
from tests.methods import tiny


def test_the_nearest_one_counts_by_the_root_mean_square_of_pixels():
    others = np.stack([np.full((2, 2, 1), value, np.float32) for value in (-1.0, 0.5)])
    images = np.stack([np.full((2, 2, 1), 0.25, np.float32), others[0]])
    np.testing.assert_allclose(nearest(images, others), [0.25, 0.0], atol=1e-7)


@pytest.mark.parametrize("copies", [True, False])
def test_copies_of_training_images_are_nearer_than_test_images(copies):
    task = tiny.task(0, (0, 1))

    def replay(labels, seed):
        assert len(labels) == MOST and seed == 1
        images = task.train.of_class(labels[0])
        return np.resize(images if copies else 255 - images, (MOST, *images.shape[1:]))

    learner = types.SimpleNamespace(replay=replay, method=types.SimpleNamespace(replays_images=True))
    view = types.SimpleNamespace(learner=learner, context=types.SimpleNamespace(task=task))
    assert Memorisation().applies(view)
    found = Memorisation().after_task(view)
    assert len(found["replayed"]) == len(found["test"]) == 2 and min(found["test"]) > 0.0
    assert (max(found["replayed"]) < 1e-6) == copies


def test_without_test_images_there_is_nothing_beside():
    task = tiny.task(0, (0,))
    empty = types.SimpleNamespace(
        classes=(0,), train=task.train, test=types.SimpleNamespace(of_class=lambda label: task.test.images[:0])
    )
    learner = types.SimpleNamespace(replay=lambda labels, seed: task.train.images)
    view = types.SimpleNamespace(learner=learner, context=types.SimpleNamespace(task=empty))
    found = Memorisation().after_task(view)
    assert found["replayed"][0] < 1e-6 and found["test"] == [None]
