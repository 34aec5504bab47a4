"""Whether generated images can be told apart at all."""

NEAR = 0.25  # share of the way from chance to all images right


def near_chance(name, num_classes, gan_test):
    """A warning where the images generated of a task's several classes are hardly taken for them; else None.

    name: of the task, such as "task 1 (owl, heron)".
    num_classes: classes of the task, which are all that were learned.
    gan_test: share in [0, 1] of generated images that are taken for their class; None: not measured.
    """
    if num_classes < 2 or gan_test is None:
        return None
    chance = 1.0 / num_classes
    if gan_test >= chance + NEAR * (1.0 - chance):
        return None
    return (
        f"{name}: GAN-test is {100 * gan_test:.1f} %, where guessing gives {100 * chance:.1f} %: the generator mixes "
        f"the {num_classes} classes, and later tasks will forget them. Set GANSettings.auxiliary_loss = True and "
        "ClassifierSettings.replay_schedule = 'constant' if they are off, or raise GANSettings.epochs"
    )
