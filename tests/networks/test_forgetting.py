"""Forgetting in a generator with masks, over random histories: the rest is generated to the bit as before.

A history stands for training, as in test_resnet.py.
"""

import functools
import json

import numpy as np
import pytest

from dgm_tf import serialization
from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.networks.dense import DenseGenerator
from dgm_tf.networks.forgetting import shared, without
from dgm_tf.networks.resnet import ResNetGenerator
from tests.networks.test_resnet import train

LATENT, SIZE = 24, 16
TASKS = ((0, 1, 2), (3,), (4, 5), (6,))
MAKE = {
    "dcgan": (DCGANGenerator, (SIZE, SIZE, 3), {"filters": 2}),
    "resnet": (ResNetGenerator, (SIZE, SIZE, 3), {"filters": 3}),
    "dense": (DenseGenerator, (3,), {"units": (6, 5)}),
}
KINDS = {
    "codes": {},
    "outputs": {"output_per": "class"},
    "embedding": {"conditioning": "embedding"},
    "both": {"conditioning": "embedding", "output_per": "class"},
}


def learn(generator, rng, classes):
    """The generator behind another task of so many classes."""
    generator = generator.for_classes(classes)
    if not generator.output_layer.use_bias:  # so that a history serves both networks
        generator.output_layer.bias = generator.output_layer.kernel
    train(generator, rng, 0.3)
    generator.reserve()
    return generator.grow()


@functools.cache
def learned(network, kind):
    """A generator behind all tasks; nobody changes it."""
    network, plasticity = network.split()
    make, shape, settings = MAKE[network]
    rng, settings = np.random.default_rng(0), settings | KINDS[kind]
    generator = make(image_shape=shape, plasticity=plasticity, latent_size=LATENT, **settings)
    for classes in TASKS:
        generator = learn(generator, rng, len(classes))
    return generator


@pytest.fixture(params=[f"{name} {plasticity}" for name in MAKE for plasticity in ("weights", "units")])
def network(request):
    return request.param


def replayed(generator, tasks, labels=None):
    """Images of each class of the tasks, two of each, by label."""
    labels = [label for task in tasks for label in task] if labels is None else labels
    memory = GeneratorMemory(generator, tasks, generator.number_of)
    images = memory.replay(np.repeat(labels, 2), 5)
    return images.reshape(len(labels), 2, *images.shape[1:])


def remaining(tasks, gone):
    found, count = [], 0
    for task in tasks:
        kept = sum(label not in gone for label in task)
        if kept:
            found.append(tuple(range(count, count + kept)))
            count += kept
    return found


def check_rest(old, gone):
    """Checks what is left of classes; returns it with its tasks."""
    kept = [label for task in TASKS for label in task if label not in gone]
    before, tasks = replayed(old, TASKS, kept), remaining(TASKS, gone)
    assert np.ptp(before) > 0.1
    new = without(old, TASKS, gone, 0)
    np.testing.assert_array_equal(replayed(new, tasks), before)
    return new, tasks


@pytest.mark.parametrize("gone", [(3,), (0,), (5,), (0, 1, 2), (1, 3, 4), (6,)])
def test_the_rest_is_generated_to_the_bit_as_before(network, gone):
    check_rest(learned(network, "codes"), gone)


@pytest.mark.parametrize("kind", ["outputs", "embedding", "both"])
def test_also_where_outputs_or_codes_are_of_one_class(network, kind):
    check_rest(learned(network, kind), (1, 3))


@pytest.mark.parametrize("kind", ["codes", "both"])
def test_also_ever_after(network, kind):
    new, tasks = check_rest(learned(network, kind), (0, 1, 3, 4, 6))
    before, tasks = replayed(new, tasks), [*tasks, (2, 3)]
    loaded = serialization.network_from_json(json.loads(json.dumps(serialization.network_to_json(new))))
    for one, other in zip(loaded.weights, new.weights, strict=True):
        one.assign(other)
    np.testing.assert_array_equal(replayed(loaded, tasks[:2]), before)
    grown = learn(new, np.random.default_rng(9), 2)
    np.testing.assert_array_equal(replayed(grown, tasks, [0, 1]), before)
    later = replayed(grown, tasks, [1, 3])
    again = without(grown, tasks, (0, 2), 0)
    np.testing.assert_array_equal(replayed(again, [(0,), (1,)]), later)


def test_nothing_is_left_that_a_forgotten_task_alone_had(network):
    old = learned(network, "both")
    new = without(old, TASKS, (3,), 0)
    assert new.num_tasks == old.num_tasks - 1 and new.classes == [3, 2, 1, 1]
    assert [new.number_of(task) for task in range(4)] == [0, 2, 3, 4]
    names = lambda weights: {(w.path, tuple(w.shape)) for w in weights}  # noqa: E731
    assert len(names(new.weights)) == len(new.weights) < len(old.weights)
    norm = old.norms[0].task_values(1)
    assert not any(np.isin(norm, np.asarray(w)).any() for w in new.norms[0].weights)
    assert not any(np.isin(old.codes.task_table(1), np.asarray(w)).any() for w in new.codes.weights)
    kernel = old.output_layer.task_kernel(1)
    assert not any(np.isin(kernel, np.asarray(w)).any() for w in new.output_layer.weights)
    for layer, before in zip(new.masked_layers, old.masked_layers, strict=True):
        others = np.any([before.earlier_mask(1), *(_task(before, task) for task in (2, 3))], axis=0)
        np.testing.assert_array_equal(np.asarray(layer.reserved) == 1, others)
        same = np.asarray(layer.kernel) == np.asarray(before.kernel)
        if layer.plasticity == "weights":
            np.testing.assert_array_equal(same, others)
        assert not same.all()


def _task(layer, task):
    mask = np.zeros(layer.reserved.shape, bool)
    own = layer.task_mask(task)
    mask[tuple(map(slice, own.shape))] = own
    return mask


@pytest.mark.parametrize("kind", ["codes", "both"])
def test_of_several_classes_the_output_and_the_code_of_one_are_gone(network, kind):
    old = learned(network, kind)
    new = without(old, TASKS, (1,), 0)
    assert new.num_tasks == old.num_tasks
    if kind == "both":
        assert not new.codes.task_table(0)[1].any() and new.codes.task_table(0)[[0, 2]].all()
        kernel = new.output_layer
        kernel = np.moveaxis(kernel.task_kernel(0), kernel.kernel_shape(-1, -2).index(-2), 0)
        assert not kernel[3:6].any() and kernel[:3].all() and kernel[6:].all()
        assert not new.output_layer.use_bias or not new.output_layer.task_bias(0)[3:6].any()
    else:
        first, before = new.masked_layers[0], old.masked_layers[0]
        axis = first.kernel_shape(-1, -2).index(-1)
        kernels = [np.moveaxis(np.asarray(layer.kernel), axis, 0) for layer in (first, before)]
        same = kernels[0] == kernels[1]
        assert same[0].any() and same[LATENT - 1].any()
        assert not same[1].any(), "no task reads the class's entry of z"
        if network.startswith("dense"):  # whose output layer reads z, too
            rows = new.output_layer.task_kernel(0)[-LATENT:]
            assert not rows[1].any() and rows[[0, 2]].all()


def test_free_capacity_stays_that_of_the_first_task(network):
    old = learned(network, "codes")
    sizes = {layer.name: layer.initial_size for layer in old.masked_layers}
    new = without(old, TASKS, (0, 1, 2, 3), 0)
    assert all(new.free_capacity()[name] >= count for name, count in old.free_capacity().items())
    rng = np.random.default_rng(1)
    for _ in range(2):
        assert sizes.items() <= {layer.name: layer.initial_size for layer in new.masked_layers}.items()
        new = learn(new, rng, 1)


def test_weights_that_are_drawn_anew_follow_from_the_seed(network):
    old = learned(network, "codes")
    one, same, other = (without(old, TASKS, (3,), seed) for seed in (0, 0, 1))
    kernels = [np.asarray(new.masked_layers[0].kernel) for new in (one, same, other)]
    np.testing.assert_array_equal(kernels[0], kernels[1])
    assert (kernels[0] != kernels[2]).any()


def test_what_later_tasks_build_upon_is_told(network):
    old = learned(network, "codes")
    assert 0.0 < shared(old, TASKS, (0, 1, 2)) + shared(old, TASKS, (3,)) < 2.0
    assert shared(old, TASKS, (6,)) == 0.0, "nothing was learned after it"
    assert shared(old, TASKS, (4,)) == 0.0, "its task stays"
    assert shared(old, TASKS, (3, 4, 5, 6)) == 0.0
