"""Settings that follow from the number of classes in a task, unless they are set: None in their dataclasses."""

import dataclasses

SHARE = 0.25  # of a batch, that the gradient penalty is estimated on
GENERATED = 0.5  # of the present classes' images, in the closing epochs


def settled(gan, classifier, sizes):
    """(`GANSettings`, `ClassifierSettings`) of a task, with a value for each None.

    A generator that learns several classes at once knows them apart only if it is told how the class head takes its
    images: by the auxiliary loss, which needs a class head that learns beside the GAN.

    Args:
      gan, classifier: as stated; what is stated stays.
      sizes: number of classes of each task so far, the present one last.
    """
    several = sizes[-1] > 1
    asks = _stated(gan.auxiliary_loss, several and classifier.replay_schedule != "none")
    gan = dataclasses.replace(
        gan,
        auxiliary_loss=asks,
        gradient_penalty_share=_stated(gan.gradient_penalty_share, SHARE if several else 1.0),
        min_batches_per_class=_stated(gan.min_batches_per_class, several),
    )
    classifier = dataclasses.replace(
        classifier,
        replay_schedule=_stated(classifier.replay_schedule, "constant" if asks else "none"),
        own_optimizer=_stated(classifier.own_optimizer, asks and several),
        # Replay of classes that shared a task is less like real images, and a classifier would tell it by that.
        generated_current=_stated(classifier.generated_current, GENERATED if max(sizes) > 1 else 0.0),
    )
    return gan, classifier


def _stated(value, derived):
    return derived if value is None else value


def told(gan, classifier, sizes):
    """A line on the values that follow from tasks of several classes; None where there are none.

    sizes: number of classes of each of the run's tasks.
    """
    stated, largest = (gan, classifier), settled(gan, classifier, [max(sizes)])
    names = []
    for given, one, several in zip(stated, settled(gan, classifier, [1]), largest, strict=True):
        changed = [name for name in given.of_task_size if getattr(one, name) != getattr(several, name)]
        names += [f"{type(given).__name__}.{name} = {getattr(several, name)!r}" for name in changed]
    if not names:
        return None
    reason = ", by which the generator learns their classes apart" if largest[0].auxiliary_loss else ""
    return f"Tasks of several classes have {', '.join(names)}{reason}. A value that you state wins."
