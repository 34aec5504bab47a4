"""Which images the steps of a GAN phase learn from."""

import numpy as np

from dgm_tf.training import schedules
from dgm_tf.training.randomness import numpy_generator


class GANBatches:
    """Rows of a pool for the critic's and the classifier's updates of each step, a function of seed and step.

    Args:
      pool: `Pool`; an epoch is one pass over its current images, or several.
      gan: `GANSettings`.
      classifier: `ClassifierSettings`.
      joint: whether the critic's real images come from the whole pool; see `GeneratorRules`.
      seed: int.

    Attributes:
      per_epoch: int, steps of an epoch.
    """

    def __init__(self, pool, gan, classifier, joint, seed):
        self._pool, self._gan, self._classifier, self._joint, self._seed = pool, gan, classifier, joint, seed
        self._pass = schedules.num_batches(len(pool.current), gan.batch_size)
        classes = len(np.unique(pool.labels[pool.current])) if gan.min_batches_per_class else 1
        self.per_epoch = max(gan.min_batches * classes, self._pass)
        self._plan = (None, None)

    def of_step(self, index):
        """(real [critic_steps, B], mixed [classifier updates, B]): int rows of the pool."""
        epoch, batch = divmod(index, self.per_epoch)
        batches = self._of_epoch(epoch)
        real = batches[[(batch + i) % len(batches) for i in range(self._gan.critic_steps)]]
        if self._joint:
            real = numpy_generator(self._seed, "real", index).integers(0, len(self._pool), real.shape)
        return real, self._mixed(numpy_generator(self._seed, "classifier", index), batches[batch])

    def _of_epoch(self, epoch):
        """The current images' rows, [per_epoch, B]; those of the epoch in hand are kept."""
        if self._plan[0] != epoch:
            rng, count = numpy_generator(self._seed, "epoch", epoch), len(self._pool.current)
            passes = -(-self.per_epoch // self._pass)
            drawn = [schedules.epoch_batches(rng, count, self._gan.batch_size) for _ in range(passes)]
            self._plan = epoch, self._pool.current.start + np.concatenate(drawn)[: self.per_epoch]
        return self._plan[1]

    def _mixed(self, rng, current):
        settings = self._classifier
        if settings.replay_schedule == "balanced":
            return schedules.balanced(rng, self._pool, current)
        if settings.replay_schedule == "none":
            return np.zeros((0, len(current)), np.int32)
        return schedules.constant(rng, self._pool, len(current), settings.updates, settings.current_share)
