"""Trains the same steps on one and on two logical CPU devices; prints the largest differences as JSON.

Run by test_distribution.py in a process of its own: logical devices are configured before TensorFlow starts.
"""

import json

import keras
import numpy as np
import tensorflow as tf

from dgm_tf.data.arrays import Split
from dgm_tf.data.stream import Task
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM, MaskRules
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.methods.synaptic_intelligence import SynapticIntelligence as PI
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.training import task_size
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierPhase, ClassifierSettings, check_batch_size
from dgm_tf.training.distribution import apply_mean_gradients, make_strategy
from dgm_tf.training.gan import GANPhase, GANSettings
from dgm_tf.training.optimizer import make_adam
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import replica_slice, seeded_initializers
from tests.training.test_optimizer import SIZES, steps_of_pytorch, ten_gradients

RATE = 1e-3
GAN = GANSettings(epochs=1, batch_size=8, generator_learning_rate=RATE, discriminator_learning_rate=RATE)


def images_of(label, count=16):
    rng = np.random.default_rng(label)
    images = rng.integers(0, 256, (count, 32, 32, 1)).astype(np.uint8)
    return images, np.full(count, label, np.int32)


def networks_after_phases():
    """Two GAN steps (three classifier updates each) of DGMw on a third task, then two classifier steps."""
    with seeded_initializers(0, "two devices"):
        generator = DCGANGenerator(plasticity="weights", filters=2)
        discriminator = DCGANDiscriminator(num_classes=3, filters=(2, 4, 8))
    pool = Pool([images_of(0), images_of(1)], images_of(2))
    rules = MaskRules(generator, 3, 0.08, 100.0)
    settings = ClassifierSettings(augmentation=Augmentation())
    gan = GANPhase(rules, discriminator, pool, *task_size.settled(GAN, settings, [1]), seed=0)
    closing = ClassifierPhase(discriminator, pool, 1, 8, RATE, 0, Augmentation())
    metrics = [phase.step(i) for phase in (gan, closing) for i in range(2)]
    variables = generator.weights + discriminator.weights + gan.variables() + closing.variables()
    weights = {f"{i}/{v.path}": v.numpy().copy() for i, v in enumerate(variables)}
    return weights | {f"{k}/{i}": np.array(v) for i, m in enumerate(metrics) for k, v in m.items()}


class TinyGenerator(DCGANGenerator):
    def __init__(self, plasticity="units", filters=2, **kwargs):
        super().__init__(plasticity=plasticity, filters=filters, **kwargs)


class TinyDiscriminator(DCGANDiscriminator):
    def __init__(self, filters=(2, 4, 8), **kwargs):
        super().__init__(filters=filters, **kwargs)


def learner_after_two_tasks():
    """DGMa through growth: weights of the network that follows two tasks, and what it replays of both."""
    method = DGM(TinyGenerator, TinyDiscriminator, GAN, sparsity_weight=0.01, mask_scale_per_epoch=100.0)
    learner = Learner(method, seed=0)
    for label in range(2):
        split = Split(*images_of(label, 8))
        learner.learn(Task(label, (label,), (str(label),), split, split, split))
    return learner.arrays() | {"replay": method.replay([0, 1] * 4)}


def regularized_after_two_tasks():
    """Classifiers held by importances, path integrals and online Fisher included: all that they keep."""
    arrays = {}
    for method, settings in ((EWC, {"fisher_images": 4}), (RWalk, {"interval": 2, "damping": 1.0}), (PI, {})):
        learner = Learner(method(TinyDiscriminator, epochs=2, batch_size=8, learning_rate=RATE, **settings), seed=0)
        for task in range(2):
            pairs = [images_of(label, 8) for label in (2 * task, 2 * task + 1)]
            split = Split(*(np.concatenate(parts) for parts in zip(*pairs, strict=True)))
            classes = (2 * task, 2 * task + 1)
            learner.learn(Task(task, classes, tuple(map(str, classes)), split, split, split))
        arrays |= {f"{method.__name__}/{key}": array for key, array in learner.arrays().items()}
    return arrays


def adam_by_hand():
    """How far ten steps of Adam on this strategy's replicas end from PyTorch's rule in double precision."""
    strategy, variable = tf.distribute.get_strategy(), keras.Variable(np.zeros(len(SIZES)), dtype="float32")
    optimizer = make_adam(2e-3, [variable])

    def on_replica(gradient):
        index = tf.distribute.get_replica_context().replica_id_in_sync_group
        apply_mean_gradients(optimizer, [gradient * (0.5 + tf.cast(index, tf.float32))], [variable])

    step = tf.function(lambda gradient: strategy.run(on_replica, (gradient,)))
    for gradient in ten_gradients():
        step(tf.constant(gradient))
    expected = steps_of_pytorch(ten_gradients(), 2e-3, 0.5, 0.999)[-1]
    copies = strategy.experimental_local_results(variable.value)
    return max(float(np.abs(copy.numpy() - expected).max()) for copy in copies)


TRAININGS = {
    "phases": networks_after_phases, "learner": learner_after_two_tasks, "regularized": regularized_after_two_tasks
}  # fmt: skip


def noise_of_replicas(strategy):
    def draw():
        return replica_slice(tf.random.stateless_normal([8], [1, 2]))

    return np.concatenate([np.array(part) for part in strategy.experimental_local_results(strategy.run(draw))])


def largest_difference(ours, theirs):
    if ours.keys() != theirs.keys():
        raise AssertionError(f"expected the same arrays, got {sorted(ours.keys() ^ theirs.keys())}")
    return {k: float(np.abs(ours[k].astype(np.float64) - theirs[k]).max(initial=0.0)) for k in ours}


def smooth_activations():
    """At a kink a rounding error changes the gradient by a finite amount; without kinks it stays a rounding error."""
    tf.nn.relu, tf.nn.leaky_relu = tf.nn.softplus, lambda x, slope: tf.nn.silu(x)


def main():
    smooth_activations()
    cpu = tf.config.list_physical_devices("CPU")[0]
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    one, two = make_strategy("none"), make_strategy("mirrored")
    report = {"replicas": two.num_replicas_in_sync}
    for name, train in TRAININGS.items():
        results = []
        for strategy in (one, two):
            with strategy.scope():
                results.append(train())
        report[name] = largest_difference(*results)
    report["noise"] = (noise_of_replicas(two) - tf.random.stateless_normal([8], [1, 2]).numpy()).tolist()
    with two.scope():
        report["adam"] = adam_by_hand()
        try:
            check_batch_size(7)
        except UserError as error:
            report["odd batch"] = str(error)
    print(json.dumps(report))


if __name__ == "__main__":
    main()
