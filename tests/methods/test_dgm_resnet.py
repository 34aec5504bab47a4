"""DGM with the ResNet generator, and uneven tasks of several classes: real training steps, resume, save, export.

The ResNet discriminator, whose step takes long to trace, is trained where the shipped gin files are run.
"""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf import export
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner, load
from dgm_tf.methods.dgm import DGM
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.networks.resnet import ResNetGenerator
from dgm_tf.registry import register
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.loop import Callback
from tests.methods import resuming, tiny

SHAPE = (16, 16, 3)
TASKS = ((0, 1), (2, 3, 4), (5,))


@register
class ResNetWeights(ResNetGenerator):
    """DGMw's."""

    def __init__(self, image_shape=SHAPE, plasticity="weights", filters=2, latent_size=12, **kwargs):
        super().__init__(image_shape, plasticity, filters, latent_size, **kwargs)


@register
class ResNetUnitsPerClass(ResNetGenerator):
    """DGMa's, with all that can be per class."""

    def __init__(
        self, image_shape=SHAPE, plasticity="units", filters=3, latent_size=12, output_per="class",
        conditioning="embedding", **kwargs,
    ):  # fmt: skip
        super().__init__(
            image_shape, plasticity, filters, latent_size, output_per=output_per, conditioning=conditioning, **kwargs
        )


@register
class DCGANPerClass(DCGANGenerator):
    """DGMw's, with all that can be per class."""

    def __init__(
        self, image_shape=SHAPE, plasticity="weights", filters=2, latent_size=12, output_per="class",
        conditioning="embedding", **kwargs,
    ):  # fmt: skip
        super().__init__(
            image_shape, plasticity, filters, latent_size, output_per=output_per, conditioning=conditioning, **kwargs
        )


@register
class DCGANOneHot(DCGANPerClass):
    """With the paper's code."""

    def __init__(self, conditioning="one_hot", **kwargs):
        super().__init__(conditioning=conditioning, **kwargs)


@register
class Critic(DCGANDiscriminator):
    """As small as it gets."""

    def __init__(self, image_shape=SHAPE, num_classes=1, filters=(2, 3)):
        super().__init__(image_shape, num_classes, filters)


def dgm(generator):
    """Large steps, so that few of them are seen; the class head learns beside the generator and is asked by it."""
    gan = dataclasses.replace(tiny.LARGE_STEPS, epochs=1, auxiliary_loss=True)
    settings = ClassifierSettings("constant")
    return DGM(generator, Critic, gan=gan, settings=settings, sparsity_weight=0.05, mask_scale_per_epoch=50.0)


def task(index):
    return tiny.task(index, TASKS[index], per_class=8, shape=SHAPE)


class Watch(Callback):
    """Keeps what is replayed of the classes of ended tasks before the task and after every step of it."""

    def __init__(self):
        self.images = {}

    def _see(self, learner, context):
        if context.earlier_classes:
            replayed = learner.method.replay(context.earlier_classes, seed=7)
            self.images.setdefault(context.index, []).append(replayed)

    def on_task_begin(self, learner, context):
        self._see(learner, context)

    def on_step_end(self, learner, context, phase):
        self._see(learner, context)


def kernels(learner):
    return {layer.name: layer.kernel.numpy().copy() for layer in learner.method.networks.generator.masked_layers}


@pytest.mark.parametrize(("generator", "num_tasks"), [(ResNetWeights, 2), (ResNetUnitsPerClass, 2), (DCGANPerClass, 3)])
def test_uneven_tasks_are_learned_and_replay_stays_bit_for_bit(generator, num_tasks):
    learner, watch = Learner(dgm(generator)), Watch()
    for index in range(num_tasks):
        before = kernels(learner) if index else {}
        outcome = learner.learn(task(index), (watch,))
        assert outcome["replay_drift"] == 0.0
        assert all({"free", "aligned"} <= set(row) for row in outcome["capacity"]["layers"].values())
        after = kernels(learner)
        moved = [np.any(k != after[name][tuple(slice(0, n) for n in k.shape)]) for name, k in before.items()]
        assert not index or any(moved)  # the task did train what the others had left free
    for index, (first, *later) in watch.images.items():
        later.append(learner.method.replay(sum(TASKS[:index], ()), seed=7))
        assert np.ptp(first) > 0.0 and len(later) >= 2
        for images in later:
            np.testing.assert_array_equal(images, first)


def test_it_is_resumed_loaded_and_exported(tmp_path):
    learner, snapshot = Learner(dgm(ResNetUnitsPerClass)), resuming.Snapshot((1, 0, 2))
    for index in range(2):
        learner.learn(task(index), (snapshot,))
    taken_up = Learner.from_state(*snapshot.state)
    taken_up.learn(task(1))
    resuming.assert_same(taken_up, learner, task(0).test.images)
    learner.save(tmp_path)
    resuming.assert_same(load(tmp_path), learner, task(0).test.images)
    _check_export(learner, tmp_path)


def _check_export(learner, folder):
    """Its images are the learner's, and it holds all it needs."""
    export.export(learner, folder)
    generator = tf.saved_model.load(str(folder / "generator"))
    labels = np.array([2, 0, 4, 2], np.int32)
    z = (
        np.random.default_rng(0)
        .normal(size=(len(labels), learner.method.networks.generator.latent_size))
        .astype(np.float32)
    )
    images = generator.generate(labels, z).numpy()
    for row, label in enumerate(labels):
        of_task = next(i for i, classes in enumerate(TASKS) if label in classes)
        latents = learner.method.memory.latents(of_task, z[row : row + 1], labels[row : row + 1])
        np.testing.assert_allclose(learner.method.memory.generate(of_task, latents)[0], images[row], atol=1e-5)


def test_what_is_kept_of_many_classes_comes_back(tmp_path):
    learner = Learner(dgm(DCGANOneHot))
    learner.learn(task(0))
    memory = learner.method.networks.generator
    assert memory.classes == [2, 2] and memory.output_layer.task_kernel(0).shape[-2] == 2 * 3
    resuming.assert_loads(learner, tmp_path, task(1))
    assert learner.method.networks.generator.classes == [2, 3, 3]


def test_the_replay_set_is_per_class():
    learner, sets = Learner(dgm(DCGANPerClass)), []
    learner.learn(task(0))

    class See(Callback):
        def on_task_begin(self, learner, context):
            sets.extend(learner.method.replayed(context))

    learner.learn(task(1), (See(),))
    ((images, labels),) = sets
    np.testing.assert_array_equal(np.bincount(labels), [8, 8])  # as many as the present classes have each
    assert images.shape == (16, *SHAPE)


def test_learned_codes_take_any_number_of_classes():
    many = tiny.task(0, tuple(range(7)), per_class=2, shape=SHAPE)
    with pytest.raises(UserError, match="latent_size .* at least twice the 7 classes, .* got 12; .*'embedding'"):
        Learner(dgm(DCGANOneHot)).learn(many)
    learner = Learner(dgm(DCGANPerClass))
    learner.learn(many)
    assert learner.method.networks.generator.codes.task_table(0).shape == (7, 3)
