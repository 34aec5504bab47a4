"""Which images a step learns from."""

import collections

import numpy as np
import pytest

from dgm_tf.training import schedules


class Pool:
    """Groups of the given labels, the last of the current task's, as a `training.pool.Pool`."""

    def __init__(self, *groups):
        self.labels = np.concatenate(groups).astype(np.int32)
        stops = np.cumsum([len(g) for g in groups]).tolist()
        *self.replay, self.current = (range(*rows) for rows in zip([0, *stops[:-1]], stops, strict=True))


def rng(seed=0):
    return np.random.default_rng(seed)


def share_of(labels, chosen):
    counts = collections.Counter(labels)
    return [counts[c] / len(labels) for c in chosen]


@pytest.mark.parametrize(("count", "batches"), [(8, 2), (11, 2), (12, 3), (4, 1)])
def test_an_epoch_is_one_shuffled_pass_without_the_rest(count, batches):
    indices = schedules.epoch_batches(rng(), count, 4)
    assert indices.shape == (batches, 4) == (schedules.num_batches(count, 4), 4)
    assert len(set(indices.ravel())) == indices.size and set(indices.ravel()) <= set(range(count))


def test_epochs_are_shuffled_by_their_generator():
    one, again, other = (schedules.epoch_batches(rng(s), 40, 4) for s in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.array_equal(one, other)


def test_fewer_images_than_a_batch_repeat_in_one_batch():
    indices = schedules.epoch_batches(rng(), 3, 8)
    assert indices.shape == (1, 8) and schedules.num_batches(3, 8) == 1
    counts = collections.Counter(indices[0])
    assert set(counts) == {0, 1, 2} and max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize("earlier", [0, 1, 3])
def test_balanced_has_the_current_batch_and_as_many_of_each_earlier_task(earlier):
    pool = Pool(*([task] * (5 + task) for task in range(earlier + 1)))
    current = np.asarray(pool.current)[:4]
    indices = schedules.balanced(rng(), pool, current)
    assert indices.shape == (earlier + 1, 4) and indices.dtype == np.int32
    assert collections.Counter(pool.labels[indices.ravel()]) == dict.fromkeys(range(earlier + 1), 4)
    assert sorted(i for i in indices.ravel() if i in pool.current) == sorted(current)


def test_balanced_shuffles_the_tasks_together():
    pool = Pool([0] * 50, [1] * 50)
    first_batches = [pool.labels[schedules.balanced(rng(s), pool, np.arange(50, 82))[0]] for s in range(5)]
    assert all(0 < np.sum(batch) < 32 for batch in first_batches)


def test_constant_chooses_every_class_equally_often():
    pool = Pool([0] * 10, [1] * 200, [2] * 40 + [3] * 500)
    indices = schedules.constant(rng(), pool, 1000, 4)
    assert indices.shape == (4, 1000) and indices.dtype == np.int32
    np.testing.assert_allclose(share_of(pool.labels[indices.ravel()], range(4)), [0.25] * 4, atol=0.03)


@pytest.mark.parametrize("share", [0.2, 0.5, 1.0])
def test_constant_gives_the_current_task_its_share(share):
    pool = Pool([0] * 10, [1] * 200, [2] * 40 + [3] * 500)
    labels = pool.labels[schedules.constant(rng(), pool, 4000, 1, share)[0]]
    rest = (1 - share) / 2
    np.testing.assert_allclose(share_of(labels, range(4)), [rest, rest, share / 2, share / 2], atol=0.03)


def test_constant_gives_the_second_task_its_share():
    pool = Pool([0] * 10, [1] * 200)
    labels = pool.labels[schedules.constant(rng(), pool, 4000, 1, 0.2)[0]]
    np.testing.assert_allclose(share_of(labels, range(2)), [0.8, 0.2], atol=0.03)


def test_constant_share_means_nothing_at_the_first_task():
    pool = Pool([0] * 10 + [1] * 100)
    with np.errstate(all="raise"):
        labels = pool.labels[schedules.constant(rng(), pool, 2000, 1, 0.3)[0]]
    np.testing.assert_allclose(share_of(labels, range(2)), [0.5, 0.5], atol=0.04)


def test_schedules_follow_from_their_generator():
    pool = Pool([0] * 50, [1] * 50)
    for draw in (
        lambda s: schedules.balanced(rng(s), pool, np.arange(50, 58)),
        lambda s: schedules.constant(rng(s), pool, 8, 3, 0.5),
    ):
        np.testing.assert_array_equal(draw(0), draw(0))
        assert not np.array_equal(draw(0), draw(1))
