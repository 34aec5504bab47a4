"""A generative method of one's own is one file, as long as its algorithm: it replays, is saved, loads and resumes."""

import sys

import numpy as np
import pytest

import dgm_tf
from dgm_tf import config
from dgm_tf.learner import Learner
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import resuming, tiny

FILE = '''
"""A conditional GAN that learns task after task, and its own replay beside the current images."""

import dataclasses
import functools

import gin

import dgm_tf
from dgm_tf.methods.generative import GenerativeMethod
from dgm_tf.methods.shared_generator import SharedGeneratorRules, generator_bytes, keep_student, next_networks
from dgm_tf.networks.conditional import ConditionalGenerator


@gin.register
@dgm_tf.register
@dataclasses.dataclass
class Replaying(GenerativeMethod):
    """Settings of `GenerativeMethod`."""

    generator: type = ConditionalGenerator

    def begin_task(self, context):
        next_networks(self, context)

    def phases(self, context):
        fitting, networks = self.fitting(context), self.networks
        replayed = functools.cache(lambda: self.replayed(context))
        rules = SharedGeneratorRules(networks.student, joint=True)
        return fitting.phases(
            lambda: fitting.gan_phase(rules, networks.classifier, replayed),
            lambda: fitting.closing_phase(networks.classifier, replayed(), self.replay),
        )

    def end_task(self, context):
        return keep_student(self.networks, context)

    def memory_bytes(self):
        return generator_bytes(self.networks)
'''
TASKS = (tiny.task(0), tiny.task(1))


@pytest.fixture
def make(tmp_path, monkeypatch, clean_gin):
    """Makes the method with tiny networks."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "replaying_gan.py").write_text(FILE)
    config.import_modules(["replaying_gan"])
    module = sys.modules["replaying_gan"]
    settings = ClassifierSettings("constant", closing_epochs=1, generated_current=0.0)
    return lambda: module.Replaying(tiny.SharedGenerator, tiny.Discriminator, tiny.LARGE_STEPS, settings)


def test_a_generative_method_is_one_file(make, tmp_path):
    learner = Learner(make(), seed=5)
    for task in TASKS:
        learner.learn(task)
    images = learner.replay([0, 1, 0], seed=3)
    assert images.shape == (3, 32, 32, 1) and images.std() > 0
    learner.save(tmp_path / "memory")
    np.testing.assert_array_equal(dgm_tf.load(tmp_path / "memory").replay([0, 1, 0], seed=3), images)


def test_it_is_taken_up_again_in_the_middle_of_a_task(make):
    resuming.assert_resumes(make(), TASKS, 0, 1)
