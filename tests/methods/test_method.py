"""The hooks' honest defaults."""

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.method import Method, network_bytes, next_discriminator
from dgm_tf.methods.networks import Networks
from tests.methods import tiny


def test_a_method_that_says_nothing_prepares_reports_and_shows_nothing():
    method = Method()
    assert method.begin_task(None) is None and method.end_task(None) == {} and method.watch({}) == ({}, {})
    assert not method.replays and method.caution is None


def test_without_a_memory_replay_says_so():
    with pytest.raises(UserError, match="replay: Method has no generative memory"):
        Method().replay([0], seed=0)


def test_what_overrides_replay_replays():
    class Remembering(Method):
        def replay(self, labels, seed):
            return labels

    assert Remembering().replays


def test_the_discriminator_classifies_unless_a_method_says_otherwise():
    method = Method()
    method.networks = Networks(generator="G", classifier="D")
    assert method.classifier == "D"


@pytest.mark.parametrize("afresh", [True, False])
def test_a_discriminator_starts_afresh_or_is_widened(afresh):
    contexts = [TaskContext(tiny.task(i), ((0,), (1,))[: i + 1], (32, 32, 1), 0) for i in range(2)]
    first = next_discriminator(None, tiny.Discriminator, contexts[0], afresh)
    second = next_discriminator(first, None, contexts[1], afresh)
    assert (first.num_classes, second.num_classes) == (1, 2) and type(second) is tiny.Discriminator
    assert np.array_equal(first.get_weights()[0], second.get_weights()[0]) != afresh


@pytest.mark.parametrize("hook", [lambda m: m.phases(None), lambda m: m.network_classes()])
def test_what_every_method_must_say(hook):
    with pytest.raises(NotImplementedError):
        hook(Method())


def test_the_first_discriminator_is_made_for_the_tasks_images_and_classes():
    context = TaskContext(tiny.task(0, (0, 1, 2), shape=(16, 16, 3)), ((0, 1, 2),), (16, 16, 3), 0)
    network = next_discriminator(None, tiny.Discriminator, context, True)
    assert (network.image_shape, network.num_classes) == ((16, 16, 3), 3)


def test_a_network_takes_four_bytes_for_each_number_the_averages_included():
    network = tiny.Discriminator()
    assert len(network.weights) > len(network.trainable_variables)
    assert network_bytes(network) == sum(np.asarray(w).astype(np.float32).nbytes for w in network.weights)
