"""DGM forgets classes: the rest is replayed to the bit as before, and a new classifier learns from that alone.

Before that, random weights and masks stand for training.
"""

import numpy as np
import pytest

import dgm_tf
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.methods.real_replay import RealReplay
from dgm_tf.training.classifier import ClassifierPhase, ClassifierSettings
from dgm_tf.training.gan import GANSettings
from dgm_tf.training.loop import Callback, Position
from tests.methods import tiny

TASKS = ((0, 1), (2,), (3,))
IMAGES = tiny.task(0, range(4)).test.images
CLOSING = ClassifierSettings("none", closing_epochs=2)


def randomized(method, context):
    """In the place of `DGM.phases`: nothing is trained."""
    generator = tiny.randomize(method.networks.generator, context.index)
    for layer in generator.masked_layers:
        layer.embedding.assign(np.random.default_rng(context.index).normal(size=layer.embedding.shape))
    return []


def learned(method, tasks=TASKS, **settings):
    learner = Learner(method, seed=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DGM, "phases", randomized)
        for index, classes in enumerate(tasks):
            learner.learn(tiny.task(index, classes, **settings))
    return learner


@pytest.fixture(scope="module", params=["weights", "units"])
def saved(request, tmp_path_factory):
    """A saved learner of four classes; load it."""
    folder = tmp_path_factory.mktemp(request.param)
    learned(tiny.dgm(request.param, CLOSING)).save(folder)
    return folder


class Seen(Callback):
    """The phases of forgetting, and their pools."""

    def __init__(self):
        self.phases = []

    def on_phase_begin(self, learner, context, phase):
        self.phases.append((context.title, type(phase), phase.epochs, len(phase.pool), set(phase.pool.labels)))


@pytest.mark.parametrize("gone", [(2,), (0,), (0, 1), (1, 3)])
def test_the_rest_is_replayed_as_before_and_nothing_else_is_learned(saved, gone, tmp_path):
    learner, kept = dgm_tf.load(saved), [label for label in range(4) if label not in gone]
    before, seen = learner.replay(np.repeat(kept, 3), seed=4), Seen()
    learner.forget([f"class {label}" for label in gone], [seen])
    assert learner.class_names == [f"class {label}" for label in kept]
    labels = np.repeat(range(len(kept)), 3)
    np.testing.assert_array_equal(learner.replay(labels, seed=4), before)
    assert seen.phases == [("the other classes", ClassifierPhase, 2, 16 * len(kept), set(range(len(kept))))]
    assert learner.logits(IMAGES).shape == (len(IMAGES), len(kept))
    learner.save(tmp_path)
    loaded = dgm_tf.load(tmp_path)
    np.testing.assert_array_equal(loaded.replay(labels, seed=4), before)
    np.testing.assert_array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DGM, "phases", lambda method, context: [])
        loaded.learn(tiny.task(loaded.num_tasks, (len(kept),)))
    np.testing.assert_array_equal(loaded.replay(labels, seed=4), before)


def test_it_repeats_to_the_bit_and_the_classifier_is_a_new_one(saved):
    learners = [dgm_tf.load(saved) for _ in range(2)]
    before = learners[0].arrays()
    position = learners[0].position
    for learner in learners:
        learner.forget(["class 2"])
    one, other = (learner.arrays() for learner in learners)
    assert all(np.array_equal(one[name], other[name]) for name in one | other)
    kernel = "discriminator/0000/kernel"
    assert np.mean(one[kernel] == before[kernel]) < 0.01
    assert learners[0].position.global_step == position.global_step and learners[0].num_tasks == 2


def test_a_failed_forget_leaves_the_learner_as_it_was(saved):
    class Failing(Callback):
        def on_step(self, learner, context, phase, step, metrics):
            if step == 2:
                raise KeyboardInterrupt

    learner = dgm_tf.load(saved)
    before, arrays, position = learner.replay([0, 2, 3]), learner.arrays(), learner.position
    with pytest.raises(KeyboardInterrupt):
        learner.forget(["class 1"], [Failing()])
    assert len(learner.class_names) == 4 and learner.position == position
    assert all(np.array_equal(array, arrays[name]) for name, array in learner.arrays().items())
    np.testing.assert_array_equal(learner.replay([0, 2, 3]), before)
    learner.forget(["class 1"])
    np.testing.assert_array_equal(learner.replay([0, 1, 2]), before)


def test_what_stays_is_said(saved):
    (told,) = dgm_tf.load(saved).method.remains([0], TASKS)
    assert "batch statistics stay of a task of several classes" in told
    assert dgm_tf.load(saved).method.remains([3], TASKS) == []
    (told,) = dgm_tf.load(saved).method.remains([0, 1], TASKS)
    assert "% of the generator's weights that were trained for the forgotten tasks stay" in told


def test_without_closing_epochs_it_learns_as_long_as_beside_the_gan():
    learner, seen = learned(tiny.dgm()), Seen()
    learner.forget(["class 3"], [seen])
    ((_, _, epochs, count, _),) = seen.phases
    assert (epochs, count) == (tiny.GAN.epochs, 3 * 16)


def test_as_many_images_are_replayed_as_classes_had_or_the_least():
    learner, seen = learned(tiny.dgm(classifier=ClassifierSettings("none", closing_epochs=1))), Seen()
    learner.method.restore_arrays({"train_counts": np.array([4, 8, 10, 30])})
    learner.forget(["class 3"], [seen])
    learner.method.settings = ClassifierSettings("none", closing_epochs=1, min_replay_per_class=9)
    learner.forget(["class 2"], [seen])
    assert [count for _, _, _, count, _ in seen.phases] == [3 * 7, 2 * 9]
    assert learner.method.arrays()["train_counts"].tolist() == [4, 8]


def test_the_memory_of_an_earlier_version_forgets_too(saved):
    learner, seen = dgm_tf.load(saved), Seen()
    learner.method.restore_arrays({})
    learner.method.settings = ClassifierSettings("none", closing_epochs=1)
    learner.method.gan = GANSettings(epochs=2, batch_size=500)
    learner.forget(["class 0", "class 1", "class 3"], [seen])
    assert seen.phases[0][3] == 1000
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DGM, "phases", randomized)
        learner.learn(tiny.task(1, (1,)))
    assert learner.method.arrays()["train_counts"].tolist() == [0, 16]


def test_stored_real_images_of_the_class_go():
    learner = learned(tiny.dgm(classifier=CLOSING, real=RealReplay(ratio=0.5)))
    before = learner.method.arrays()
    learner.forget(["class 1"])
    after = learner.method.arrays()
    kept = [before[f"exemplars/{label:04d}"] for label in (0, 2, 3)]
    assert sorted(name for name in after if name.startswith("exemplars")) == [f"exemplars/{i:04d}" for i in range(3)]
    assert all(np.array_equal(after[f"exemplars/{i:04d}"], images) for i, images in enumerate(kept))


def test_icarl_has_no_exemplar_mean_or_output_of_the_class_and_answers_as_before_without_it(tmp_path):
    learner = learned(ICaRL(tiny.Discriminator, epochs=1, batch_size=8, budget=12))
    logits, head = learner.logits(IMAGES), learner.method.readings(IMAGES)["head"]
    kept = [0, 2, 3]
    (stays,) = learner.forget(["class 1"])
    assert "may hold traces" in stays
    np.testing.assert_allclose(learner.logits(IMAGES), logits[:, kept], atol=1e-6)
    np.testing.assert_allclose(learner.method.readings(IMAGES)["head"], head[:, kept], atol=1e-6)
    assert learner.method.exemplars.classes == [0, 1, 2] and len(learner.method.exemplars) == 9
    learner.save(tmp_path)
    loaded = dgm_tf.load(tmp_path)
    np.testing.assert_array_equal(loaded.logits(IMAGES), learner.logits(IMAGES))
    loaded.learn(tiny.task(3, (3,)))
    assert loaded.method.exemplars.classes == [0, 1, 2, 3]


@pytest.mark.parametrize("name", [*tiny.SHARED, "joint"])
def test_others_say_why_they_cannot_and_what_to_do(name):
    joint = JointTraining(tiny.Discriminator, epochs=1, batch_size=8)
    learner = Learner(joint if name == "joint" else tiny.SHARED[name]())
    learner.class_names, learner.task_classes, learner.position = ["class 0", "class 1"], [(0, 1)], Position(1)
    reason = "on the images of all classes at once" if name == "joint" else "one generator makes the images of all"
    with pytest.raises(UserError, match=f"cannot take a class out: .*{reason}.*; train again without it. ClosedForm"):
        learner.forget(["class 1"])
    assert len(learner.class_names) == 2
