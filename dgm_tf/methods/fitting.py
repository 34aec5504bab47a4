"""Fitting of a task's GAN and classifier to its own images and the replay of earlier ones."""

import numpy as np

from dgm_tf.training.classifier import PLAIN_RULES, ClassifierPhase
from dgm_tf.training.gan import GANPhase
from dgm_tf.training.pool import Pool, merged, to_uint8
from dgm_tf.training.randomness import numpy_generator


class Fitting:
    """The phases of a task, by a method's settings.

    Groups are pairs (images, labels); `generate(labels, seed)` gives float32 images [N, H, W, C] in [-1, 1].

    Args:
      gan: `GANSettings`.
      settings: `ClassifierSettings`.
      context: `TaskContext`.
    """

    def __init__(self, gan, settings, context):
        self._gan, self._settings, self._context = gan, settings, context

    @property
    def replay_count(self):
        """Images replayed of an earlier class: as many as a current one has on average, or the minimum."""
        return max(self._context.images_per_class, self._settings.min_replay_per_class)

    def replay(self, generate):
        """For each earlier task a group of generated images, `replay_count` of a class."""
        groups = []
        for classes in self._context.task_classes[:-1]:
            labels = np.repeat(np.asarray(classes, np.int32), self.replay_count)
            groups.append((self.generated(generate, labels), labels))
        return groups

    def generated(self, generate, labels):
        """Images of the labels from the task's seed, as a pool holds them."""
        return self.quantized(generate(labels, self._context.task_seed))

    def quantized(self, images):
        """Generated images, rounded to uint8 if the settings say so."""
        return to_uint8(images) if self._settings.quantize_replay else images

    def phases(self, gan_phase, closing_phase):
        """What `Method.phases` returns: the GAN's phase and, where there are closing epochs, the classifier's."""
        return [gan_phase, closing_phase] if self._settings.closing_epochs else [gan_phase]

    def gan_phase(self, rules, discriminator, replayed):
        """The GAN on the current images, and the classifier beside it, as the schedule has it.

        Args:
          rules: `GeneratorRules`.
          discriminator: two-headed network.
          replayed: function giving the groups of replay; not called where nothing learns from them.
        """
        train, rows = self._context.task.train, np.arange(len(self._context.task.train))
        replay = replayed() if rules.joint or self._settings.replay_schedule != "none" else []
        if rules.joint:
            rows = self.repeated(rows)
        pool = Pool(replay, (train.images[rows], train.labels[rows]))
        return GANPhase(rules, discriminator, pool, self._gan, self._settings, self._context.task_seed)

    def closing_phase(self, classifier, replay, generate, rules=PLAIN_RULES):
        """The classifier alone, on replay and current images, of which a share may be generated.

        Args:
          classifier: two-headed network.
          replay: list of groups.
          generate: images by the generator as the task's GAN phase leaves it, the current classes included.
          rules: `ClassifierRules`.
        """
        pool = Pool(replay, self._current(generate))
        return self._classifier_phase(classifier, pool, self._settings.closing_epochs, rules)

    def refitting_phase(self, classifier, replay):
        """A new classifier alone, on replay of all classes: in as many epochs as see each of them once in a task.

        classifier, replay: as for `closing_phase`.
        """
        epochs = self._settings.closing_epochs or self._gan.epochs
        return self._classifier_phase(classifier, Pool(replay[:-1], replay[-1]), epochs, PLAIN_RULES)

    def _classifier_phase(self, classifier, pool, epochs, rules):
        settings = self._settings
        return ClassifierPhase(
            classifier, pool, epochs, self._gan.batch_size, settings.learning_rate, self._context.task_seed,
            settings.augmentation, rules, settings.learning_rate_decay, settings.adam,
        )  # fmt: skip

    def _current(self, generate):
        """The group of current images, real ones before generated ones."""
        train, share = self._context.task.train, self._settings.generated_current
        order = self.repeated(numpy_generator(self._context.task_seed, "closing").permutation(len(train)))
        made, real = np.split(order, [round(share * len(order))])
        current = (train.images[real], train.labels[real])
        if not len(made):
            return current
        labels = train.labels[made]
        return merged([current, (self.generated(generate, labels), labels)])

    def repeated(self, rows):
        """The current images' rows, repeated where earlier classes are replayed more often."""
        least = self._settings.min_replay_per_class * len(self._context.task.classes)
        return np.resize(rows, max(len(rows), least))
