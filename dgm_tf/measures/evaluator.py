"""What a learner is worth: class-incremental accuracy, GAN-test and GAN-train."""

import dataclasses

import gin
import numpy as np

from dgm_tf import checks, stopping
from dgm_tf.data.rows import concatenated
from dgm_tf.errors import Diverged
from dgm_tf.measures import formulas
from dgm_tf.measures.fidelity import class_fidelity
from dgm_tf.training.classifier import ClassifierPhase, measuring_batch_size
from dgm_tf.training.divergence import is_finite
from dgm_tf.training.inference import in_batches, network_features, network_logits
from dgm_tf.training.pool import ImagePool, to_float
from dgm_tf.training.randomness import seeded_initializers

PROTOCOLS = ("strict", "published")
TOP = 5
RATE = 1e-3  # at which classifiers learn that only measure
COMPARED = 500  # generated and real images of a class, at most, for fidelity


@gin.register
@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """How a run is judged.

    Attributes:
      protocol: "strict" chooses the best epoch on the current task's validation images and replayed earlier
        ones (none of methods that cannot replay); "published" on real validation images of all classes, as the
        paper's experiments did: not strict.
      validation_per_class: at most so many validation images of each class.
      gan_test_per_class: generated images of each class for GAN-test, and test images at most that they are compared
        with for `fidelity`; 0 leaves both out.
      gan_train_epochs: passes of GAN-train's classifier over the replay; 0 leaves GAN-train out.
      gan_train_every_task: measure GAN-train after every task, not only after the last.
      judge_epochs: passes over the real images of the classifier behind GAN-test (joint training).
      fine_tuning_epochs: passes over each task's images for the lower bound; 0 leaves it out.
    """

    protocol: str = "strict"
    validation_per_class: int = 200
    gan_test_per_class: int = 500
    gan_train_epochs: int = 3
    gan_train_every_task: bool = False
    judge_epochs: int = 3
    fine_tuning_epochs: int = 1

    def __post_init__(self):
        checks.choice(self, "protocol", PROTOCOLS)
        for name in ("validation_per_class", "judge_epochs"):
            checks.integer(self, name, "[1, inf)")
        for name in ("gan_test_per_class", "gan_train_epochs", "fine_tuning_epochs"):
            checks.integer(self, name, "[0, inf)")
        checks.flag(self, "gan_train_every_task")


def seen_test_images(stream, task):
    """(images, labels) of the test images of all tasks up to `task`."""
    splits = [stream.test_split(t) for t in range(task + 1)]
    return concatenated([s.images for s in splits]), np.concatenate([s.labels for s in splits])


def accuracy_report(logits, labels, task_classes):
    """Accuracies of logits [N, classes] on the test images of all tasks so far, as a dict.

    `tasks`: accuracy on each task's images; `average`: A_k, the mean over classes; `confusion`: an array, all else is
    ready for JSON. What would need test images of a class that has none is None.
    """
    confusion = formulas.confusion_matrix(labels, np.argmax(logits, axis=1), logits.shape[1])
    per_class = formulas.per_class_accuracy(confusion)
    complete = not np.isnan(per_class).any()
    many = complete and logits.shape[1] > TOP
    return {
        "tasks": [_plain(np.mean(per_class[list(classes)])) for classes in task_classes],
        "average": float(formulas.macro_accuracy(confusion)) if complete else None,
        "micro": float(formulas.micro_accuracy(confusion)) if complete else None,
        "per_class": [_plain(a) for a in per_class],
        "top5_average": float(formulas.macro_top_k_accuracy(logits, labels, TOP)) if many else None,
        "confusion": confusion,
    }


def _plain(number):
    return None if np.isnan(number) else float(number)


def replay_accuracies(learner, classes, per_class):
    """{label: share of `per_class` replayed images that the learner takes for their class}; no measure of real ones."""
    labels = np.repeat(np.asarray(classes, np.int32), per_class)
    hits = learner.classify(learner.replay(labels, seed=learner.seed)) == labels
    return {label: float(np.mean(hits[labels == label])) for label in classes}


def train_classifier(network, groups, epochs, seed, augmentation=None):
    """Trains a two-headed network's class head on groups of (images, labels), for measuring only.

    Raises:
      Diverged: if its loss or its weights are not finite at the end.
    """
    phase = ClassifierPhase(network, ImagePool(groups), epochs, measuring_batch_size(), RATE, seed, augmentation)
    for step in range(phase.num_steps):
        stopping.check()
        metrics = phase.step(step)
    if not all(map(is_finite, [*metrics.values(), *network.weights])):
        raise Diverged("its classifier: expected finite losses and weights, got NaN or infinity")
    return network


def fresh_classifier(learner, num_classes, purpose):
    """A network like the one that the learner trains to classify, freshly initialised."""
    with seeded_initializers(learner.seed, purpose):
        network = learner.method.networks()["discriminator"]
        return type(network).from_config(network.get_config() | {"num_classes": num_classes})


def gan_test(judge, learner, tests, per_class):
    """(GAN-test, fidelity) of generated images, by a classifier that was trained on real ones.

    GAN-test: the share that it takes for their class, mean over classes. fidelity: {measure: list with a number or None
    for each class}, of `class_fidelity` on its features, from at most 500 images of either kind.

    Args:
      judge: two-headed network; tests: (images, labels), real ones of the classes learned; per_class: generated images.
    """
    num_classes = len(learner.class_names)
    generated = learner.method.replay(np.repeat(np.arange(num_classes), per_class), seed=learner.seed)
    hits, measured = [], []
    for label, images in enumerate(np.split(generated, num_classes)):
        features = network_features(judge, images)
        logits = in_batches(judge.logits, features, images.shape[1:])
        hits.append(np.mean(np.argmax(logits, axis=1) == label))
        real = np.asarray(to_float(_spread(tests[0][tests[1] == label], min(per_class, COMPARED))))
        measured.append(class_fidelity(real, images[:COMPARED], network_features(judge, real), features[:COMPARED]))
    return float(np.mean(hits)), {name: [each[name] for each in measured] for name in measured[0]}


def _spread(images, count):
    """At most so many of the images, at equal distances: neighbours in a folder are often alike."""
    return images[np.unique(np.linspace(0, len(images) - 1, min(count, len(images))).astype(int))]


def gan_train_classifier(learner, settings, per_class, augmentation):
    """A fresh classifier that learned from nothing but replayed images of all classes."""
    num_classes = len(learner.class_names)
    labels = np.repeat(np.arange(num_classes, dtype=np.int32), per_class)
    images = learner.method.replay(labels, seed=learner.seed)
    network = fresh_classifier(learner, num_classes, "gan train")
    return train_classifier(network, [(images, labels)], settings.gan_train_epochs, learner.seed, augmentation)


def predictions(network, images):
    """int64 [N]: the class head's choices for images, uint8 or float in [-1, 1]."""
    return np.argmax(network_logits(network, images), axis=1)
