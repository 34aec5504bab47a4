"""What EWC-M, MeRGAN and DGR share: two generators in a task, one between tasks; exact resume, load and export."""

import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf import serialization
from dgm_tf.export import export
from dgm_tf.learner import Learner
from dgm_tf.training.loop import Callback
from tests.methods import tiny

TASKS = (tiny.task(0, (0, 1)), tiny.task(1, (2,)))
LABELS = np.array([0, 1, 0], np.int32)
# Where each is resumed. EWC-M measures importances after the GAN phase; DGR's second phase has a network of its own.
MOMENTS = {
    "ewc_m": ("gan", "classifier", "end"),
    "mergan_jtr": ("gan",),
    "mergan_ra": ("gan",),
    "dgr": ("gan", "classifier"),
}


class Snapshots(Callback):
    """Keeps the state after the second step of each phase of the second task, and what is replayed at every step."""

    def __init__(self):
        self.states, self.replayed = {}, []

    def on_step_end(self, learner, context, phase):
        if context.index:
            self.replayed.append(learner.method.replay(LABELS, seed=3))
            if learner.position.step == 2:
                self.keep(learner, phase.name, phase.variables())

    def on_phases_end(self, learner, context):
        if context.index:
            self.keep(learner, "end", [])

    def keep(self, learner, name, variables):
        arrays = learner.arrays() | serialization.to_arrays("phase", variables)
        self.states[name] = learner.description(), {k: np.array(v) for k, v in arrays.items()}


@pytest.fixture(scope="module", params=tiny.SHARED)
def learned(request, tmp_path_factory):
    """(name, learner of two tasks, images of the first classes before the second, snapshots, folder after task 1)."""
    learner, snapshots = Learner(tiny.SHARED[request.param](), seed=5), Snapshots()
    learner.learn(TASKS[0])
    before, folder = learner.method.replay(LABELS, seed=3), tmp_path_factory.mktemp(request.param)
    learner.save(folder)
    learner.learn(TASKS[1], (snapshots,))
    return request.param, learner, before, snapshots, folder


def assert_same(one, other):
    """The same weights, answers and memories, to the bit."""
    arrays, others = one.arrays(), other.arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)
    labels = [0, 2, 1, 0]
    np.testing.assert_array_equal(one.replay(labels, seed=3), other.replay(labels, seed=3))
    assert one.description() == other.description()


def test_a_task_that_was_broken_off_ends_the_same(learned):
    name, learner, _, snapshots, _ = learned
    for moment in MOMENTS[name]:
        resumed = Learner.from_state(*snapshots.states[moment])
        resumed.learn(TASKS[1])
        assert_same(resumed, learner)


def test_a_loaded_learner_is_the_saved_one(learned):
    _, _, before, _, folder = learned
    np.testing.assert_array_equal(dgm_tf.load(folder).method.replay(LABELS, seed=3), before)


def test_in_a_task_the_memory_replays_and_at_its_end_the_student_is_the_memory(learned):
    name, learner, before, snapshots, _ = learned
    for images in snapshots.replayed:
        np.testing.assert_array_equal(images, before)
    assert len(snapshots.replayed) > 4
    assert np.abs(learner.method.replay(LABELS, seed=3) - before).max() > 1e-2
    assert not learner.method.replay_is_frozen and learner.method.networks.student is None
    assert (
        {"generator", "discriminator"}
        <= set(learner.method.networks.by_name())
        <= {"generator", "discriminator", "critic"}
    )


def test_replay_gives_images_by_label(learned):
    learner = learned[1]
    images = learner.replay([2, 0, 1, 2], seed=3)
    assert images.shape == (4, 32, 32, 1) and images.dtype == np.uint8 and images.std() > 0
    assert not np.array_equal(images, learner.replay([2, 0, 1, 2], seed=4))
    np.testing.assert_array_equal(learner.method.replay(LABELS), learner.method.replay(LABELS, seed=0))
    assert learner.replay([]).shape == (0, 32, 32, 1)


def test_what_is_remembered_is_counted(learned):
    name, learner, _, _, _ = learned
    sizes = learner.method.memory_bytes()
    assert sizes["generator"] == sizes["generator copy"] == 4 * learner.method.networks.generator.count_params()
    own = {"ewc_m": {"importances"}, "dgr": {"critic", "solver copy"}}.get(name, set())
    assert set(sizes) == {"generator", "generator copy"} | own and all(sizes.values())


def test_an_export_does_what_the_learner_does(learned, tmp_path):
    _, learner, _, _, _ = learned
    memory, folder = learner.method.memory, tmp_path / "export"
    sizes = export(learner, folder)
    generator = tf.saved_model.load(str(folder / "generator"))
    labels = np.array([2, 0, 1, 0], np.int32)
    z = np.random.default_rng(1).normal(size=(4, 8)).astype(np.float32)
    made = generator.generate(labels, z)
    np.testing.assert_allclose(made, memory.generate(1, memory.latents(1, z, labels)), atol=1e-5)
    sampled = generator.sample(labels, [5, 6])
    drawn = memory.draw(tf.constant(labels), tf.constant([5, 6]))
    np.testing.assert_allclose(sampled, memory.generate(1, memory.latents(1, drawn, labels)), atol=1e-5)
    # The generator is there once, not once a task.
    weights = sum(int(np.prod(v.shape)) for v in memory.generator.weights)
    weights += sum(int(np.prod(v.shape)) for network in memory.selectors for v in network.weights)
    assert sizes["generator"] < 4 * weights + 400_000
    with pytest.raises(tf.errors.InvalidArgumentError, match="labels: expected values from 0 to 2"):
        generator.sample([3], [0, 0])
