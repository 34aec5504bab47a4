"""The hooks' honest defaults."""

import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.method import Method


def test_a_method_that_says_nothing_prepares_reports_and_shows_nothing():
    method = Method()
    assert method.begin_task(None) is None and method.end_task(None) == {} and method.watch({}) == ({}, {})
    assert method.derived == () and not method.replays and method.caution is None


def test_without_a_memory_replay_says_so():
    with pytest.raises(UserError, match="replay: Method has no generative memory"):
        Method().replay([0], seed=0)


def test_what_overrides_replay_replays():
    class Remembering(Method):
        def replay(self, labels, seed):
            return labels

    assert Remembering().replays


def test_the_discriminator_classifies_unless_a_method_says_otherwise():
    class WithNetworks(Method):
        def networks(self):
            return {"generator": "G", "discriminator": "D"}

    assert WithNetworks().classifier == "D"


@pytest.mark.parametrize("hook", [lambda m: m.phases(None), lambda m: m.networks()])
def test_what_every_method_must_say(hook):
    with pytest.raises(NotImplementedError):
        hook(Method())
