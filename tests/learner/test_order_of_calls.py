"""What is replayed, answered and exported follows from the arguments alone, whatever a process did before."""

import hashlib
import tempfile

import numpy as np
import pytest

import dgm_tf
from dgm_tf.export.modules import ClassifierModule, GeneratorModule
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.networks.resnet import ResNetGenerator
from dgm_tf.registry import register
from tests import fresh_process
from tests.methods import tiny

TASKS = ((0,), (1, 2, 3), (4, 5))
LABELS = {"of one class": [0], "of a task": [1, 2, 3] * 3, "of the last": [5] * 7, "of all": list(range(6)) * 6}
ORDERS = range(3)


@register
class PerClass(ResNetGenerator):
    """DGMa's ResNet, with all that can be per class."""

    def __init__(
        self, image_shape=(32, 32, 1), plasticity="units", filters=3, latent_size=12, output_per="class",
        conditioning="embedding", **kwargs,
    ):  # fmt: skip
        super().__init__(
            image_shape, plasticity, filters, latent_size, output_per=output_per, conditioning=conditioning, **kwargs
        )


METHODS = {
    "DGMw": tiny.dgm,
    "DGMa": lambda: tiny.dgm("units"),
    "DGMa with a ResNet": lambda: DGM(PerClass, tiny.Discriminator),
    "MeRGAN-RA": lambda: tiny.mergan("replay_alignment"),
    "iCaRL": lambda: ICaRL(tiny.Discriminator, budget=12),
}


def _learner(name):
    """One that went through the tasks without training; its weights are random, most of each mask is ones."""
    method, rng = METHODS[name](), np.random.default_rng(0)

    def randomized(context):
        for network in method.networks.by_name().values():
            for variable in network.trainable_variables:
                is_mask = variable.name == "embedding"
                values = rng.uniform(-1.0, 3.0, variable.shape) if is_mask else rng.normal(0.0, 0.3, variable.shape)
                variable.assign(values)
        return []

    method.phases, learner = randomized, Learner(method)
    for index, classes in enumerate(TASKS):
        learner.learn(tiny.task(index, classes, per_class=4))
    return learner


def save_all(folder):
    """Saves a learner of each method."""
    for name in METHODS:
        _learner(name).save(folder / name)


def _replay(learner, labels):
    return learner.method.replay(LABELS[labels], seed=3)


def _reloaded(learner):
    with tempfile.TemporaryDirectory() as folder:
        learner.save(folder)
        return dgm_tf.load(folder).logits(_images(30))


def _sampled(learner):
    return GeneratorModule(learner).sample(LABELS["of all"], [1, 2])


def _classified(learner):
    return ClassifierModule(learner).classify(_images(9))["logits"]


def _images(count):
    return np.random.default_rng(count).integers(0, 256, (count, 32, 32, 1)).astype(np.uint8)


def _calls(learner):
    """{what is called: function}."""
    calls = {f"logits of {n}": lambda n=n: learner.logits(_images(n)) for n in (1, 30)}
    calls |= {"classifier's export": lambda: _classified(learner), "logits when loaded": lambda: _reloaded(learner)}
    if learner.method.replays:
        calls |= {f"replay {labels}": lambda labels=labels: _replay(learner, labels) for labels in LABELS}
        calls["generator's export"] = lambda: _sampled(learner)
    return calls


def answers(folder, order):
    """{(method, call): digests of its answers, when called twice}; the calls come in a random order."""
    learners = {name: dgm_tf.load(folder / name) for name in METHODS}
    calls = {(name, call): function for name in METHODS for call, function in _calls(learners[name]).items()}
    keys, digests = [*calls, *calls], {key: [] for key in calls}
    for i in np.random.default_rng(order).permutation(len(keys)):
        digests[keys[i]].append(hashlib.sha256(np.ascontiguousarray(calls[keys[i]]())).hexdigest())
    return digests


@pytest.fixture(scope="module")
def in_fresh_processes(tmp_path_factory):
    """The answers of processes which differ in the order of their calls."""
    folder = tmp_path_factory.mktemp("saved")
    fresh_process.call(save_all, folder)
    return [fresh_process.call(answers, folder, order) for order in ORDERS]


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_calls_changes_no_bit(in_fresh_processes, name):
    calls = [call for method, call in in_fresh_processes[0] if method == name]
    assert len(calls) >= 4
    for call in calls:
        digests = [digest for order in in_fresh_processes for digest in order[name, call]]
        assert len(digests) == 2 * len(ORDERS) and len(set(digests)) == 1, call
