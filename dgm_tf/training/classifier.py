"""Training of the class head by cross-entropy: one update, and a phase of nothing but such updates."""

import dataclasses
import functools

import gin
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.errors import UserError
from dgm_tf.registry import register
from dgm_tf.training import schedules
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.compilation import jit
from dgm_tf.training.distribution import apply_mean_gradients, mean_over_replicas
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.optimizer import ADAMS, decaying, make_adam
from dgm_tf.training.phase import Phase
from dgm_tf.training.randomness import fold_in, numpy_generator, replica_count, replica_slice, stateless_seed

CLASSIFIER_LOSS = ("loss/classifier",)


@gin.register
@register
@dataclasses.dataclass(frozen=True)
class ClassifierSettings:
    """Settings of the classifier's training: schedule, data and optimizer.

    Attributes:
      replay_schedule: updates beside each GAN step: "balanced" (t + 1 of them, the paper's), "constant"
        (`updates` of them) or "none". None: "constant" where the generator minimises the auxiliary loss, else "none".
      updates: for "constant".
      own_optimizer: whether the updates beside the GAN's steps have an Adam of their own, with `learning_rate`, and do
        not share the critic's and its moments, as in the paper. None: in tasks of several classes.
      current_share: for "constant": share of the current task's images; None: equal classes, so that with many
        earlier ones the new ones are rare.
      closing_epochs: passes over replay and current images after the GAN is trained; 0 in the paper.
      augmentation: `Augmentation` of its inputs or None, as in the paper.
      generated_current: share in [0, 1] of the current task's images that are generated in the closing epochs.
        None: half of them once a task had several classes, before that none.
      min_replay_per_class: replayed images of each earlier class, however few the current classes have, whose own
        images the closing epochs then repeat as often; 0 in the paper: as many as a current class has on average.
      quantize_replay: rounds replayed images to 8 bits, as real ones are, which takes a quarter of the memory.
      learning_rate: of the closing epochs, and of an optimizer of its own.
      learning_rate_decay: share in [0, 1] of the closing epochs, the last part, over which it falls linearly to zero.
      adam: of the closing epochs, and of an optimizer of its own; as of `GANSettings`.
    """

    replay_schedule: str | None = "balanced"
    updates: int = 1
    own_optimizer: bool | None = None
    current_share: float | None = None
    closing_epochs: int = 0
    augmentation: Augmentation | None = None
    generated_current: float | None = None
    min_replay_per_class: int = 0
    quantize_replay: bool = False
    learning_rate: float = 1e-3
    learning_rate_decay: float = 0.0
    adam: str = "pytorch"

    def __post_init__(self):
        if self.replay_schedule is not None:
            checks.choice(self, "replay_schedule", schedules.REPLAY_SCHEDULES)
        checks.integer(self, "updates", "[1, inf)")
        if self.own_optimizer is not None:
            checks.flag(self, "own_optimizer")
        if self.current_share is not None:
            checks.number(self, "current_share", "(0, 1]")
        checks.integer(self, "closing_epochs", "[0, inf)")
        checks.instance(self, "augmentation", (Augmentation, type(None)))
        if self.generated_current is not None:
            checks.number(self, "generated_current", "[0, 1]")
        checks.integer(self, "min_replay_per_class", "[0, inf)")
        checks.flag(self, "quantize_replay")
        checks.number(self, "learning_rate", "(0, inf)")
        checks.number(self, "learning_rate_decay", "[0, 1]")
        checks.choice(self, "adam", ADAMS)
        if self.replay_schedule in ("none", None) and self.closing_epochs < 1:
            raise UserError(
                f"ClassifierSettings: with replay_schedule {self.replay_schedule!r} the classifier would never learn: "
                f"expected closing_epochs >= 1, got {self.closing_epochs}"
            )

    of_task_size = ("replay_schedule", "own_optimizer", "generated_current")  # where they are None; see `task_size`

    @property
    def remedies(self):
        """Its learning rate, in the GAN's phase where the classifier has an optimizer of its own."""
        phases = ("gan", "classifier") if self.own_optimizer else ("classifier",)
        return [Remedy(phase, CLASSIFIER_LOSS, "a lower", "learning_rate") for phase in phases]


class ClassifierRules:
    """Hooks into the classifier's update. The defaults are plain cross-entropy."""

    def loss(self, network, images, labels):
        """(loss, logits [N, classes]) of this replica's batch: images float32 [N, H, W, C], labels int32 [N]."""
        _, logits = network(images, training=True, update_statistics=True)
        return losses.acgan_loss(logits, labels), logits

    def apply(self, optimizer, gradients, variables):
        """Makes the step, given the loss's gradients on this replica; may add to them and note what the step did."""
        apply_mean_gradients(optimizer, gradients, variables)


PLAIN_RULES = ClassifierRules()


def replica_batch(images, labels, augmentation, seed):
    """This replica's (images, labels) of a global batch, the images augmented. To be called per replica."""
    if augmentation is not None:
        images = augmentation(images, seed)
    return replica_slice(images), replica_slice(labels)


def update_classifier(network, optimizer, variables, images, labels, rules=PLAIN_RULES):
    """One Adam step on the loss of a replica's batch; returns (loss, accuracy). To be called per replica."""
    with tf.GradientTape() as tape:
        loss, logits = rules.loss(network, images, labels)
    rules.apply(optimizer, tape.gradient(loss, variables), variables)
    hits = tf.cast(tf.argmax(logits, 1, output_type=labels.dtype) == labels, tf.float32)
    return loss, tf.reduce_mean(hits)


def class_variables(network):
    """Variables that cross-entropy trains: all of a two-headed network except the realness head."""
    realness = {id(v) for v in network.realness.trainable_variables}
    return [v for v in network.trainable_variables if id(v) not in realness]


class ClassifierPhase(Phase):
    """Passes over a pool of images with cross-entropy updates.

    Args:
      network: two-headed network, (realness, logits).
      pool: `Pool`.
      epochs: passes over it.
      batch_size: images a step, over all replicas.
      learning_rate: of Adam (beta_1 0.5, beta_2 0.999).
      decay: share of the phase, its last part, over which the rate falls linearly to zero.
      seed: int; all randomness follows from it and the step.
      augmentation: `Augmentation` or None.
      rules: `ClassifierRules`, the method's part.
      adam: of `optimizer.ADAMS`.

    Attributes:
      pool: as above.
    """

    name = "classifier"
    trains_classifier = True

    def __init__(
        self, network, pool, epochs, batch_size, learning_rate, seed, augmentation=None, rules=PLAIN_RULES, decay=0.0,
        adam="pytorch",
    ):  # fmt: skip
        super().__init__(epochs, pool.num_batches(batch_size))
        self.pool, self._batch_size, self._seed, self._augmentation = pool, batch_size, seed, augmentation
        self._strategy = tf.distribute.get_strategy()
        variables = class_variables(network)
        self._optimizer = make_adam(decaying(learning_rate, decay, self.num_steps), variables, rule=adam)
        self._noise = stateless_seed(seed, "augmentation")
        self._plan = (None, None)
        update = functools.partial(update_classifier, network, self._optimizer, variables, rules=rules)
        self._update_classifier = jit(update, self.num_steps)
        self._train_step = tf.function(self._distributed_step)

    def step(self, index):
        """One update."""
        epoch, batch = divmod(index, self.batches)
        if self._plan[0] != epoch:
            rng = numpy_generator(self._seed, "batches", epoch)
            self._plan = epoch, self.pool.epoch_batches(rng, self._batch_size)
        return self._train_step(tf.constant(self._plan[1][batch], tf.int32), tf.constant(index, tf.int32))

    def _distributed_step(self, rows, index):
        """Compiled. rows: int32 [B] of the pool."""
        return mean_over_replicas(self._strategy, self._strategy.run(self._replica_step, (rows, index)))

    def _replica_step(self, rows, index):
        batch = replica_batch(*self.pool.gather(rows), self._augmentation, fold_in(self._noise, index))
        loss, accuracy = self._update_classifier(*batch)
        return {"loss/classifier": loss, "accuracy/training": accuracy}

    def variables(self):
        """The optimizer's."""
        return self._optimizer.variables


def measuring_batch_size():
    """About 64 images a step, in equal shares for the replicas: for classifiers that only measure."""
    return max(1, 64 // replica_count()) * replica_count()


def check_batch_size(batch_size):
    """Raises UserError unless the global batch splits evenly over the replicas."""
    if batch_size % replica_count():
        raise UserError(f"batch_size: expected a multiple of the {replica_count()} replicas, got {batch_size}")
