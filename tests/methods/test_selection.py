"""Choosing images of asked classes among many: each label gets its own, in order; what is missing is made up for."""

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.methods.selection import CANDIDATES, ROUNDS, select

LIMIT = 4


def candidates_of(weights, rounds=None):
    """Candidates of a classifier that is sure of its choices; z is (round, position, class), the same in every run.

    weights: how often each class comes; 0 for never.
    """
    made = rounds if rounds is not None else []
    pattern = np.repeat(np.arange(len(weights)), weights)
    classes = np.resize(np.random.default_rng(0).permutation(pattern), CANDIDATES)

    def candidates(i):
        if tf.executing_eagerly():
            made.append(int(i))
        shares = tf.one_hot(classes, len(weights)) * 0.9 + 0.1 / len(weights)
        position = tf.range(CANDIDATES)
        z = tf.stack([tf.fill([CANDIDATES], i), position, tf.constant(classes, tf.int32)], 1)
        return tf.cast(z, tf.float32), shares

    return candidates, classes


def test_the_kth_label_of_a_class_gets_the_kth_candidate_of_the_class():
    candidates, classes = candidates_of([5, 3, 2])
    z = select(tf.constant([2, 0, 2, 1, 0]), candidates, 3, 3, LIMIT).numpy()
    expected = [np.flatnonzero(classes == c)[k] for c, k in [(2, 0), (0, 0), (2, 1), (1, 0), (0, 1)]]
    np.testing.assert_array_equal(z[:, 1], expected)
    np.testing.assert_array_equal(z[:, 2], [2, 0, 2, 1, 0])


def test_rounds_go_on_until_all_are_found_and_no_image_serves_twice():
    rounds = []
    candidates, classes = candidates_of([9, 1], rounds)
    count = 3 * int(np.sum(classes == 1))
    z = select(tf.ones([count], tf.int32), candidates, 2, 3, LIMIT).numpy()
    assert rounds == [0, 1, 2] and np.all(z[:, 2] == 1)
    assert len({tuple(row) for row in z}) == count


def test_a_few_labels_have_ten_rounds_and_many_four_candidates_each():
    for count, expected in ((1, ROUNDS), (3 * CANDIDATES, 3 * LIMIT)):
        rounds = []
        candidates, _ = candidates_of([1, 0], rounds)
        select(tf.ones([count], tf.int32), candidates, 2, 3, LIMIT)
        assert len(rounds) == expected


def test_how_many_are_made_is_part_of_what_a_seed_means():
    assert (CANDIDATES, ROUNDS) == (500, 10), "other numbers replay other images from a memory that was saved"


def test_what_is_missing_repeats_what_was_found_in_turn():
    candidates, classes = candidates_of([499, 1])
    z = select(tf.ones([25], tf.int32), candidates, 2, 3, LIMIT).numpy()
    assert np.sum(classes == 1) == 1  # one a round, ten rounds
    np.testing.assert_array_equal(z[:, 0], [*range(10), *range(10), *range(5)])


def test_a_class_that_never_comes_is_the_candidate_with_its_largest_share():
    def candidates(i):
        shares = np.full((CANDIDATES, 2), [0.9, 0.1], np.float32)
        shares[7] = [0.6, 0.4]
        z = np.stack([np.full(CANDIDATES, int(i)), np.arange(CANDIDATES)], 1)
        return tf.constant(z, tf.float32), tf.constant(shares) - 0.01 * tf.cast(i, tf.float32)

    z = select(tf.constant([1, 0, 1]), candidates, 2, 2, LIMIT).numpy()
    np.testing.assert_array_equal(z, [[0, 7], [0, 0], [0, 7]])


@pytest.mark.parametrize("labels", [[], [1, 0, 1, 1]])
def test_a_graph_chooses_the_same(labels):
    candidates, _ = candidates_of([30, 1])
    labels = tf.constant(labels, tf.int32)
    in_graph = tf.function(lambda labels: select(labels, candidates, 2, 3, LIMIT))
    np.testing.assert_array_equal(in_graph(labels), select(labels, candidates, 2, 3, LIMIT))


def test_a_single_image_of_the_class_is_repeated_however_likely_others_are():
    def candidates(i):
        shares = np.tile(np.float32([0.5, 0.49, 0.01]), (CANDIDATES, 1))
        shares[7] = [0.3, 0.4, 0.3]  # of class 1, in the first round alone
        z = np.stack([np.full(CANDIDATES, int(i)), np.arange(CANDIDATES)], 1)
        first = tf.cast(i == 0, tf.float32)
        return tf.constant(z, tf.float32), first * shares + (1 - first) * tf.constant([0.5, 0.49, 0.01])

    np.testing.assert_array_equal(select(tf.constant([1, 1]), candidates, 3, 2, LIMIT), [[0, 7], [0, 7]])


def test_there_may_be_more_classes_than_entries_of_z():
    def candidates(i):
        classes = tf.range(CANDIDATES) % 5
        z = tf.stack([tf.cast(tf.range(CANDIDATES), tf.float32)], 1)
        return z, tf.one_hot(tf.where(classes == 3, 0, classes), 5) * 0.9 + 0.02 * tf.constant([1.0, 1, 1, 2, 1])

    z = select(tf.constant([4, 3, 4, 0]), candidates, 5, 1, LIMIT).numpy()
    assert z[[0, 2, 3], 0].tolist() == [4, 9, 0]


def test_the_largest_share_of_a_class_may_come_in_a_round_where_other_classes_have_less():
    def candidates(i):
        largest = tf.where((tf.range(CANDIDATES) == 7 + i)[:, None], [0.6, 0.4], [0.9, 0.1])
        z = tf.stack([tf.fill([CANDIDATES], i), tf.range(CANDIDATES)], 1)
        shares = largest if i == 0 else tf.where(i == 1, largest * [0.8, 1.1], largest * 0.5)
        return tf.cast(z, tf.float32), shares

    np.testing.assert_array_equal(select(tf.constant([1]), candidates, 2, 2, LIMIT), [[1, 8]])


def test_a_single_image_is_repeated_for_each_that_is_missing_and_for_no_other_class():
    def candidates(i):
        shares = np.tile(np.float32([0.9, 0.1]), (CANDIDATES, 1))
        shares[7] = [0.1, 0.9] if int(i) == 0 else [0.9, 0.1]  # of class 1, in the first round alone
        z = np.stack([np.full(CANDIDATES, int(i)), np.arange(CANDIDATES)], 1)
        return tf.constant(z, tf.float32), tf.constant(shares)

    z = select(tf.constant([0, 1, 1, 1]), candidates, 2, 2, LIMIT).numpy()
    np.testing.assert_array_equal(z[1:], [[0, 7]] * 3)
