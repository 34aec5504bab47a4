"""The classifier's updates: down the cross-entropy, on images of a pass, each step augmented in its own way."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import dgm_tf
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.training import classifier
from dgm_tf.training.classifier import (
    ClassifierPhase,
    ClassifierSettings,
    measuring_batch_size,
    replica_batch,
    update_classifier,
)
from dgm_tf.training.pool import Pool
from tests.methods import tiny
from tests.training.replicas import on_two_replicas


class Linear(keras.Model):
    """Two heads on four pixels."""

    def __init__(self):
        super().__init__()
        self.realness, self.logits = keras.layers.Dense(1, name="realness"), keras.layers.Dense(3, name="logits")
        for layer in (self.realness, self.logits):
            layer.build((None, 4))
        self.built, self.asked = True, []

    def call(self, images, training=False, update_statistics=False):
        self.asked.append((training, update_statistics))
        return self.realness(tf.reshape(images, [-1, 4]))[:, 0], self.logits(tf.reshape(images, [-1, 4]))


def images(count, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (count, 2, 2, 1)).astype(np.float32)


@pytest.fixture
def eagerly():
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


def test_an_update_goes_down_the_mean_cross_entropy_and_tells_it_and_the_share_of_hits():
    network, x, labels = Linear(), images(8), np.array([0, 1, 2, 0, 1, 2, 0, 1], np.int32)
    kernel, bias = (w.copy() for w in network.logits.get_weights())
    flat = x.reshape(8, 4)
    scores = flat @ kernel + bias
    p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    loss, accuracy = update_classifier(
        network, keras.optimizers.SGD(0.5), network.logits.trainable_variables, tf.constant(x), tf.constant(labels)
    )
    assert float(loss) == pytest.approx(-np.mean(np.log(p[np.arange(8), labels])), rel=1e-5)
    assert float(accuracy) == np.mean(np.argmax(scores, axis=1) == labels) not in (0.0, 1.0)
    gradient = flat.T @ (p - np.eye(3)[labels]) / 8
    np.testing.assert_allclose(network.logits.get_weights()[0], kernel - 0.5 * gradient, rtol=1e-4, atol=1e-6)
    assert network.asked == [(True, True)]


def test_augmentation_is_of_the_global_batch_which_replicas_share(monkeypatch):
    batch, labels = tf.constant(images(6)), tf.range(6)
    (first, first_labels), (second, second_labels) = on_two_replicas(
        monkeypatch, lambda index: replica_batch(batch, labels, lambda x, seed: x + float(len(x)), None)
    )
    np.testing.assert_array_equal(tf.concat([first, second], 0), batch + 6.0)
    np.testing.assert_array_equal(tf.concat([first_labels, second_labels], 0), labels)


def test_a_phase_passes_over_the_pool_in_another_order_each_epoch_and_augments_each_step_anew(eagerly):
    seen, seeds = [], []

    def note(x, seed):
        seen.append(np.asarray(x)[:, 0, 0, 0])
        seeds.append(tuple(seed.numpy()))
        return x

    x = images(10)
    pool = Pool([], (x, np.zeros(10, np.int32)))
    phase = ClassifierPhase(Linear(), pool, 2, 4, 1e-3, 0, augmentation=note)
    for index in (0, 1, 2, 3, 1):
        phase.step(index)
    assert phase.num_steps == 4 and len(set(seeds)) == 4 and seeds[4] == seeds[1]
    first, second = np.concatenate(seen[:2]), np.concatenate(seen[2:4])
    for epoch in (first, second):
        assert len(set(epoch)) == 8 and set(epoch) <= set(x[:, 0, 0, 0])
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(seen[4], seen[1])


def test_the_seed_decides_the_order_and_the_noise(eagerly):
    noted = []

    def note(x, seed):
        noted.append((np.asarray(x).tobytes(), tuple(seed.numpy())))
        return x

    for seed in (0, 0, 1):
        ClassifierPhase(Linear(), Pool([], (images(10), np.zeros(10, np.int32))), 1, 4, 1e-3, seed, note).step(0)
    assert noted[0] == noted[1] and noted[0][0] != noted[2][0] and noted[0][1] != noted[2][1]


@pytest.mark.parametrize(("replicas", "size"), [(1, 64), (3, 63), (4, 64), (100, 100)])
def test_measuring_takes_about_64_images_a_step_in_equal_shares(monkeypatch, replicas, size):
    monkeypatch.setattr(classifier, "replica_count", lambda: replicas)
    assert measuring_batch_size() == size


@pytest.mark.parametrize("adam", ["pytorch", "keras"])
def test_closing_epochs_and_classifiers_alone_have_the_rule_of_their_settings(adam, monkeypatch):
    seen = []
    make = classifier.make_adam
    monkeypatch.setattr(classifier, "make_adam", lambda *a, rule, **k: seen.append(rule) or make(*a, rule=rule, **k))
    settings = ClassifierSettings("none", closing_epochs=1, adam=adam)
    for method in (tiny.dgm(classifier=settings), FineTuning(tiny.Discriminator, epochs=1, batch_size=8, adam=adam)):
        dgm_tf.Learner(method).learn(tiny.task(0))
    assert seen == [adam, adam]
