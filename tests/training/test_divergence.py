"""What is not finite is seen in time, told with its place, and with the settings that can have caused it."""

import dataclasses
import types

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import Diverged
from dgm_tf.learner import Learner
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.mergan import MeRGAN
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.training import divergence
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.distillation import Distillation
from dgm_tf.training.divergence import LossWatch, Remedy, check_finite, is_finite, settings_to_try
from dgm_tf.training.gan import GANPhase, GANSettings
from dgm_tf.training.phase import Phase
from tests.methods import tiny

CONTEXT = types.SimpleNamespace(index=2, title="task 3", task=tiny.task(2, (4, 5)))


def test_a_task_is_named_by_its_first_three_classes():
    for count, listed in ((3, "class 0, class 1, class 2"), (4, "class 0, class 1, class 2 ...")):
        context = types.SimpleNamespace(index=0, title="task 1", task=tiny.task(0, range(count)))
        assert divergence.task_name(context) == f"task 1 ({listed})"


def learner(method=None):
    return types.SimpleNamespace(method=method or tiny.dgm())


def watched(values, batches=3, interval=1):
    """Shows the losses of as many steps to a watch; returns the step after which it raised, and what."""
    phase = Phase(2, batches)
    phase.name = "gan"
    watch = LossWatch(learner(), CONTEXT, phase)
    watch.interval = interval
    for index, value in enumerate(values):
        try:
            watch.see(index, {"loss/critic": tf.constant(value), "loss/generator": tf.constant(0.5)})
        except Diverged as error:
            return index, str(error)
    return None, None


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_loss_that_is_not_finite_is_told_after_its_step(wrong):
    index, told = watched([1.0, 2.0, 3.0, wrong])
    assert index == 3
    assert told.startswith(
        "task 3 (class 4, class 5), phase gan, epoch 2 of 2, step 4 of 6: expected finite values, got NaN or infinity "
        "in loss/critic; nothing of it is saved. Try a lower GANSettings.discriminator_learning_rate (now 0.002) or "
    )


def test_finite_losses_are_fine():
    assert watched([3e38, -3e38, 0.0, 1.0, 2.0, 3.0]) == (None, None)


@pytest.mark.parametrize("first, seen", [(0, 2), (2, 2), (3, 5), (4, 5)])
def test_where_reading_waits_the_first_step_is_named_all_the_same(first, seen):
    """With a GPU, at the end of an epoch or after an interval; NaN stays in what follows."""
    index, told = watched([np.nan if i >= first else 1.0 for i in range(6)], interval=50)
    assert index == seen and f", step {first + 1} of 6:" in told
    index, told = watched([np.nan if i >= 4 else 1.0 for i in range(20)], batches=20, interval=3)
    assert index == 5 and ", step 5 of 40:" in told


def test_every_step_is_read_on_a_cpu_and_some_where_there_is_a_gpu(monkeypatch):
    phase = Phase(1, 1)
    assert LossWatch(learner(), CONTEXT, phase).interval == 1
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["GPU:0"] if kind == "GPU" else [])
    assert LossWatch(learner(), CONTEXT, phase).interval == divergence.GPU_INTERVAL > 1


@pytest.mark.parametrize(
    "arrays, told",
    [
        ({"generator/masked_0/kernel": [0.0, np.nan]}, "got NaN or infinity in weights of generator;"),
        ({"generator/a/embedding": [np.inf], "student/b": [np.nan]}, "in weights of generator, weights of student;"),
        ({"method/importances/0003": [-np.inf], "method/importances/0004": [np.nan]}, "infinity in importances;"),
        ({"phase/0007": [np.nan]}, "got NaN or infinity in an optimizer;"),
        ({"logits": [np.nan]}, "got NaN or infinity in logits;"),
    ],
)
def test_an_array_that_is_not_finite_is_told_by_what_it_belongs_to(arrays, told):
    arrays = {name: np.array(values, np.float32) for name, values in arrays.items()}
    with pytest.raises(Diverged) as error:
        check_finite(learner(), {"discriminator/a": np.zeros(3), **arrays}, lambda: "here")
    assert str(error.value).startswith("here: expected finite values, ") and told in str(error.value)


def test_finite_arrays_and_integers_pass():
    arrays = {"generator/a": np.float32([3e38, -3e38]), "method/exemplars/0": np.zeros((2, 2), np.uint8), "b": [1, 2]}
    check_finite(learner(), arrays, lambda: pytest.fail("nothing to be told"))
    assert is_finite(np.zeros((0, 3))) and not is_finite(np.float64(np.nan))


def names(method, *phase_and_losses):
    return [text.split(" (now ")[0] for text in settings_to_try(method, *phase_and_losses)]


CRITIC = "a lower GANSettings.discriminator_learning_rate"
GENERATOR = "a lower GANSettings.generator_learning_rate"
CLIPPING = "a lower GANSettings.clip_norm"
CLOSING = "a lower ClassifierSettings.learning_rate"
DISTILLING = tiny.dgm(classifier=ClassifierSettings(closing_epochs=1), distillation=Distillation())


@pytest.mark.parametrize(
    "method, phase, losses, expected",
    [
        (tiny.dgm(), "gan", ["loss/classifier"], [CRITIC]),
        (tiny.dgm(classifier=ClassifierSettings(own_optimizer=True)), "gan", ["loss/classifier"], [CRITIC, CLOSING]),
        (
            tiny.dgm(), "gan", ["loss/gradient_penalty"],
            [CRITIC, "another GANSettings.gradient_penalty_weight", GENERATOR],
        ),
        (
            tiny.dgm(), "gan", ["loss/generator_penalty"],
            ["a lower DGM.mask_scale_per_epoch", "a lower DGM.sparsity_weight", GENERATOR, CLIPPING],
        ),
        (tiny.ewc_m(), "gan", ["loss/generator"], ["a lower EWCM.consolidation_weight", GENERATOR, CLIPPING]),
        (DISTILLING, "classifier", ["loss/classifier"], [CLOSING, "a lower Distillation.weight"]),
        (FineTuning(), "classifier", ["loss/classifier"], ["a lower FineTuning.learning_rate"]),
        (EWC(), "classifier", [], ["a lower EWC.learning_rate", "a lower EWC.strength"]),
        (RWalk(), None, [], ["a lower RWalk.learning_rate", "a lower RWalk.strength", "a higher RWalk.damping"]),
        (FineTuning(), "a phase of one's own", ["loss/own"], ["a lower FineTuning.learning_rate"]),
    ],
)  # fmt: skip
def test_settings_follow_from_what_exploded(method, phase, losses, expected):
    assert sorted(names(method, phase, losses)) == sorted(expected)


def test_what_is_farthest_from_its_default_comes_first():
    gan = GANSettings(generator_learning_rate=1e38)
    told = settings_to_try(tiny.dgm(gan=gan), "gan", ["loss/critic", "loss/generator"])
    assert told[0] == "a lower GANSettings.generator_learning_rate (now 1e+38)"
    method = RWalk(damping=1e-9, learning_rate=1e-2)
    assert settings_to_try(method)[0] == "a higher RWalk.damping (now 1e-09)"
    assert settings_to_try(method)[1] == "a lower RWalk.learning_rate (now 0.01)"


def test_a_weight_that_is_not_there_is_not_named():
    assert "a lower MeRGAN.alignment_weight" in names(MeRGAN(strategy="replay_alignment"))
    assert "a lower MeRGAN.alignment_weight" not in names(MeRGAN())


def diverging(method):
    """What is told of a method's first task, of a single step."""
    with pytest.raises(Diverged) as told:
        Learner(method).learn(tiny.task(0, (0, 1), per_class=4))
    return str(told.value)


def test_weights_too_large_to_classify_with_are_seen_at_the_tasks_end():
    """After the only step no loss is read any more."""
    told = diverging(FineTuning(tiny.Discriminator, epochs=1, batch_size=8, learning_rate=1e38))
    assert told == (
        "task 1 (class 0, class 1), at its end: expected finite values, got NaN or infinity in logits; nothing of it "
        "is saved. Try a lower FineTuning.learning_rate (now 1e+38)"
    )


def test_importances_that_are_not_finite_are_seen_at_the_tasks_end(monkeypatch):
    monkeypatch.setattr(EWC, "_fisher", lambda self, context: [np.full(w.shape, np.inf) for w in self.importances])
    told = diverging(EWC(tiny.Discriminator, epochs=1, batch_size=8))
    assert told.startswith("task 1 (class 0, class 1), at its end: expected finite values, got NaN or infinity in imp")


def test_images_that_are_not_finite_are_seen_at_the_phases_end(monkeypatch):
    no_image = lambda self, latents, mask_scale, training=False: tf.fill([tf.shape(latents)[0], 32, 32, 1], np.nan)  # noqa: E731
    monkeypatch.setattr(DCGANGenerator, "call", no_image)
    monkeypatch.setattr(GANPhase, "step", lambda self, index: {})
    told = diverging(tiny.dgm())
    assert told.startswith("task 1 (class 0, class 1), phase gan, at its end: expected finite values, got NaN or infin")
    assert " in images; " in told


def test_a_method_that_lists_no_remedy_is_advised_all_the_same():
    assert settings_to_try(types.SimpleNamespace()) == ["a lower learning rate"]


@pytest.mark.parametrize(("advice", "value"), [("a higher", 0.0), ("a lower", 0.0), ("another", "a name")])
def test_a_setting_without_a_ratio_to_its_default_is_advised_all_the_same(advice, value):
    @dataclasses.dataclass
    class Owner:
        rate: object = 1.0
        remedies = (Remedy("gan", ("loss",), advice, "rate"),)

    (text,) = settings_to_try(Owner(value))
    assert text.startswith(f"{advice} Owner.rate (now ")
