"""Settings that follow from the size of a task: what nobody states, and only that."""

import dataclasses

import pytest

from dgm_tf import aliases
from dgm_tf.training import task_size
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.gan import GANSettings

OPEN = GANSettings(), ClassifierSettings(replay_schedule=None, closing_epochs=1)


def values(gan, classifier, sizes):
    """The settings of a task that follow from its size, in one dict."""
    settled = task_size.settled(gan, classifier, sizes)
    return {name: getattr(settings, name) for settings in settled for name in settings.of_task_size}


@pytest.mark.parametrize("sizes", [[1], [1, 1, 1]])
def test_tasks_of_one_class_are_trained_as_ever(sizes):
    assert values(GANSettings(), ClassifierSettings(), sizes) == {
        "auxiliary_loss": False, "gradient_penalty_share": 1.0, "min_batches_per_class": False,
        "replay_schedule": "balanced", "own_optimizer": False, "generated_current": 0.0,
    }  # fmt: skip
    assert values(*OPEN, sizes)["replay_schedule"] == "none"


@pytest.mark.parametrize("sizes", [[2], [1, 3], [4, 1, 2]])
def test_tasks_of_several_classes_tell_the_generator_their_classes(sizes):
    assert values(*OPEN, sizes) == {
        "auxiliary_loss": True, "gradient_penalty_share": 0.25, "min_batches_per_class": True,
        "replay_schedule": "constant", "own_optimizer": True, "generated_current": 0.5,
    }  # fmt: skip
    assert task_size.settled(*OPEN, sizes)[1].updates == 1


def test_a_task_of_one_class_after_larger_ones_has_their_classifier_alone():
    expected = values(*OPEN, [1]) | {"generated_current": 0.5}
    assert values(*OPEN, [3, 1]) == expected


STATED = {
    "auxiliary_loss": False, "gradient_penalty_share": 0.5, "min_batches_per_class": False,
    "replay_schedule": "balanced", "own_optimizer": False, "generated_current": 1.0,
}  # fmt: skip


@pytest.mark.parametrize("name", STATED)
def test_a_stated_value_wins(name):
    stated = [
        dataclasses.replace(settings, **{name: STATED[name]}) if name in settings.of_task_size else settings
        for settings in OPEN
    ]
    assert values(*stated, [3])[name] == STATED[name]


def test_a_class_head_that_learns_nothing_beside_the_gan_is_not_asked():
    alone = ClassifierSettings("none", closing_epochs=1)
    assert values(GANSettings(), alone, [2])["auxiliary_loss"] is False
    unasked = GANSettings(auxiliary_loss=False)
    settled = values(unasked, OPEN[1], [2])
    assert (settled["replay_schedule"], settled["own_optimizer"]) == ("none", False)
    assert values(GANSettings(auxiliary_loss=True), OPEN[1], [1])["replay_schedule"] == "constant"


def test_all_else_stays_as_stated():
    gan, classifier = task_size.settled(*OPEN, [2])
    for settled, stated in zip((gan, classifier), OPEN, strict=True):
        open_again = dataclasses.replace(settled, **dict.fromkeys(stated.of_task_size))
        assert open_again == stated


def test_a_run_is_told_what_follows_and_why():
    line = task_size.told(*OPEN, [2, 3, 1])
    assert "\n" not in line and "learns their classes apart" in line and line.endswith("A value that you state wins.")
    for text in ("GANSettings.auxiliary_loss = True", "ClassifierSettings.replay_schedule = 'constant'"):
        assert text in line
    assert task_size.told(*OPEN, [1, 1]) is None


def test_nothing_is_told_of_what_is_stated():
    stated = [dataclasses.replace(s, **{n: STATED[n] for n in s.of_task_size}) for s in OPEN]
    assert task_size.told(*stated, [2, 2]) is None
    assert "learns their classes" not in task_size.told(GANSettings(auxiliary_loss=False), OPEN[1], [2])


def test_what_earlier_versions_left_open_was_what_tasks_of_one_class_have():
    settled = task_size.settled(GANSettings(), ClassifierSettings(), [1])
    now = {f"{type(s).__name__}.{name}": getattr(s, name) for s in settled for name in s.of_task_size}
    assert now == aliases.EARLIER_DEFAULTS


def test_a_stated_auxiliary_loss_alone_gives_one_class_no_optimizer_of_its_own():
    found = values(GANSettings(auxiliary_loss=True), OPEN[1], [1])
    assert found["auxiliary_loss"] and not found["own_optimizer"]
