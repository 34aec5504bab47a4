"""DGM: what is learned last never changes what was learned before; replay, growth and warnings."""

import contextlib
import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.dgm import DGM, MaskRules
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.distillation import Distillation
from dgm_tf.training.loop import Callback
from tests.methods import resuming, tiny

LABELS = np.array([0, 0, 0], np.int32)


@pytest.fixture(params=["weights", "units"])
def plasticity(request):
    return request.param


def context_of(method, index=0, classes=((0,), (1,)), per_class=16, seed=0):
    """The context of a task; the tasks before count as learned, with random masks."""
    for t in range(index + 1):
        context = TaskContext(
            tiny.task(t, classes[t], per_class), tuple(map(tuple, classes[: t + 1])), (32, 32, 1), seed
        )
        method.begin_task(context)
        if t < index:
            set_embeddings(method, seed + t)
            method.end_task(context)
    return context


def set_embeddings(method, seed):
    for layer in method.networks.generator.masked_layers:
        layer.embedding.assign(np.random.default_rng(seed).normal(size=layer.embedding.shape))


def test_scale_is_annealed_over_batches_for_weights_and_over_epochs_for_units(plasticity):
    method = tiny.dgm(plasticity)
    context_of(method)
    rules = MaskRules(method.networks.generator, 1, 0.1, 100.0)
    schedules = [rules.schedule_at(epoch, batch, 3, 5) for epoch in (0, 2) for batch in (0, 4)]
    assert [s["epoch_mask_scale"] for s in schedules] == [0.01, 0.01, 100.0, 100.0]
    expected = {"weights": [100.0, 0.01, 0.01, 100.0], "units": [0.01, 0.01, 100.0, 100.0]}[plasticity]
    assert [s["mask_scale"] for s in schedules] == pytest.approx(expected)


def test_sparsity_counts_for_more_the_larger_the_network(plasticity):
    method = tiny.dgm(plasticity)
    scale = tf.constant(2.0)
    for index in range(2):
        context = context_of(method, index)
        layers = method.networks.generator.masked_layers
        entries = sum(np.asarray(layer.embedding).size for layer in layers)
        free = sum(method.networks.generator.initial_sizes)
        assert (entries == free) == (index == 0)
        penalty = method.generator_rules(context).penalty({"mask_scale": scale}, None)
        used = float(method.networks.generator.sparsity(scale))
        assert used > 0 and float(penalty) == pytest.approx(0.05 * entries / free * used, rel=1e-5)  # lambda_RU alpha R


def test_alpha_may_count_output_channels(plasticity):
    method = tiny.dgm(plasticity, alpha="channels")
    context = context_of(method, 1)
    layers, scale = method.networks.generator.masked_layers, tf.constant(2.0)
    first = [layer.width for layer in tiny.GENERATORS[plasticity]().masked_layers]
    alpha = sum(layer.width for layer in layers) / sum(first)
    penalty = method.generator_rules(context).penalty({"mask_scale": scale}, None)
    used = float(method.networks.generator.sparsity(scale))
    assert alpha > 1 and float(penalty) == pytest.approx(0.05 * alpha * used, rel=1e-5)
    with pytest.raises(UserError, match="DGM.alpha: expected one of 'entries', 'channels', got 'units'"):
        tiny.dgm(alpha="units")


@pytest.mark.parametrize("reset", [True, False])
def test_the_realness_head_may_start_anew_at_each_task_while_the_rest_of_d_is_trained_on(reset):
    method = tiny.dgm(reinitialize_discriminator=False, reset_realness=reset)
    context_of(method, 0)
    before = {v.path: np.asarray(v).copy() for v in method.networks.classifier.weights}
    method.begin_task(TaskContext(tiny.task(1), ((0,), (1,)), (32, 32, 1), 0))
    changed = {v.path for v in method.networks.classifier.weights if not _kept(before[v.path], np.asarray(v))}
    assert changed == ({"discriminator/realness/kernel", "realness/kernel"} & before.keys() if reset else set())


def _kept(before, after):
    return np.array_equal(before, after[tuple(slice(0, n) for n in before.shape)])


@pytest.mark.parametrize(
    ("classes", "per_class", "count"), [([(0,), (1,)], 5, 5), ([(0, 1), (2,)], 7, 7), ([(0,), (1, 2, 3)], 4, 4)]
)
def test_replay_set_has_as_many_per_class_as_the_current_classes(classes, per_class, count):
    method = tiny.dgm()
    ((images, labels),) = tiny.replayed(method, context_of(method, 1, classes, per_class))
    assert images.dtype == np.float32 and labels.dtype == np.int32
    np.testing.assert_array_equal(np.unique(labels), classes[0])
    assert np.all(np.bincount(labels) == count) and images.shape == (len(labels), 32, 32, 1)


def test_replay_set_keeps_the_tasks_apart_and_follows_from_the_seed():
    method = tiny.dgm()
    context = context_of(method, 2, [(0,), (1,), (2,)], 5)
    groups, again = (tiny.replayed(method, context) for _ in range(2))
    assert [set(labels) for _, labels in groups] == [{0}, {1}]
    for (images, _), (same, _) in zip(groups, again, strict=True):
        np.testing.assert_array_equal(images, same)


def test_replay_is_generated_once_for_both_phases_of_a_task(monkeypatch):
    method, made = tiny.dgm(classifier=ClassifierSettings(closing_epochs=1)), []
    context, replay = context_of(method, 1), method.replay
    monkeypatch.setattr(method, "replay", lambda labels, seed: made.append(len(labels)) or replay(labels, seed))
    pools = [make().pool for make in method.phases(context)]
    assert made == [16]
    np.testing.assert_array_equal(*(pool.gather(np.arange(16))[0] for pool in pools))


@pytest.mark.parametrize("quantize", [True, False])
def test_replay_is_rounded_if_asked_to(quantize):
    method = tiny.dgm(classifier=ClassifierSettings(quantize_replay=quantize))
    ((images, _),) = tiny.replayed(method, context_of(method, 1))
    levels = 127.5 * images + 127.5
    assert (np.abs(levels - np.rint(levels)).max() < 1e-3) == quantize


@pytest.fixture
def learned(plasticity):
    """A method at its third task, with random masks of two tasks of two and one classes."""
    method = tiny.dgm(plasticity)
    context_of(method, 2, [(0, 1), (2,), (3,)])
    return method


def test_replayed_images_are_in_range_and_follow_from_the_seed(learned):
    images = learned.replay([0, 2, 1, 2], seed=3)
    assert images.shape == (4, 32, 32, 1) and images.dtype == np.float32 and np.max(np.abs(images)) <= 1.0
    np.testing.assert_array_equal(images, learned.replay([0, 2, 1, 2], seed=3))
    assert not np.array_equal(images, learned.replay([0, 2, 1, 2], seed=4))


def test_each_class_comes_from_its_own_task(learned):
    mixed = learned.replay([2, 0, 2, 1], seed=3)
    np.testing.assert_array_equal(mixed[[1, 3]], learned.replay([0, 1], seed=3))
    np.testing.assert_array_equal(mixed[[0, 2]], learned.replay([2, 2], seed=3))


def test_a_class_is_coded_as_when_its_task_was_learned(learned):
    assert [learned.memory.classes_up_to(task) for task in range(3)] == [2, 3, 4]
    latents = np.random.default_rng(0).normal(size=(2, 16)).astype(np.float32)
    np.testing.assert_array_equal(learned.memory.generate(0, latents), learned.networks.generator.plain(0)(latents))


def test_ending_a_task_reports_capacity_and_keeps_it_free(plasticity):
    method = tiny.dgm(plasticity)
    context = context_of(method)
    set_embeddings(method, 0)
    size = method.networks.generator.task_size()
    used = {
        layer.name: int(np.sum(np.asarray(layer.embedding) >= 0)) for layer in method.networks.generator.masked_layers
    }
    outcome = method.end_task(context)
    assert outcome["warnings"] == [] and outcome["capacity"]["task"] == 0 and outcome["capacity"]["size"] == size
    for row, name, target in zip(
        outcome["capacity"]["layers"].values(), used, method.networks.generator.initial_sizes, strict=True
    ):
        assert row["used"] == row["newly_reserved"] == used[name] and row["reused"] == 0
        assert row["mask_entries"] == target <= row["free"]
    assert method.networks.generator.num_tasks == 2


@pytest.mark.parametrize(("value", "text"), [(-1.0, "is empty"), (1.0, "is full")])
def test_collapsed_masks_are_warned_of_by_layer_and_class(plasticity, value, text):
    method = tiny.dgm(plasticity)
    context = context_of(method)
    set_embeddings(method, 0)
    layer = method.networks.generator.masked_layers[1]
    layer.embedding.assign(np.full(layer.embedding.shape, value))
    (warning,) = method.end_task(context)["warnings"]
    assert text in warning and "masked_1" in warning and "task 1 (class 0)" in warning


def test_growth_that_changes_what_is_replayed_is_told(plasticity, monkeypatch):
    method = tiny.dgm(plasticity)
    context = context_of(method)
    tiny.randomize(method.networks.generator)
    set_embeddings(method, 0)
    grow = method.networks.generator.grow

    def leaking():
        grown = grow()
        grown.output_layer.task_kernels[0].assign_add(0.5 * tf.ones_like(grown.output_layer.task_kernels[0]))
        return grown

    monkeypatch.setattr(method.networks.generator, "grow", leaking)
    assert method.end_task(context)["replay_drift"] > 0.01


@pytest.mark.parametrize("change", [0.25, -0.25])
def test_drift_by_growth_is_the_largest_change_of_a_pixel_up_or_down(plasticity, monkeypatch, change):
    method = tiny.dgm(plasticity)
    context = context_of(method)
    set_embeddings(method, 0)
    replayed = iter([np.zeros((1, 2, 2, 1)), np.array([0.0, change, change / 2, 0.0]).reshape(1, 2, 2, 1)])
    monkeypatch.setattr(method, "replay", lambda labels: next(replayed))
    assert method.end_task(context)["replay_drift"] == 0.25


def test_as_many_classes_as_half_of_the_latents_can_be_told_apart():
    method = tiny.dgm()
    method.check_classes(8)
    with pytest.raises(UserError, match="latent_size of the generator: expected at least twice the 9 classes"):
        method.check_classes(9)


def test_what_is_remembered_is_counted_in_bytes(plasticity):
    method = tiny.dgm(plasticity)
    context_of(method, 1)
    sizes, layers = method.memory_bytes(), method.networks.generator.masked_layers
    first = [np.prod(layer.task_mask(0).shape) for layer in layers]
    assert sizes["masks"] == sum(-(-int(size) // 8) for size in first), "of the first task, a bit an entry"
    kernels = sum(np.asarray(layer.kernel).size for layer in layers)
    norms = sum(4 * np.asarray(norm.gamma).size + 4 * norm.task_widths[0] for norm in method.networks.generator.norms)
    images = sum(np.asarray(v).size for v in method.networks.generator.output_layer.weights)
    assert sizes == {"generator": 4 * (kernels + norms + images), "masks": sizes["masks"]}


def test_the_generator_is_made_for_the_tasks_images_and_from_the_runs_seed():
    first, same, other = (tiny.dgm() for _ in range(3))
    context = TaskContext(tiny.task(0, shape=(16, 16, 3)), ((0,),), (16, 16, 3), 0)
    for method, seed in ((first, 0), (same, 0), (other, 1)):
        method.begin_task(dataclasses.replace(context, seed=seed))
        assert method.networks.generator.image_shape == method.networks.classifier.image_shape == (16, 16, 3)
    for role in ("generator", "classifier"):
        kernels = [getattr(method.networks, role).get_weights()[0] for method in (first, same, other)]
        np.testing.assert_array_equal(kernels[0], kernels[1])
        assert np.any(kernels[0] != kernels[2])


def test_what_growth_adds_follows_from_the_seed_and_the_task():
    def grown(seed, index):
        method = tiny.dgm()
        context = dataclasses.replace(context_of(method), seed=seed)
        set_embeddings(method, 0)
        method.end_task(dataclasses.replace(context, task=dataclasses.replace(context.task, index=index)))
        return [layer.kernel.numpy().copy() for layer in method.networks.generator.masked_layers]

    same, again, other_seed, other_task = (grown(*each) for each in ((0, 0), (0, 0), (1, 0), (0, 1)))
    assert all(np.array_equal(a, b) for a, b in zip(same, again, strict=True))
    for others in (other_seed, other_task):
        assert any(not np.array_equal(a, b) for a, b in zip(same, others, strict=True))


@pytest.mark.parametrize("reinitialize", [True, False])
def test_discriminator_starts_afresh_or_is_widened(reinitialize):
    method = tiny.dgm(reinitialize_discriminator=reinitialize)
    context_of(method, 0)
    before = method.networks.classifier.get_weights()
    method.begin_task(TaskContext(tiny.task(1), ((0,), (1,)), (32, 32, 1), 0))
    assert method.networks.classifier.num_classes == 2
    same = np.array_equal(before[0], method.networks.classifier.get_weights()[0])
    assert same != reinitialize


@pytest.mark.parametrize(("epochs", "phases"), [(0, ["gan"]), (2, ["gan", "classifier"])])
def test_closing_epochs_are_a_phase_of_their_own(epochs, phases):
    method = tiny.dgm(classifier=ClassifierSettings(closing_epochs=epochs))
    made = [make() for make in method.phases(context_of(method))]
    assert [phase.name for phase in made] == phases


@pytest.mark.parametrize(("least", "counts"), [(0, [16, 16]), (16, [16, 16]), (40, [40, 40])])
def test_earlier_classes_are_replayed_a_least_number_of_times_and_current_images_repeated(least, counts):
    method = tiny.dgm(classifier=ClassifierSettings(closing_epochs=1, min_replay_per_class=least))
    context = context_of(method, 1)
    pool = tiny.pool(method, context, phase=-1)
    assert np.bincount(pool.labels).tolist() == counts
    assert method.replay_count(context) == counts[0]
    current, _ = tiny.current(method, context, phase=-1)
    assert len(np.unique(current, axis=0)) == len(context.task.train)  # each image, none left out


@pytest.mark.parametrize("num_classes", [8, 9])
def test_classes_are_refused_before_anything_is_learned_where_their_codes_have_no_room(num_classes):
    refused = pytest.raises(UserError, match="latent_size of the generator: expected at least twice the 9 classes")
    with refused if num_classes > 8 else contextlib.nullcontext():
        tiny.dgm().check_classes(num_classes)


@pytest.mark.parametrize(("share", "generated"), [(0.0, 0), (0.25, 4), (1.0, 16)])
def test_closing_images_are_generated_as_far_as_asked_for(share, generated):
    method = tiny.dgm(classifier=ClassifierSettings(closing_epochs=1, generated_current=share))
    context = context_of(method)
    set_embeddings(method, 0)
    before = images = None
    for _ in range(2):  # the masks are reserved for it, and that more than once
        before, images = images, tiny.current(method, context, phase=-1)[0]
    np.testing.assert_array_equal(images, before)
    real = context.task.train.images.astype(np.float32) / 127.5 - 1.0
    found = [any(np.allclose(image, other, atol=1e-6) for other in real) for image in images]
    assert found == [True] * (16 - generated) + [False] * generated


def test_watching_shows_shares_of_ones_and_mask_values(plasticity):
    method = tiny.dgm(plasticity)
    context_of(method)
    set_embeddings(method, 0)
    shares, values = method.watch({"mask_scale": 2.0})
    for layer in method.networks.generator.masked_layers:
        embedding = np.asarray(layer.embedding)
        assert shares[f"masks/share_of_ones/{layer.name}"] == pytest.approx(np.mean(embedding >= 0))
        np.testing.assert_allclose(values[f"masks/values/{layer.name}"], 1 / (1 + np.exp(-2 * embedding)), rtol=1e-4)
    assert method.watch({})[1] == {}


def test_a_one_hot_code_leaves_room_for_chance():
    method = tiny.dgm()
    context = TaskContext(tiny.task(0, range(16)), (tuple(range(16)),), (32, 32, 1), 0)
    with pytest.raises(UserError, match="latent_size of the generator: expected at least twice the 16 classes"):
        method.begin_task(context)


def test_the_auxiliary_loss_needs_a_class_head_that_learns():
    with pytest.raises(UserError, match="GANSettings.auxiliary_loss"):
        tiny.dgm(
            classifier=ClassifierSettings("none", closing_epochs=1),
            gan=dataclasses.replace(tiny.GAN, auxiliary_loss=True),
        )


@pytest.mark.parametrize(
    "bad",
    [{"generator": "DCGAN"}, {"mask_scale_per_epoch": 0.0}, {"sparsity_weight": -0.1}, {"gan": 3}],
    ids=lambda bad: next(iter(bad)),
)
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"DGM.{next(iter(bad))}: expected"):
        DGM(**bad)


class ReplayWatch(Callback):
    """Keeps what is replayed of the first class after every step."""

    def __init__(self):
        self.images = []

    def on_step_end(self, learner, context, phase):
        if context.index:
            self.images.append(learner.method.replay(LABELS, seed=7))


@pytest.mark.parametrize("plasticity", ["weights", "units"])
def test_training_a_later_task_leaves_replay_bit_for_bit(plasticity):
    classifier = ClassifierSettings(closing_epochs=1, generated_current=0.5)
    learner, watch = Learner(tiny.dgm(plasticity, classifier)), ReplayWatch()
    learner.learn(tiny.task(0))
    before = learner.method.replay(LABELS, seed=7)
    kernels = [layer.kernel.numpy().copy() for layer in learner.method.networks.generator.masked_layers]
    learner.learn(tiny.task(1), (watch,))
    after = learner.method.replay(LABELS, seed=7)
    assert before.std() > 0.0
    for images in (*watch.images, after):
        np.testing.assert_array_equal(images, before)
    assert len(watch.images) == 4 + 4  # steps of the GAN and of the closing phase
    moved = [
        np.any(old != np.asarray(layer.kernel)[tuple(slice(0, n) for n in old.shape)])
        for old, layer in zip(kernels, learner.method.networks.generator.masked_layers, strict=True)
    ]
    assert any(moved)  # the second task did train what the first had left free


class TestDistillation:
    """The classifier of the last task teaches the next one, and is gone when that has learned."""

    @pytest.fixture
    def make(self):
        closing = ClassifierSettings("none", closing_epochs=1)
        return lambda: tiny.dgm(classifier=closing, distillation=Distillation(weight=2.0))

    def test_the_teacher_is_the_last_classifier_and_not_trained(self, make):
        watch = TeacherWatch()
        learner = Learner(make())
        learner.learn(tiny.task(0), (watch,))
        assert watch.weights == [] and "teacher" not in learner.method.networks.by_name()
        last = learner.method.networks.classifier.get_weights()
        learner.learn(tiny.task(1), (watch,))
        for weights in (watch.weights[0], watch.weights[-1]):
            for kept, before in zip(weights, last, strict=True):
                np.testing.assert_array_equal(kept, before)
        assert "teacher" not in learner.method.networks.by_name()

    def test_it_changes_what_is_learned(self, make):
        tasks = [tiny.task(t) for t in range(3)]  # a teacher of a single class has nothing to say
        plain = tiny.dgm(classifier=ClassifierSettings("none", closing_epochs=1))
        taught, labelled = (resuming.learned(method, tasks) for method in (make(), plain))
        images = tasks[0].test.images
        assert np.any(taught.logits(images) != labelled.logits(images))
        np.testing.assert_array_equal(taught.replay(LABELS), labelled.replay(LABELS))

    @pytest.mark.parametrize(("phase", "step"), [(0, 1), (1, 1)])
    def test_a_task_broken_off_goes_on_with_the_teacher(self, make, phase, step):
        resuming.assert_resumes(make(), [tiny.task(0), tiny.task(1)], phase, step)

    def test_it_is_loaded_without_one(self, make, tmp_path):
        resuming.assert_loads(resuming.learned(make(), [tiny.task(0)]), tmp_path, tiny.task(1))

    def test_the_copy_counts_as_remembered(self, make):
        method = resuming.learned(make(), [tiny.task(0)]).method
        assert method.memory_bytes()["classifier copy"] == 4 * method.networks.classifier.count_params()

    def test_it_needs_closing_epochs(self):
        with pytest.raises(UserError, match="DGM.distillation: .*closing_epochs >= 1 with it, got 0"):
            tiny.dgm(distillation=Distillation())


class TeacherWatch(Callback):
    """Keeps the teacher's weights after every step."""

    def __init__(self):
        self.weights = []

    def on_step_end(self, learner, context, phase):
        if learner.method.networks.teacher is not None:
            self.weights.append(learner.method.networks.teacher.get_weights())
