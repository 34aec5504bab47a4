"""What methods with a generative memory share: a GAN phase, replay, and a classifier that learns from it."""

import dataclasses

import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.methods.method import Method, next_discriminator
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training import task_size
from dgm_tf.training.classifier import PLAIN_RULES, ClassifierPhase, ClassifierSettings
from dgm_tf.training.gan import GANPhase, GANSettings
from dgm_tf.training.inference import in_batches
from dgm_tf.training.pool import ImagePool, to_uint8
from dgm_tf.training.randomness import normal, numpy_generator, stateless_seed


@dataclasses.dataclass
class GenerativeMethod(Method):
    """A generator that replays the classes learned, and a two-headed discriminator that classifies.

    A subclass makes its generator in `begin_task` (kept as `memory`) and says by `_rules` how it is trained.

    Attributes:
      generator: generator class, not called.
      discriminator: two-headed network class, not called.
      gan: `GANSettings`.
      settings: `ClassifierSettings`.
      reinitialize_discriminator: whether D starts afresh at each task; else its class head is widened.
      memory: the generator that replays; critic: the discriminator; task_classes: see `TaskContext`.
    """

    generator: type = None
    discriminator: type = DCGANDiscriminator
    gan: GANSettings = GANSettings()
    settings: ClassifierSettings = ClassifierSettings()
    reinitialize_discriminator: bool = True

    # Networks beside the generator that `draw` runs; an export takes them along.
    selectors = ()

    def __post_init__(self):
        checks.network_class(self, "generator")
        checks.network_class(self, "discriminator")
        checks.instance(self, "gan", (GANSettings,))
        checks.instance(self, "settings", (ClassifierSettings,))
        checks.flag(self, "reinitialize_discriminator")
        if self.gan.auxiliary_loss and self.settings.replay_schedule == "none":
            raise UserError(
                "GANSettings.auxiliary_loss: with ClassifierSettings.replay_schedule 'none' the class head learns "
                "nothing beside the generator: expected False, got True"
            )
        self.memory, self.critic, self.task_classes, self._replayed = None, None, (), None

    @property
    def augmentation(self):
        """Of the classifier's inputs."""
        return self.settings.augmentation

    def networks(self):
        """Generator and discriminator."""
        return {"generator": self.memory, "discriminator": self.critic}

    def network_classes(self):
        """Generator and discriminator."""
        return {"generator": self.generator, "discriminator": self.discriminator}

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        self.memory, self.critic = networks["generator"], networks["discriminator"]
        self.task_classes = tuple(tuple(classes) for classes in task_classes)

    def _next_discriminator(self, earlier, context):
        """The two-headed network for the task, from the last task's one or None."""
        return next_discriminator(earlier, self.discriminator, context, self.reinitialize_discriminator)

    def told(self, sizes):
        """What follows from the sizes of the tasks."""
        return task_size.told(self.gan, self.settings, sizes)

    def _settled(self, context):
        """(`GANSettings`, `ClassifierSettings`) of the task."""
        return task_size.settled(self.gan, self.settings, [len(classes) for classes in context.task_classes])

    def phases(self, context):
        """The GAN phase, then the classifier's closing epochs."""
        phases = [lambda: self._gan_phase(context)]
        if self.settings.closing_epochs:
            phases.append(lambda: self._closing_phase(context))
        return phases

    def _rules(self, context):
        """The method's `GeneratorRules` for the task."""
        raise NotImplementedError

    def _gan_phase(self, context):
        rules, train = self._rules(context), context.task.train
        gan, classifier = self._settled(context)
        replays = rules.joint or classifier.replay_schedule != "none"
        replayed = self._replay_set(context) if replays else []
        current = np.arange(len(train))
        if rules.joint:
            current = self._repeated(context, current)
        pool = ImagePool([*replayed, (train.images[current], train.labels[current])])
        return GANPhase(rules, self.critic, pool, gan, classifier, context.task_seed)

    def _closing_phase(self, context):
        groups = [*self._closing_replay(context), *self._closing_images(context)]
        return ClassifierPhase(
            self.classifier, ImagePool(groups), self.settings.closing_epochs, self.gan.batch_size,
            self.settings.learning_rate, context.task_seed, self.settings.augmentation,
            self._classifier_rules(), self.settings.learning_rate_decay,
        )  # fmt: skip

    def _classifier_rules(self):
        """The `ClassifierRules` of the closing epochs."""
        return PLAIN_RULES

    def _closing_replay(self, context):
        """Groups of replayed images for the closing epochs."""
        return self._replay_set(context)

    def _closing_images(self, context):
        """The current task's images, real ones and, as far as asked for, generated ones."""
        train, share = context.task.train, self._settled(context)[1].generated_current
        order = numpy_generator(context.task_seed, "closing").permutation(len(train))
        order = self._repeated(context, order)
        generated, real = np.split(order, [round(share * len(order))])
        groups = [(train.images[real], train.labels[real])]
        if len(generated):
            labels = train.labels[generated]
            groups.append((self._quantized(self._replay_trained(labels, context.task_seed)), labels))
        return groups

    def _repeated(self, context, rows):
        """The current images' rows, repeated where earlier classes are replayed more often."""
        return np.resize(rows, max(len(rows), self.settings.min_replay_per_class * len(context.task.classes)))

    def _replay_trained(self, labels, seed):
        """As `replay`, by the generator as the task's GAN phase leaves it, the present classes included."""
        raise NotImplementedError

    def _replay_set(self, context):
        """Per earlier task (images, labels): as many per class as the current classes have on average, or the minimum.

        Generated once and held until the task ends.
        """
        if self._replayed is None:
            self._replayed = self._generate_replay_set(context)
        return self._replayed

    def _generate_replay_set(self, context):
        return self._replay_groups(context, self.replay)

    def replay_count(self, context):
        """As many as the current classes have on average, or the minimum."""
        return max(context.images_per_class, self.settings.min_replay_per_class)

    def _replay_groups(self, context, replay):
        count = self.replay_count(context)
        groups = []
        for classes in context.task_classes[:-1]:
            labels = np.repeat(np.asarray(classes, np.int32), count)
            groups.append((self._quantized(replay(labels, context.task_seed)), labels))
        return groups

    def _quantized(self, images):
        return to_uint8(images) if self.settings.quantize_replay else images

    def replay(self, labels, seed=0):
        """Images of learned classes, each by its task's generator."""

        def generate(task, labels, seed):
            return self.generate(task, self.latents(task, self.draw(labels, seed), labels))

        return self._task_by_task(labels, seed, generate, self.memory.image_shape)

    def _task_by_task(self, labels, seed, generate, image_shape):
        """Images for labels [N]; generate makes those of one task from (task, its labels, its int32 [2] seed)."""
        labels = np.asarray(labels, np.int32)
        images = np.empty((len(labels), *image_shape), np.float32)
        for task, classes in enumerate(self.task_classes):
            rows = np.flatnonzero(np.isin(labels, classes))
            if len(rows):
                images[rows] = generate(task, labels[rows], stateless_seed(seed, "latents", task))
        return images

    def draw(self, labels, seed):
        """z float32 [N, latent_size] to make images of the labels from; TensorFlow, seed: int32 [2]."""
        return normal([tf.size(labels), self.memory.latent_size], seed)

    def latents(self, task, z, labels):
        """Full inputs of a learned task's generator for z [N, latent_size] and labels [N]; TensorFlow."""
        return self.memory.latents(z, labels, self.classes_up_to(task), task)

    def classes_up_to(self, task):
        """Width of the one-hot code that the task was learned with: classes seen by then."""
        return sum(len(classes) for classes in self.task_classes[: task + 1])

    def task_networks(self, num_tasks):
        """For each learned task an ordinary Keras model from `latents` to images; the same one where tasks share it."""
        return [self.memory.plain(task) for task in range(num_tasks)]

    def generate(self, task, latents):
        """Images of a learned task from full latents, numpy float32."""
        return in_batches(self.memory.plain(task), latents, self.memory.image_shape)
