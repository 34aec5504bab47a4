"""The GAN step: classifier updates, a WGAN-GP critic update, a generator update."""

import dataclasses
import functools

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.registry import register
from dgm_tf.training import schedules
from dgm_tf.training.classifier import class_variables, classifier_update, replica_batch
from dgm_tf.training.compilation import jit
from dgm_tf.training.distribution import apply_mean_gradients, mean_over_replicas
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.optimizer import decaying, make_adam
from dgm_tf.training.phase import Phase
from dgm_tf.training.randomness import (
    fold_in,
    normal,
    numpy_generator,
    replica_count,
    replica_slice,
    split_seed,
    stateless_seed,
    uniform,
)

CRITIC_LOSSES = ("loss/classifier", "loss/critic", "loss/wasserstein_distance", "loss/gradient_penalty")
GENERATOR_LOSSES = ("loss/generator", "loss/generator_penalty")


@gin.register
@register
@dataclasses.dataclass(frozen=True)
class GANSettings:
    """Schedule and constants of the WGAN-GP AC-GAN (defaults: the paper's for MNIST).

    Attributes:
      epochs: passes over a task's images.
      batch_size: images a step, over all replicas.
      min_batches: steps of an epoch at least; with fewer images it passes over them several times.
      generator_learning_rate, discriminator_learning_rate: of Adam.
      learning_rate_decay: share in [0, 1] of a task's steps, the last ones, over which both fall linearly to zero.
      beta_1, beta_2: of Adam.
      gradient_penalty_weight: lambda_GP.
      gradient_penalty_share: share in (0, 1] of a batch, at least one image, that its penalty is estimated on; on all
        of it, as in the paper, the penalty is nearly half of the critic's update.
      critic_steps: critic updates for each generator update.
      auxiliary_loss: whether the generator also minimises the cross-entropy of its images' classes.
      clip_norm: global norm that the generator's gradients are clipped at.
    """

    epochs: int = 100
    batch_size: int = 64
    min_batches: int = 1
    generator_learning_rate: float = 2e-3
    discriminator_learning_rate: float = 2e-3
    learning_rate_decay: float = 0.0
    beta_1: float = 0.5
    beta_2: float = 0.999
    gradient_penalty_weight: float = 1.0
    gradient_penalty_share: float = 1.0
    critic_steps: int = 1
    auxiliary_loss: bool = False
    clip_norm: float = 1e4

    def __post_init__(self):
        for name in ("epochs", "batch_size", "min_batches", "critic_steps"):
            checks.integer(self, name, "[1, inf)")
        for name in ("generator_learning_rate", "discriminator_learning_rate", "clip_norm"):
            checks.number(self, name, "(0, inf)")
        for name in ("beta_1", "beta_2"):
            checks.number(self, name, "[0, 1)")
        checks.number(self, "learning_rate_decay", "[0, 1]")
        checks.number(self, "gradient_penalty_weight", "[0, inf)")
        checks.number(self, "gradient_penalty_share", "(0, 1]")
        checks.flag(self, "auxiliary_loss")

    remedies = (
        Remedy("gan", CRITIC_LOSSES, "a lower", "discriminator_learning_rate"),
        Remedy("gan", ("loss/critic", "loss/gradient_penalty"), "another", "gradient_penalty_weight"),
        Remedy("gan", (*CRITIC_LOSSES[1:], *GENERATOR_LOSSES), "a lower", "generator_learning_rate"),
        Remedy("gan", GENERATOR_LOSSES, "a lower", "clip_norm"),
    )


class GeneratorRules:
    """What a method may change in the generator's update; these defaults are a plain conditional GAN's.

    `schedule` is the dict of float tensors that `schedule_at` gives for the step.

    Attributes:
      joint: whether the GAN learns from the whole pool, replay included, and not from the current images alone:
        then the critic's real images are drawn uniformly from all groups, and an epoch stays as long as it was.
    """

    joint = False

    def __init__(self, generator, num_classes):
        self.generator, self.num_classes = generator, num_classes

    def schedule_at(self, epoch, batch, epochs, batches):
        """Dict of Python floats for the step, such as the mask scale."""
        return {}

    def generate(self, z, labels, schedule):
        """Images of the task being learned, batch norm in training mode."""
        raise NotImplementedError

    def preview(self, z, labels, schedule):
        """Images as they would be generated now, batch norm in inference mode, for people to look at."""
        raise NotImplementedError

    def penalty(self, schedule, seed):
        """A scalar added to the generator's loss; seed: int32 [2], the step's."""
        return 0.0

    def transform_gradients(self, gradients, variables, schedule):
        """The gradients that the optimizer gets."""
        return gradients


@dataclasses.dataclass(frozen=True)
class _Part:
    compiled: object
    inputs: object

    def __call__(self, index):
        return self.compiled(*self.inputs(index))


class GANPhase(Phase):
    """Adversarial training on the current task, with the classifier learning beside it.

    Args:
      rules: `GeneratorRules`, the method's part.
      discriminator: two-headed network (realness, logits).
      pool: `ImagePool`, its last group the current task's real images, which an epoch is one pass over, or several.
      gan: `GANSettings`.
      classifier: `ClassifierSettings`.
      seed: int; all randomness follows from it and the step.
    """

    name = "gan"

    def __init__(self, rules, discriminator, pool, gan, classifier, seed):
        start, stop = pool.ranges[-1]
        super().__init__(gan.epochs, max(gan.min_batches, schedules.num_batches(stop - start, gan.batch_size)))
        self._rules, self._discriminator, self._pool = rules, discriminator, pool
        self._gan, self._classifier, self._seed = gan, classifier, seed
        self._strategy = tf.distribute.get_strategy()
        self._make_optimizers()
        self._noise = stateless_seed(seed, "gan")
        self._plan = (None, None)
        self._adversarial_update = jit(self._critic_and_generator_update, self.num_steps)
        update = functools.partial(classifier_update, discriminator, self._c_optimizer, class_variables(discriminator))
        self._classifier_update = jit(update, self.num_steps)
        self._train_step = tf.function(self._distributed_step)
        self.trains_classifier = classifier.replay_schedule != "none"

    def _make_optimizers(self):
        gan, generator, discriminator = self._gan, self._rules.generator, self._discriminator
        updates = schedules.updates_per_step(self._classifier, len(self._pool.ranges))
        own = self._classifier.own_optimizer and updates > 0
        d_updates = gan.critic_steps + (0 if own else updates)
        betas = gan.beta_1, gan.beta_2
        d_optimizer = make_adam(
            self._decaying(gan.discriminator_learning_rate, d_updates), discriminator.trainable_variables, *betas
        )
        g_optimizer = make_adam(self._decaying(gan.generator_learning_rate, 1), generator.trainable_variables, *betas)
        self._optimizers = [d_optimizer, g_optimizer]
        if own:
            rate = self._decaying(self._classifier.learning_rate, updates)
            self._optimizers.append(make_adam(rate, class_variables(discriminator)))
        self._d_optimizer, self._g_optimizer = d_optimizer, g_optimizer
        self._c_optimizer = self._optimizers[-1] if own else d_optimizer

    def _decaying(self, rate, updates_per_step):
        return decaying(rate, self._gan.learning_rate_decay, self.num_steps * updates_per_step)

    def step(self, index):
        """One step: classifier, critic, generator."""
        return self._train_step(*self._inputs(index))

    def parts(self):
        """Dict part of the step -> compiled function of a step's number that runs it alone; to be timed.

        Each function has the attribute `compiled`, a `tf.function`, and `inputs`, which gives its arguments.
        """
        run = self._strategy.run
        critic, generator = (jit(part, self.num_steps) for part in (self._update_critic, self._update_generator))
        functions = {
            "step": self._distributed_step,
            "classifier": lambda real, mixed, index, schedule: self._update_classifier(mixed, self._noise),
            "critic": lambda real, mixed, index, schedule: run(
                lambda: critic(self._batches(real), schedule, self._noise)
            ),
            "generator": lambda real, mixed, index, schedule: run(
                lambda: generator(self._batches(real)[0][1], schedule, self._noise)
            ),
        }
        return {name: _Part(tf.function(function), self._inputs) for name, function in functions.items()}

    def _inputs(self, index):
        """What the compiled step takes: indices of the images, the step's number and the method's schedule."""
        schedule = {k: tf.constant(v, tf.float32) for k, v in self.progress(index).items()}
        return *self._indices(*divmod(index, self.batches), index), tf.constant(index, tf.int32), schedule

    def progress(self, index):
        """The method's schedule at this step."""
        return self._rules.schedule_at(*divmod(index, self.batches), self.epochs, self.batches)

    def preview(self, index, labels):
        """float32 [N, H, W, C]: images of the classes as generated now, from the same z always; labels: int [N]."""
        z = normal([len(labels), self._rules.generator.latent_size], self._noise)
        schedule = {k: tf.constant(v, tf.float32) for k, v in self.progress(index).items()}
        return self._rules.preview(z, labels, schedule)

    def variables(self):
        """The optimizers'."""
        return [variable for optimizer in self._optimizers for variable in optimizer.variables]

    def _indices(self, epoch, batch, index):
        """(real [critic_steps, B], mixed [updates, B]) indices into the pool."""
        if self._plan[0] != epoch:
            start, stop = self._pool.ranges[-1]
            rng = numpy_generator(self._seed, "epoch", epoch)
            passes = -(-self.batches // schedules.num_batches(stop - start, self._gan.batch_size))
            drawn = [schedules.epoch_batches(rng, stop - start, self._gan.batch_size) for _ in range(passes)]
            self._plan = epoch, start + np.concatenate(drawn)[: self.batches]
        batches = self._plan[1]
        real = batches[[(batch + i) % len(batches) for i in range(self._gan.critic_steps)]]
        if self._rules.joint:
            real = numpy_generator(self._seed, "real", index).integers(0, len(self._pool), real.shape)
        mixed = self._classifier_indices(numpy_generator(self._seed, "classifier", index), batches[batch])
        return tf.constant(real, tf.int32), tf.constant(mixed, tf.int32)

    def _classifier_indices(self, rng, current):
        settings = self._classifier
        if settings.replay_schedule == "balanced":
            return schedules.balanced(rng, self._pool, current)
        if settings.replay_schedule == "none":
            return np.zeros((0, len(current)), np.int32)
        return schedules.constant(rng, self._pool, len(current), settings.updates, settings.current_share)

    def _distributed_step(self, real, mixed, index, schedule):
        seeds = split_seed(fold_in(self._noise, index), 3)
        metrics = self._update_classifier(mixed, seeds[0]) if self.trains_classifier else {}
        adversarial = self._strategy.run(self._replica_step, (real, schedule, seeds[1], seeds[2]))
        return metrics | mean_over_replicas(self._strategy, adversarial)

    def _update_classifier(self, mixed, seed):
        # The loop stands outside `strategy.run`: replicas cannot synchronise inside control flow.
        updates, total = tf.shape(mixed)[0], tf.zeros([2])
        for i in tf.range(updates):
            replicas = self._strategy.run(self._replica_classifier_update, (mixed[i], fold_in(seed, i)))
            total += self._strategy.reduce(tf.distribute.ReduceOp.MEAN, replicas, axis=None)
        loss, accuracy = tf.unstack(total / tf.cast(updates, tf.float32))
        return {"loss/classifier": loss, "accuracy/training": accuracy}

    def _replica_classifier_update(self, indices, seed):
        batch = replica_batch(*self._pool.gather(indices), self._classifier.augmentation, seed)
        return tf.stack(self._classifier_update(*batch))

    def _replica_step(self, real, schedule, critic_seed, generator_seed):
        return self._adversarial_update(self._batches(real), schedule, critic_seed, generator_seed)

    def _batches(self, real):
        """This replica's (images, labels) of each critic update; XLA could not read images that are streamed."""
        return [self._pool.gather(replica_slice(real[i])) for i in range(self._gan.critic_steps)]

    def _critic_and_generator_update(self, batches, schedule, critic_seed, generator_seed):
        metrics = self._update_critic(batches, schedule, critic_seed)
        return metrics | self._update_generator(batches[0][1], schedule, generator_seed)

    def _critic(self, images):
        return self._discriminator(images, training=True)[0]

    def _update_critic(self, batches, schedule, seed):
        heads = {id(v) for v in self._discriminator.logits.trainable_variables}
        variables = [v for v in self._discriminator.trainable_variables if id(v) not in heads]
        for i, (images, labels) in enumerate(batches):
            z_seed, mix_seed = split_seed(fold_in(seed, i), 2)
            fake = tf.stop_gradient(self._generate(labels, schedule, z_seed))
            mix = replica_slice(uniform([replica_count() * tf.shape(labels)[0]], mix_seed))
            with tf.GradientTape() as tape:
                distance = losses.wasserstein_discriminator_loss(self._critic(images), self._critic(fake))
                some = slice(max(1, round(self._gan.gradient_penalty_share * images.shape[0])))
                penalty = losses.wasserstein_gradient_penalty(self._critic, images[some], fake[some], mix[some])
                loss = distance + self._gan.gradient_penalty_weight * penalty
            apply_mean_gradients(self._d_optimizer, tape.gradient(loss, variables), variables)
        return {"loss/critic": loss, "loss/wasserstein_distance": -distance, "loss/gradient_penalty": penalty}

    def _generate(self, labels, schedule, seed):
        shape = [replica_count() * tf.shape(labels)[0], self._rules.generator.latent_size]
        return self._rules.generate(replica_slice(normal(shape, seed)), labels, schedule)

    def _update_generator(self, labels, schedule, seed):
        variables = self._rules.generator.trainable_variables
        with tf.GradientTape() as tape:
            fake = self._generate(labels, schedule, seed)
            scores, logits = self._discriminator(fake, training=True)
            adversarial = losses.wasserstein_generator_loss(scores)
            penalty = self._rules.penalty(schedule, fold_in(seed, 1))
            loss = adversarial + penalty
            if self._gan.auxiliary_loss:
                loss += losses.acgan_loss(logits, labels)
        gradients = self._rules.transform_gradients(tape.gradient(loss, variables), variables, schedule)
        apply_mean_gradients(self._g_optimizer, gradients, variables, self._gan.clip_norm)
        return {"loss/generator": adversarial, "loss/generator_penalty": penalty}
