"""Fine-tuning, the lower bound."""

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.training import classifier
from tests.methods import tiny


@pytest.fixture(scope="module")
def learner():
    """One that has learned two tasks of two classes."""
    learner = Learner(FineTuning(tiny.Discriminator, epochs=20, batch_size=8, learning_rate=1e-2))
    for index in range(2):
        learner.learn(tiny.task(index, (2 * index, 2 * index + 1)))
    return learner


def test_the_last_task_is_learned_and_the_others_are_forgotten(learner):
    splits = [tiny.task(index, (2 * index, 2 * index + 1)).train for index in range(2)]
    accuracies = [np.mean(learner.classify(split.images) == split.labels) for split in splits]
    assert accuracies[0] == 0.0 and accuracies[1] > 0.9


def test_logits_are_over_all_classes_seen(learner):
    assert learner.logits(tiny.task(0).test.images).shape == (4, 4)
    assert learner.class_names == ["class 0", "class 1", "class 2", "class 3"]


def test_there_is_nothing_to_replay(learner):
    assert not learner.method.replays
    with pytest.raises(UserError, match="replay: FineTuning has no generative memory"):
        learner.replay([0])


def test_a_batch_that_replicas_cannot_share_is_refused(monkeypatch):
    monkeypatch.setattr(classifier, "replica_count", lambda: 2)
    with pytest.raises(UserError, match="batch_size: expected a multiple of the 2 replicas, got 9"):
        FineTuning(batch_size=9).begin_task(TaskContext(tiny.task(0), ((0,),), (32, 32, 1), 0))


def test_that_it_forgets_is_said_with_who_showed_it():
    caution = FineTuning().caution
    assert caution.startswith("FineTuning keeps no images.") and "no bug" in caution
    assert "van de Ven and Tolias, 2019, arXiv 1904.07734" in caution and "arXiv 1805.09733" in caution


@pytest.mark.parametrize(
    "bad", [{"discriminator": "DCGAN"}, {"epochs": 0}, {"learning_rate": 0.0}], ids=lambda bad: next(iter(bad))
)
def test_bad_settings_are_named(bad):
    with pytest.raises(UserError, match=f"FineTuning.{next(iter(bad))}: expected"):
        FineTuning(**bad)
