"""GAN-test: accuracy on generated images of a classifier trained on real ones."""

import numpy as np

from dgm_tf.data.class_names import task_names
from dgm_tf.measures.chance import near_chance
from dgm_tf.measures.fidelity import class_fidelity
from dgm_tf.measures.images import spread
from dgm_tf.measures.measure import Measure, Shown
from dgm_tf.training.inference import in_batches, network_features
from dgm_tf.training.pool import to_float

COMPARED = 500  # generated and real images of a class, at most, for fidelity


class GANTest(Measure):
    """Share of generated images that the joint classifier takes for their class (Shmelkov et al., 2018)."""

    name, title, shown, compared = "gan_test", "GAN-test", Shown.COLUMN, False

    def applies(self, view):
        """Only for methods that replay, and if the settings ask for it."""
        return view.learner.method.replays_images and view.settings.gan_test_per_class > 0

    def after_task(self, view):
        """A fraction."""
        return view.generated_beside_real and view.generated_beside_real[0]

    def warning(self, value, view):
        """Where the images of a first task of several classes are mixed up."""
        if view.task:
            return None
        names = task_names(view.learner.class_names, view.task_classes)
        return near_chance(f"task 1 ({names[0]})", len(view.task_classes[0]), value)


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
        real = np.asarray(to_float(spread(tests[0][tests[1] == label], min(per_class, COMPARED))))
        measured.append(class_fidelity(real, images[:COMPARED], network_features(judge, real), features[:COMPARED]))
    return float(np.mean(hits)), {name: [each[name] for each in measured] for name in measured[0]}
