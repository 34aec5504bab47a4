"""Schedules: which images each step learns from, as rows of a `Pool`, drawn from a seed."""

import numpy as np

REPLAY_SCHEDULES = ("balanced", "constant", "none")


def epoch_batches(rng, count, batch_size):
    """[batches, batch_size] indices in [0, count): one shuffled pass, the rest dropped.

    With fewer images than a batch, one batch in which images repeat.
    """
    if count < batch_size:
        return np.resize(rng.permutation(count), (1, batch_size))
    return rng.permutation(count)[: count // batch_size * batch_size].reshape(-1, batch_size)


def num_batches(count, batch_size):
    """Batches in one pass of `epoch_batches`."""
    return max(1, count // batch_size)


def updates_per_step(settings, pool):
    """Classifier updates beside each GAN step, by `ClassifierSettings`."""
    return {"balanced": 1 + len(pool.replay), "constant": settings.updates, "none": 0}[settings.replay_schedule]


def balanced(rng, pool, current):
    """The paper's schedule: the current batch and as many replayed images per earlier task.

    current: [B] rows of the current batch. Returns [t + 1, B], all shuffled together.
    """
    batch_size = len(current)
    replayed = [rng.integers(rows.start, rows.stop, batch_size) for rows in pool.replay]
    indices = np.concatenate([current, *replayed])
    return rng.permutation(indices).reshape(-1, batch_size).astype(np.int32)


def constant(rng, pool, batch_size, updates, current_share=None):
    """`updates` batches from all classes seen so far; the cost does not grow with the tasks.

    current_share: share in (0, 1] of the current task's images; None: every class equally often.
    Returns [updates, B].
    """
    classes, counts = np.unique(pool.labels, return_counts=True)
    weights = (1.0 / (len(classes) * counts))[np.searchsorted(classes, pool.labels)]
    if current_share is not None and pool.replay:
        current = slice(pool.current.start, pool.current.stop)
        of_current = weights[current].sum()
        weights[: current.start] *= (1.0 - current_share) / (weights.sum() - of_current)
        weights[current] *= current_share / of_current
    chosen = rng.choice(len(weights), updates * batch_size, p=weights / weights.sum())
    return chosen.reshape(updates, batch_size).astype(np.int32)
