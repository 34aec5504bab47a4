"""Training of the class head alone."""

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.networks.dcgan import DCGANDiscriminator
from dgm_tf.training import classifier, schedules
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierPhase, ClassifierSettings, check_batch_size, class_variables
from dgm_tf.training.pool import Pool
from dgm_tf.training.randomness import seeded_initializers


def group(label, level, count=16):
    images = np.random.default_rng(label).integers(level, level + 60, (count, 32, 32, 1)).astype(np.uint8)
    return images, np.full(count, label, np.int32)


def dark_and_light():
    return Pool([group(0, 0)], group(1, 190))


def new_network():
    with seeded_initializers(0, "classifier test"):
        return DCGANDiscriminator(num_classes=2, filters=(2, 4, 6))


def new_phase(network, epochs=2, augmentation=None, seed=0):
    return ClassifierPhase(network, dark_and_light(), epochs, 8, 1e-2, seed, augmentation)


def test_it_learns_what_is_easy():
    network = new_network()
    phase = new_phase(network, epochs=10)
    metrics = [{k: float(v) for k, v in phase.step(i).items()} for i in range(phase.num_steps)]
    assert metrics[0]["loss/classifier"] == pytest.approx(np.log(2), abs=0.1)
    assert metrics[-1]["loss/classifier"] < 0.3 and metrics[-1]["accuracy/training"] == 1.0


@pytest.fixture(scope="module")
def before_and_after():
    """(weights before, weights after) a few augmented steps, by name."""
    network = new_network()
    phase = new_phase(network, augmentation=Augmentation())
    before = {v.path: v.numpy().copy() for v in network.weights}
    for i in range(phase.num_steps):
        phase.step(i)
    return before, {v.path: v.numpy().copy() for v in network.weights}


def test_all_but_the_realness_head_is_trained(before_and_after):
    before, after = before_and_after
    unchanged = {name for name in before if np.array_equal(before[name], after[name])}
    assert unchanged == {"realness/kernel", "realness/bias"}
    network = new_network()
    names = {v.path for v in network.trainable_variables}
    assert {v.path for v in class_variables(network)} == names - unchanged


def test_a_phase_taken_up_again_ends_as_if_never_stopped(before_and_after):
    network = new_network()
    first = new_phase(network, augmentation=Augmentation())
    for i in range(3):
        first.step(i)
    second = new_phase(network, augmentation=Augmentation())
    for kept, variable in zip(first.variables(), second.variables(), strict=True):
        variable.assign(kept)
    for i in range(3, second.num_steps):
        second.step(i)
    for variable in network.weights:
        np.testing.assert_array_equal(np.asarray(variable), before_and_after[1][variable.path])


def test_the_seed_decides(before_and_after):
    network = new_network()
    phase = new_phase(network, augmentation=Augmentation(), seed=1)
    phase.step(0)
    assert not np.array_equal(network.get_weights()[0], before_and_after[1]["convolution_0/kernel"])


def test_steps_count_whole_batches_of_every_epoch():
    phase = ClassifierPhase(new_network(), Pool([group(0, 0, 11)], group(1, 190, 10)), 3, 8, 1e-3, 0)
    assert (phase.epochs, phase.batches, phase.num_steps) == (3, 2, 6)
    assert phase.trains_classifier


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"replay_schedule": "sometimes"}, "ClassifierSettings.replay_schedule: .* got 'sometimes'"),
        ({"replay_schedule": "none"}, "never learn: expected closing_epochs >= 1, got 0"),
        ({"current_share": 0.0}, "ClassifierSettings.current_share: .* got 0.0"),
        ({"generated_current": 1.5}, "ClassifierSettings.generated_current: .* got 1.5"),
        ({"augmentation": True}, "ClassifierSettings.augmentation: .* got True"),
    ],
)
def test_bad_settings_are_named(bad, message):
    with pytest.raises(UserError, match=message):
        ClassifierSettings(**bad)


@pytest.mark.parametrize(("schedule", "updates"), [("balanced", 3), ("constant", 4), ("none", 0)])
def test_each_schedule_is_accepted_and_makes_the_updates_that_its_name_stands_for(schedule, updates):
    settings = ClassifierSettings(schedule, updates=4, closing_epochs=1)
    pool = Pool([group(0, 0), group(1, 20)], group(2, 190))
    assert schedules.updates_per_step(settings, pool) == updates


@pytest.mark.parametrize(("replicas", "size"), [(1, 64), (3, 63), (100, 100)])
def test_classifiers_that_only_measure_see_about_64_images_a_step(monkeypatch, replicas, size):
    monkeypatch.setattr(classifier, "replica_count", lambda: replicas)
    assert classifier.measuring_batch_size() == size


def test_one_replica_takes_any_batch_size():
    check_batch_size(7)
