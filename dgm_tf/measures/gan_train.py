"""GAN-train: accuracy on real images of a classifier trained on replay alone."""

import numpy as np

from dgm_tf.measures import training
from dgm_tf.measures.measure import Measure, Shown


class GANTrain(Measure):
    """Accuracy on real test images of a classifier trained on generated ones alone (Shmelkov et al., 2018)."""

    name, title, shown, compared = "gan_train", "GAN-train", Shown.COLUMN, False

    def applies(self, view):
        """Only for methods that replay, and if the settings ask for it."""
        return view.learner.method.replays_images and view.settings.gan_train_epochs > 0

    def after_task(self, view):
        """A fraction, the mean over classes; after the last task, or after each where the settings say so."""
        if not (view.is_tested and (view.is_last or view.settings.gan_train_every_task)):
            return None
        with view.learner.clock.measure("gan_train"):
            return view.trained("GAN-train", lambda: _measured(view))


def _measured(view):
    method = view.learner.method
    count, augmentation = method.replay_count(view.context), method.augmentation
    classifier = gan_train_classifier(view.learner, view.settings, count, augmentation)
    return training.share_correct(training.predictions(classifier, view.test_images), view.test_labels)


def gan_train_classifier(learner, settings, per_class, augmentation):
    """Trains a new classifier on replayed images of all classes alone."""
    num_classes = len(learner.class_names)
    labels = np.repeat(np.arange(num_classes, dtype=np.int32), per_class)
    images = learner.method.replay(labels, seed=learner.seed)
    network = training.fresh_classifier(learner, num_classes, "gan train")
    groups, epochs = [(images, labels)], settings.gan_train_epochs
    return training.train_classifier(network, groups, epochs, learner.seed, augmentation, learner.method.adam)
