"""Random numbers are functions of the seed and the purpose."""

import random

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.training import randomness
from tests.training.replicas import on_two_replicas

PURPOSES = [
    ("epoch", 0), ("epoch", 1), ("classifier", 0), ("classifier", 1), ("gan",), ("sample", 3, 1), ("sample", 1, 3),
]  # fmt: skip


def test_same_seed_and_purpose_give_the_same_numbers():
    for purpose in PURPOSES:
        one, two = (randomness.numpy_generator(3, *purpose).random(4) for _ in range(2))
        np.testing.assert_array_equal(one, two)
        np.testing.assert_array_equal(randomness.stateless_seed(3, *purpose), randomness.stateless_seed(3, *purpose))


def test_other_seeds_and_purposes_give_other_numbers():
    draws = [
        tuple(randomness.numpy_generator(seed, *purpose).integers(2**31, size=2))
        for seed in (0, 1, 2**40)
        for purpose in PURPOSES
    ]
    assert len(set(draws)) == len(draws)


def test_stateless_seeds_fit_tensorflow():
    seed = randomness.stateless_seed(0, "latents", 3)
    assert seed.dtype == tf.int32 and seed.shape == (2,) and np.all(seed >= 0)


def test_split_seeds_differ():
    seeds = randomness.split_seed(tf.constant([1, 2]), 4)
    assert len({tuple(seed.numpy()) for seed in seeds}) == 4
    again = randomness.split_seed(tf.constant([1, 2]), 4)
    np.testing.assert_array_equal(seeds, again)


def test_initializers_follow_from_seed_and_purpose():
    def draw(*purpose):
        with randomness.seeded_initializers(0, *purpose):
            dense = keras.layers.Dense(3)
            dense.build((None, 4))
            return dense.kernel.numpy().copy()

    np.testing.assert_array_equal(draw("grow", 1), draw("grow", 1))
    assert not np.array_equal(draw("grow", 1), draw("grow", 2))


def test_many_purposes_have_initializers_of_their_own():
    states = set()
    for index in range(500):
        with randomness.seeded_initializers(0, "grow", index):
            states.add(random.random())
    assert len(states) == 500


def test_layers_inside_differ_from_each_other():
    with randomness.seeded_initializers(0, "test"):
        one, two = keras.layers.Dense(3), keras.layers.Dense(3)
        one.build((None, 4)), two.build((None, 4))
    assert not np.array_equal(np.asarray(one.kernel), np.asarray(two.kernel))


def test_pythons_own_random_numbers_go_on_as_before():
    random.seed(5)
    expected = [random.random() for _ in range(2)]
    random.seed(5)
    first = random.random()
    with randomness.seeded_initializers(0, "test"):
        random.random()
    assert [first, random.random()] == expected


def test_pythons_state_comes_back_after_an_error_too():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    with pytest.raises(KeyError), randomness.seeded_initializers(0, "test"):
        raise KeyError
    assert random.random() == expected


def test_one_replica_has_the_whole_batch():
    values = tf.range(6)
    np.testing.assert_array_equal(randomness.replica_slice(values), values)
    assert randomness.replica_count() == 1


def test_two_replicas_have_half_of_it_each(monkeypatch):
    values = tf.reshape(tf.range(12), [6, 2])
    parts = on_two_replicas(monkeypatch, lambda index: randomness.replica_slice(values))
    np.testing.assert_array_equal(parts[0], values[:3])
    np.testing.assert_array_equal(parts[1], values[3:])
    assert on_two_replicas(monkeypatch, lambda index: randomness.replica_count()) == [2, 2]


def test_draws_are_of_the_shape_and_interval_asked_for():
    seed = randomness.stateless_seed(0, "draws")
    normal, uniform = randomness.normal([4000], seed), randomness.uniform([4000], seed)
    assert abs(np.mean(normal)) < 0.06 and np.std(normal) == pytest.approx(1.0, abs=0.05)
    assert 0.0 <= np.min(uniform) < 0.01 and 0.99 < np.max(uniform) < 1.0
    between = randomness.uniform([4000], seed, 2, 5, tf.int32)
    assert set(between.numpy()) == {2, 3, 4}
    assert {tuple(randomness.fold_in(seed, number).numpy()) for number in range(5)}.isdisjoint({tuple(seed.numpy())})


def test_every_draw_names_its_algorithm_as_each_kind_of_device_would_take_one_of_its_own(monkeypatch):
    named, seed = [], tf.constant([1, 2])
    for function in ("split", "fold_in", "stateless_normal", "stateless_uniform"):
        monkeypatch.setattr(tf.random, function, lambda *_, alg=None: named.append(alg) or tf.zeros([2]))
    randomness.split_seed(seed, 2), randomness.fold_in(seed, 1)
    randomness.normal([2], seed), randomness.uniform([2], seed)
    assert named == ["philox"] * 4


@pytest.mark.parametrize("end", ["least", "largest"])
def test_the_least_and_the_largest_draw_are_seeds_too(monkeypatch, end):
    class Generator:
        def integers(self, low, high, size):
            return np.full(size, low if end == "least" else high - 1)

    monkeypatch.setattr(randomness, "numpy_generator", lambda *_: Generator())
    assert randomness.stateless_seed(0, "any").numpy().tolist() == [0 if end == "least" else 2**31 - 2] * 2


def test_a_run_that_an_earlier_version_began_goes_on_with_the_initial_weights_of_its_seed():
    """Keras draws the seeds of initializers so; version 0.1.0 drew these."""
    with randomness.seeded_initializers(3, "begin task", 1):
        assert [random.randrange(10**9) for _ in range(3)] == [351660388, 387358875, 642868603]
