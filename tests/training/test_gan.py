"""The GAN step: who learns from what, and that a step is a function of its number."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.data.rows import Rows
from dgm_tf.errors import UserError
from dgm_tf.layers import few_channels
from dgm_tf.methods.dgm import MaskRules
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.training import gan, task_size
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.compilation import jit, jit_compilation
from dgm_tf.training.gan import GANPhase, GANSettings
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers

SETTINGS = GANSettings(epochs=2, batch_size=8)


def group(label, count=16):
    images = np.random.default_rng(label).integers(0, 256, (count, 32, 32, 1)).astype(np.uint8)
    return images, np.full(count, label, np.int32)


def pool(tasks=2, count=16):
    *replay, current = (group(label, count) for label in range(tasks))
    return Pool(replay, current)


class Training:
    """Fresh tiny networks and a phase that trains them."""

    def __init__(self, settings=SETTINGS, classifier=ClassifierSettings(augmentation=Augmentation()), images=None):  # noqa: B008
        with seeded_initializers(0, "gan test"):
            self.generator = DCGANGenerator(filters=2, latent_size=16)
            self.discriminator = DCGANDiscriminator(num_classes=2, filters=(2, 4, 6))
        self._arguments = (images or pool(), *task_size.settled(settings, classifier, [1]), 0)
        self.phase = self.new_phase()

    def new_phase(self):
        rules = MaskRules(self.generator, 2, sparsity_weight=0.1, max_mask_scale=50.0)
        return GANPhase(rules, self.discriminator, *self._arguments)

    def run(self, start, stop):
        return [self.phase.step(i) for i in range(start, stop)]

    def weights(self):
        networks = {"G": self.generator, "D": self.discriminator}
        return {f"{k} {v.path}": v.numpy().copy() for k, network in networks.items() for v in network.weights}

    def state(self):
        """All variables, the optimizers' included."""
        return [*self.generator.weights, *self.discriminator.weights, *self.phase.variables()]

    def changed(self, steps=1):
        """Names of the weights that so many steps change."""
        before = self.weights()
        self.run(0, steps)
        return {name for name, value in self.weights().items() if not np.array_equal(value, before[name])}


@pytest.fixture(scope="module")
def unbroken():
    """A training of four steps: (metrics, weights, phase, which weights the first step changed)."""
    training = Training()
    changed = training.changed()
    metrics = training.run(1, 4)
    return metrics, training.weights(), training.phase, changed


def test_xla_computes_the_same_step_from_streamed_images(monkeypatch):
    noise = tf.constant(np.random.default_rng(0).uniform(size=[8, 16]), tf.float32)  # XLA draws numbers of its own
    monkeypatch.setattr(gan, "normal", lambda shape, seed: noise)
    monkeypatch.setattr(gan, "uniform", lambda shape, seed: noise[:, 0])
    with jit_compilation(True):
        replay, current = ((Rows([images]), labels) for images, labels in map(group, range(2)))
        compiled = Training(images=Pool([replay], current))
    metrics, (expected,) = compiled.run(0, 1)[0], Training().run(0, 1)
    for name, value in expected.items():
        np.testing.assert_allclose(metrics[name], value, rtol=2e-3, atol=2e-3, err_msg=name)
    step = compiled.phase.parts()["step"]
    graph = step.compiled.get_concrete_function(*step.inputs(0)).graph
    functions = [f for f in graph.as_graph_def().library.function if f.attr["_XlaMustCompile"].b]
    assert len(functions) == 2, "the adversarial and the classifier's update"


def test_under_a_strategy_nothing_is_compiled_by_xla():
    with jit_compilation(True), tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        (metrics,) = Training().run(0, 1)
    assert np.all(np.isfinite([float(value) for value in metrics.values()]))


@pytest.mark.parametrize("gpus, steps, compiles", [("0", 3000, True), ("0", 2999, False), ("", 3000, False)])
def test_xla_is_for_gpus_and_long_phases(monkeypatch, gpus, steps, compiles):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: list(gpus))
    assert (jit(tf.abs, steps) is not tf.abs) == compiles


def test_metrics_are_finite_and_named(unbroken):
    metrics = {k: float(v) for k, v in unbroken[0][-1].items()}
    assert set(metrics) == {
        "loss/classifier", "accuracy/training", "loss/critic", "loss/wasserstein_distance",
        "loss/gradient_penalty", "loss/generator", "loss/generator_penalty",
    }  # fmt: skip
    assert np.all(np.isfinite(list(metrics.values())))
    assert 0.0 <= metrics["accuracy/training"] <= 1.0
    assert metrics["loss/critic"] == pytest.approx(
        metrics["loss/gradient_penalty"] - metrics["loss/wasserstein_distance"], abs=1e-5
    )
    assert 0.0 < metrics["loss/generator_penalty"] < 0.1  # 0.1 R, R in [0, 1]


def test_a_step_trains_all_that_is_trainable(unbroken):
    fixed = {name for name in unbroken[1] if name not in unbroken[3]}
    # The realness bias moves every score alike, and so has no gradient; masks are stored at the task's end.
    assert fixed == {"D realness/bias"} | {
        f"G masked_{i}/{name}" for i in range(3) for name in ("reserved", "task_0_bits")
    }


def test_balanced_makes_an_update_for_each_task_so_far(unbroken):
    d_optimizer_steps, g_optimizer_steps = (int(v) for v in unbroken[2].variables() if v.path.endswith("iteration"))
    assert d_optimizer_steps == 4 * (2 + 1)  # two classifier updates, one of the critic
    assert g_optimizer_steps == 4


def test_steps_are_compiled_once(monkeypatch):
    traced, generate = [], MaskRules.generate
    monkeypatch.setattr(MaskRules, "generate", lambda *given: traced.append(1) or generate(*given))
    training = Training()
    training.run(0, 1)
    first = len(traced)
    training.run(1, 4)
    assert len(traced) == first > 0


def test_a_phase_taken_up_again_ends_as_if_never_stopped(unbroken):
    training = Training()
    training.run(0, 2)
    stopped = training.phase
    training.phase = training.new_phase()
    for kept, variable in zip(stopped.variables(), training.phase.variables(), strict=True):
        variable.assign(kept)
    training.run(2, 4)
    for name, value in training.weights().items():
        np.testing.assert_array_equal(value, unbroken[1][name], err_msg=name)


def test_each_of_twenty_fast_steps_is_the_plain_one(monkeypatch):
    """From the same state: left to run apart, Adam, whose first steps are of a gradient's sign, magnifies rounding."""
    images, settings = pool(count=80), GANSettings(epochs=2, batch_size=8, adam="keras")

    def plain_adam(learning_rate, variables, beta_1, beta_2, rule):
        optimizer = keras.optimizers.Adam(learning_rate, beta_1, beta_2)
        optimizer.build(variables)
        return optimizer

    fast = Training(settings, images=images)
    fast.run(0, 1)  # traced before the plain parts are put in
    monkeypatch.setattr(gan, "make_adam", plain_adam)
    monkeypatch.setattr(few_channels, "suits", lambda *shape: False)
    plain = Training(settings, images=images)
    for index in range(1, 21):
        for target, source in zip(plain.state(), fast.state(), strict=True):
            target.assign(source)
        (theirs,), (ours,) = plain.run(index, index + 1), fast.run(index, index + 1)
        for name, value in theirs.items():
            assert float(ours[name]) == pytest.approx(float(value), rel=1e-5, abs=1e-5), (index, name)
        for name, value in plain.weights().items():
            np.testing.assert_allclose(fast.weights()[name], value, atol=1e-5, err_msg=f"{index} {name}")


def test_without_classifier_updates_the_class_head_and_the_averages_stay():
    training = Training(classifier=ClassifierSettings(replay_schedule="none", closing_epochs=1))
    changed = {name for name in training.changed(steps=2) if name.startswith("D")}
    assert changed == {
        *(f"D convolution_{i}/kernel" for i in range(3)),
        *(f"D norm_{i}/{name}" for i in (1, 2) for name in ("gamma", "beta")),
        "D realness/kernel",
    }
    assert not training.phase.trains_classifier


def test_several_critic_steps_constant_replay_and_the_auxiliary_loss():
    settings = dataclasses.replace(SETTINGS, critic_steps=3, auxiliary_loss=True)
    training = Training(settings, ClassifierSettings(replay_schedule="constant", updates=2))
    metrics = training.run(0, 2)
    iterations = [int(v) for v in training.phase.variables() if v.path.endswith("iteration")]
    assert iterations == [2 * (2 + 3), 2]
    assert all(np.isfinite(float(v)) for m in metrics for v in m.values())


def test_the_penalty_may_be_estimated_on_a_part_of_the_batch(monkeypatch):
    seen = []

    def counting(critic, real, fake, mix):
        seen.append([len(x) for x in (real, fake, mix)])
        return penalty(critic, real, fake, mix)

    penalty = gan.losses.wasserstein_gradient_penalty
    monkeypatch.setattr(gan.losses, "wasserstein_gradient_penalty", counting)
    for share, count in ((1.0, 8), (0.5, 4), (0.01, 1)):
        training = Training(dataclasses.replace(SETTINGS, gradient_penalty_share=share))
        assert np.isfinite(float(training.run(0, 1)[0]["loss/gradient_penalty"]))
        assert seen.pop() == [count] * 3


def test_the_classifier_may_have_an_optimizer_of_its_own():
    classifier = ClassifierSettings("constant", updates=2, own_optimizer=True, learning_rate=1e-4)
    training = Training(dataclasses.replace(SETTINGS, critic_steps=3), classifier)
    training.run(0, 2)
    iterations = [int(v) for v in training.phase.variables() if v.path.endswith("iteration")]
    assert iterations == [2 * 3, 2, 2 * 2]
    alone = Training(classifier=ClassifierSettings("none", closing_epochs=1, own_optimizer=True))
    assert len(alone.phase.variables()) < len(training.phase.variables())


def test_critic_sees_the_current_task_alone():
    phase = Training(images=pool(tasks=3)).phase
    for index in range(phase.num_steps):
        real, mixed = phase.images.of_step(index)
        assert np.all(np.asarray(real) >= 32)
        assert mixed.shape == (3, 8)


def test_an_epoch_passes_over_all_images_of_the_task():
    phase = Training().phase
    rows = [[int(i) for i in np.ravel(phase.images.of_step(index)[0])] for index in range(4)]
    assert [set(rows[0] + rows[1]), set(rows[2] + rows[3])] == [set(range(16, 32))] * 2


def test_fewer_images_than_a_batch_make_one_step_an_epoch():
    phase = Training(images=pool(count=5)).phase
    assert phase.num_steps == 2
    assert phase.images.of_step(0)[0].shape == (1, 8)


def test_an_epoch_of_few_images_passes_over_them_again():
    training = Training(dataclasses.replace(SETTINGS, min_batches=5), images=pool(count=17))
    phase = training.phase
    assert phase.num_steps == 2 * 5
    plans = [np.ravel([phase.images.of_step(5 * epoch + batch)[0] for batch in range(5)]) for epoch in range(2)]
    for plan in plans:
        for start in (0, 16):  # two batches a pass, one image left out of each
            assert len(set(plan[start : start + 16])) == 16
    assert sorted(plans[0]) != sorted(plans[1])
    assert Training(images=pool(count=80)).phase.batches == 10  # the least is no limit


@pytest.mark.parametrize(("per_class", "steps"), [(True, 15), (False, 5)])
def test_the_least_steps_of_an_epoch_count_for_each_class_where_the_settings_say_so(per_class, steps):
    few = [(images, labels + np.arange(len(labels)) % 3) for images, labels in [group(1, 18)]]
    earlier = [group(0, count=90)]  # whose classes do not count
    settings = dataclasses.replace(SETTINGS, min_batches=5, min_batches_per_class=per_class)
    phase = Training(settings, images=Pool(earlier, few[0])).phase
    assert (phase.batches, phase.num_steps) == (steps, 2 * steps)


def test_progress_is_the_annealing():
    phase = Training().phase
    scales = [phase.schedule_at(i) for i in range(4)]
    assert [s["epoch_mask_scale"] for s in scales] == [1 / 50, 1 / 50, 50, 50]
    assert [s["mask_scale"] for s in scales] == pytest.approx([50, 1 / 50, 1 / 50, 50])


def test_preview_shows_the_tasks_classes_from_the_same_z():
    training = Training()
    images = training.phase.preview(1, [1, 1, 0])
    assert images.shape == (3, 32, 32, 1) and np.max(np.abs(images)) <= 1.0
    np.testing.assert_array_equal(images, training.phase.preview(1, [1, 1, 0]))


@pytest.mark.parametrize(
    "bad",
    [
        {"epochs": 0}, {"batch_size": 0}, {"critic_steps": 0}, {"beta_1": 1.0}, {"auxiliary_loss": 1},
        {"gradient_penalty_share": 0.0}, {"min_batches_per_class": 1},
    ],
)  # fmt: skip
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"GANSettings.{next(iter(bad))}: expected"):
        GANSettings(**bad)


@pytest.mark.parametrize("schedule", ["balanced", "constant", "none"])
def test_both_rates_reach_zero_at_the_last_update(schedule):
    settings = dataclasses.replace(SETTINGS, epochs=1, critic_steps=2, learning_rate_decay=1.0)
    classifier = ClassifierSettings(replay_schedule=schedule, updates=3, closing_epochs=1)
    training = Training(settings, classifier)
    training.run(0, training.phase.num_steps)
    iterations = [v for v in training.phase.variables() if "iteration" in v.path]
    updates = [float(v) for v in iterations]
    per_step = 2 + {"balanced": 2, "constant": 3, "none": 0}[schedule]
    assert updates == [training.phase.num_steps * per_step, training.phase.num_steps]
    before = training.weights()
    training.phase.step(training.phase.num_steps - 1)  # one more than planned
    moved = [k for k, v in training.weights().items() if not np.array_equal(v, before[k])]
    assert all("moving" in name for name in moved)
