"""The GAN step: the classifier is updated, then the critic (WGAN-GP), then the generator."""

import dataclasses
import functools

import gin
import tensorflow as tf

from dgm_tf import checks, losses
from dgm_tf.registry import register
from dgm_tf.training import schedules
from dgm_tf.training.classifier import class_variables, replica_batch, update_classifier
from dgm_tf.training.compilation import jit
from dgm_tf.training.distribution import apply_mean_gradients, mean_over_replicas
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.gan_batches import GANBatches
from dgm_tf.training.optimizer import ADAMS, decaying, make_adam
from dgm_tf.training.phase import Phase
from dgm_tf.training.randomness import (
    fold_in,
    normal,
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
      min_batches_per_class: whether they count for each class of a task. None: in tasks of several classes, which then
        get as many steps as their classes would get one after the other.
      generator_learning_rate, discriminator_learning_rate: of Adam.
      learning_rate_decay: share in [0, 1] of a task's steps, the last ones, over which both fall linearly to zero.
      beta_1, beta_2: of Adam.
      adam: where Adam's epsilon stands, see `optimizer.ADAMS`: "pytorch", as in the paper's experiments, or "keras".
      gradient_penalty_weight: lambda_GP.
      gradient_penalty_share: share in (0, 1] of a batch, at least one image, that its penalty is estimated on; on all
        of it, as in the paper, the penalty is nearly half of the critic's update. None: a quarter in tasks of several
        classes, else all.
      critic_steps: critic updates for each generator update.
      auxiliary_loss: whether the generator also minimises the cross-entropy of its images' classes. None: in tasks of
        several classes, whose images it would otherwise mix.
      class_loss: whether the critic's update also minimises the cross-entropy of its real images' classes, as of an
        AC-GAN (Odena et al., 2017): the class head then learns from what the critic sees. Updates of its own, by
        `ClassifierSettings.replay_schedule`, come beside that.
      clip_norm: global norm that the generator's gradients are clipped at. The default stops an explosion and nothing
        else; a lower one helps a generator that diverges.
    """

    epochs: int = 100
    batch_size: int = 64
    min_batches: int = 1
    min_batches_per_class: bool | None = None
    generator_learning_rate: float = 2e-3
    discriminator_learning_rate: float = 2e-3
    learning_rate_decay: float = 0.0
    beta_1: float = 0.5
    beta_2: float = 0.999
    gradient_penalty_weight: float = 1.0
    gradient_penalty_share: float | None = None
    critic_steps: int = 1
    auxiliary_loss: bool | None = None
    clip_norm: float = 1e4
    adam: str = "pytorch"
    class_loss: bool = False

    def __post_init__(self):
        for name in ("epochs", "batch_size", "min_batches", "critic_steps"):
            checks.integer(self, name, "[1, inf)")
        for name in ("generator_learning_rate", "discriminator_learning_rate", "clip_norm"):
            checks.number(self, name, "(0, inf)")
        for name in ("beta_1", "beta_2"):
            checks.number(self, name, "[0, 1)")
        checks.choice(self, "adam", ADAMS)
        checks.flag(self, "class_loss")
        checks.number(self, "learning_rate_decay", "[0, 1]")
        checks.number(self, "gradient_penalty_weight", "[0, inf)")
        if self.gradient_penalty_share is not None:
            checks.number(self, "gradient_penalty_share", "(0, 1]")
        for name in ("auxiliary_loss", "min_batches_per_class"):
            if getattr(self, name) is not None:
                checks.flag(self, name)

    # Where they are None: see `task_size`.
    of_task_size = ("auxiliary_loss", "gradient_penalty_share", "min_batches_per_class")

    remedies = (
        Remedy("gan", CRITIC_LOSSES, "a lower", "discriminator_learning_rate"),
        Remedy("gan", ("loss/critic", "loss/gradient_penalty"), "another", "gradient_penalty_weight"),
        Remedy("gan", (*CRITIC_LOSSES[1:], *GENERATOR_LOSSES), "a lower", "generator_learning_rate"),
        Remedy("gan", GENERATOR_LOSSES, "a lower", "clip_norm"),
    )


class GANPhase(Phase):
    """Adversarial training on the current task, with the classifier learning beside it.

    Args:
      rules: `GeneratorRules`, the method's part.
      discriminator: two-headed network (realness, logits).
      pool: `Pool`; an epoch is one pass over its current images, or several.
      gan, classifier: `GANSettings` and `ClassifierSettings` of the task, as `task_size.settled` gives them.
      seed: int; all randomness follows from it and the step.

    Attributes:
      pool: as above.
      images: `GANBatches`, which images of the pool each step learns from.
    """

    name = "gan"

    def __init__(self, rules, discriminator, pool, gan, classifier, seed):
        self.images = GANBatches(pool, gan, classifier, rules.joint, seed)
        super().__init__(gan.epochs, self.images.per_epoch)
        self.trains_classifier = classifier.replay_schedule != "none"
        self._rules, self._discriminator, self.pool = rules, discriminator, pool
        self._gan, self._classifier = gan, classifier
        self._strategy = tf.distribute.get_strategy()
        self._noise = stateless_seed(seed, "gan")
        self._make_optimizers()
        classify = functools.partial(
            update_classifier, discriminator, self._c_optimizer, class_variables(discriminator)
        )
        self._update_classifier = jit(classify, self.num_steps)
        self._update_gan = jit(self._update_critic_and_generator, self.num_steps)
        self._train_step = tf.function(self._distributed_step)

    def _make_optimizers(self):
        gan, generator, discriminator = self._gan, self._rules.generator, self._discriminator
        updates = schedules.updates_per_step(self._classifier, self.pool)
        own = self._classifier.own_optimizer and updates > 0
        d_updates = gan.critic_steps + (0 if own else updates)
        rule = gan.beta_1, gan.beta_2, gan.adam
        d_rate = self._decaying(gan.discriminator_learning_rate, d_updates)
        g_rate = self._decaying(gan.generator_learning_rate, 1)
        self._d_optimizer = self._c_optimizer = make_adam(d_rate, discriminator.trainable_variables, *rule)
        self._g_optimizer = make_adam(g_rate, generator.trainable_variables, *rule)
        self._optimizers = [self._d_optimizer, self._g_optimizer]
        if own:
            c_rate = self._decaying(self._classifier.learning_rate, updates)
            self._c_optimizer = make_adam(c_rate, class_variables(discriminator), rule=self._classifier.adam)
            self._optimizers.append(self._c_optimizer)

    def _decaying(self, rate, updates_per_step):
        return decaying(rate, self._gan.learning_rate_decay, self.num_steps * updates_per_step)

    def step(self, index):
        """One step: classifier, critic, generator."""
        return self._train_step(*self._inputs(index))

    def _inputs(self, index):
        """What the compiled step takes: the step's rows of the pool, its number and the method's schedule."""
        real, mixed = self.images.of_step(index)
        rows = tf.constant(real, tf.int32), tf.constant(mixed, tf.int32)
        return *rows, tf.constant(index, tf.int32), self._schedule(index)

    def _distributed_step(self, real, mixed, index, schedule):
        """Compiled. real: int32 [critic_steps, B]; mixed: int32 [classifier updates, B]."""
        classifier_seed, critic_seed, generator_seed = split_seed(fold_in(self._noise, index), 3)
        metrics = self._train_classifier(mixed, classifier_seed) if self.trains_classifier else {}
        return metrics | self._train_gan(real, schedule, critic_seed, generator_seed)

    def _train_classifier(self, mixed, seed):
        def on_replica(rows, seed):
            batch = replica_batch(*self.pool.gather(rows), self._classifier.augmentation, seed)
            return tf.stack(self._update_classifier(*batch))

        updates, total = tf.shape(mixed)[0], tf.zeros([2])
        for i in tf.range(updates):  # not within `strategy.run`: replicas cannot synchronise inside control flow
            replicas = self._strategy.run(on_replica, (mixed[i], fold_in(seed, i)))
            total += self._strategy.reduce(tf.distribute.ReduceOp.MEAN, replicas, axis=None)
        loss, accuracy = tf.unstack(total / tf.cast(updates, tf.float32))
        return {"loss/classifier": loss, "accuracy/training": accuracy}

    def _train_gan(self, real, schedule, critic_seed, generator_seed):
        def on_replica(real, schedule, critic_seed, generator_seed):
            return self._update_gan(self._batches(real), schedule, critic_seed, generator_seed)

        replicas = self._strategy.run(on_replica, (real, schedule, critic_seed, generator_seed))
        return mean_over_replicas(self._strategy, replicas)

    def _batches(self, real):
        """This replica's (images, labels) of each critic update; XLA could not read images that are streamed."""
        return [self.pool.gather(replica_slice(real[i])) for i in range(self._gan.critic_steps)]

    def _update_critic_and_generator(self, batches, schedule, critic_seed, generator_seed):
        metrics = self._update_critic(batches, schedule, critic_seed)
        return metrics | self._update_generator(batches, schedule, generator_seed)

    def _update_critic(self, batches, schedule, seed):
        heads = {id(v) for v in self._discriminator.logits.trainable_variables if not self._gan.class_loss}
        variables = [v for v in self._discriminator.trainable_variables if id(v) not in heads]
        for i, (images, labels) in enumerate(batches):
            z_seed, mix_seed = split_seed(fold_in(seed, i), 2)
            fake = tf.stop_gradient(self._generate(labels, schedule, z_seed))
            mix = replica_slice(uniform([replica_count() * tf.shape(labels)[0]], mix_seed))
            with tf.GradientTape() as tape:
                scores, logits = self._discriminator(images, training=True)
                distance = losses.wasserstein_discriminator_loss(scores, self._critic(fake))
                some = slice(max(1, round(self._gan.gradient_penalty_share * images.shape[0])))
                penalty = losses.wasserstein_gradient_penalty(self._critic, images[some], fake[some], mix[some])
                loss = distance + self._gan.gradient_penalty_weight * penalty
                if self._gan.class_loss:
                    loss += losses.acgan_loss(logits, labels)
            apply_mean_gradients(self._d_optimizer, tape.gradient(loss, variables), variables)
        return {"loss/critic": loss, "loss/wasserstein_distance": -distance, "loss/gradient_penalty": penalty}

    def _critic(self, images):
        return self._discriminator(images, training=True)[0]

    def _update_generator(self, batches, schedule, seed):
        labels, variables = batches[0][1], self._rules.generator.trainable_variables
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

    def _generate(self, labels, schedule, seed):
        shape = [replica_count() * tf.shape(labels)[0], self._rules.generator.latent_size]
        return self._rules.generate(replica_slice(normal(shape, seed)), labels, schedule)

    def variables(self):
        """The optimizers'."""
        return [variable for optimizer in self._optimizers for variable in optimizer.variables]

    def schedule_at(self, index):
        """The method's schedule at this step."""
        return self._rules.schedule_at(*divmod(index, self.batches), self.epochs, self.batches)

    def _schedule(self, index):
        return {name: tf.constant(value, tf.float32) for name, value in self.schedule_at(index).items()}

    def preview(self, index, labels):
        """float32 [N, H, W, C]: images of the classes as generated now, from the same z always; labels: int [N]."""
        z = normal([len(labels), self._rules.generator.latent_size], self._noise)
        return self._rules.preview(z, labels, self._schedule(index))

    def parts(self):
        """Dict part of the step -> `StepPart`, which runs it alone; to be timed."""

        def on_replicas(update):
            update = jit(update, self.num_steps)
            return lambda real, mixed, index, schedule: self._strategy.run(
                lambda: update(self._batches(real), schedule, self._noise)
            )

        functions = {
            "step": self._distributed_step,
            "classifier": lambda real, mixed, index, schedule: self._train_classifier(mixed, self._noise),
            "critic": on_replicas(self._update_critic),
            "generator": on_replicas(self._update_generator),
        }
        return {name: StepPart(tf.function(function), self._inputs) for name, function in functions.items()}


@dataclasses.dataclass(frozen=True)
class StepPart:
    """A part of a phase's step; called with a step's number it gives the part's metrics.

    Attributes:
      compiled: `tf.function`.
      inputs: function of a step's number that gives the arguments of `compiled`.
    """

    compiled: object
    inputs: object

    def __call__(self, index):
        return self.compiled(*self.inputs(index))
