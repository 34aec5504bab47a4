"""Closed forms: the same weights whatever the order and the split, and those of the textbook."""

import tracemalloc

import numpy as np
import pytest
from scipy import linalg, stats

from dgm_tf.errors import UserError
from dgm_tf.methods.class_statistics import ClassStatistics
from dgm_tf.methods.linear_heads import (
    HEADS,
    RIDGES,
    SHRINKAGES,
    lda,
    nearest_mean,
    oracle_shrinkage,
    ridge,
    temperature,
)

COUNTS, FEATURES = (30, 50, 20, 45), 7
RNG = np.random.default_rng(0)
MIXING = RNG.normal(size=(FEATURES, FEATURES))
CLASSES = [RNG.normal(size=(n, FEATURES)) @ MIXING + 3 * RNG.normal(size=FEATURES) for n in COUNTS]


def statistics(classes=CLASSES, per_class=True, order=None, pieces=1):
    """Of classes learned in that order, each in so many pieces."""
    order = range(len(classes)) if order is None else order
    found = ClassStatistics(classes[0].shape[1], per_class)
    for c in order:
        label = found.add_class()
        for piece in np.array_split(classes[c], pieces):
            found.add(label, piece)
    return found


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("regularization", [None, 0.3])
@pytest.mark.parametrize("head", HEADS)
def test_any_order_and_any_split_give_the_same_weights(head, regularization, balanced):
    solve, order = HEADS[head], [2, 0, 3, 1]
    once = solve(statistics(), regularization, balanced)
    other = solve(statistics(order=order, pieces=4), regularization, balanced)
    np.testing.assert_allclose(other.kernel, once.kernel[:, order], rtol=1e-9)
    np.testing.assert_allclose(other.bias, once.bias[order], rtol=1e-9)


@pytest.mark.parametrize("head", HEADS)
def test_one_class_a_task_gives_what_all_at_once_give(head):
    """Also after the classifier was asked for in between."""
    solve, step = HEADS[head], ClassStatistics(FEATURES, True)
    for vectors in CLASSES:
        step.add(step.add_class(), vectors)
        last = solve(step)
    once = solve(statistics())
    np.testing.assert_allclose(last.kernel, once.kernel, rtol=1e-9)


def test_ridge_solves_the_penalised_least_squares_problem():
    rows = np.concatenate(CLASSES)
    targets = np.repeat(np.eye(len(CLASSES)), COUNTS, axis=0)
    centred = rows - rows.mean(axis=0)
    penalty = 0.3 * np.sum(centred**2) / FEATURES
    kernel = np.linalg.solve(centred.T @ centred + penalty * np.eye(FEATURES), centred.T @ targets)
    found = ridge(statistics(per_class=False), 0.3, balanced=False)
    np.testing.assert_allclose(found.kernel, kernel, rtol=1e-9)
    np.testing.assert_allclose(rows @ found.kernel + found.bias - targets, centred @ kernel + targets.mean(0) - targets)


def test_a_balanced_ridge_counts_each_class_as_much_as_if_all_had_as_many_vectors():
    repeated = [np.repeat(vectors, 900 // len(vectors), axis=0) for vectors in CLASSES]
    even = ridge(statistics(repeated), 0.1, balanced=False)
    np.testing.assert_allclose(ridge(statistics(), 0.1, balanced=True).kernel, even.kernel, rtol=1e-9)
    assert not np.allclose(ridge(statistics(), 0.1, balanced=False).kernel, even.kernel, rtol=0.01)


def test_generalized_cross_validation_chooses_the_penalty_with_the_least_error():
    """By the formula, with the whole hat matrix."""
    rows = np.concatenate([np.concatenate([c, RNG.normal(size=(len(c), 30))], axis=1) for c in CLASSES])
    targets = np.repeat(np.eye(len(CLASSES)), COUNTS, axis=0)
    centred, wanted = rows - rows.mean(axis=0), targets - targets.mean(axis=0)
    scores = []
    for share in RIDGES:
        penalty = share * np.sum(centred**2) / rows.shape[1]
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * np.eye(rows.shape[1]), centred.T)
        scores.append(np.sum((wanted - hat @ wanted) ** 2) / (len(rows) - 1 - np.trace(hat)) ** 2)
    best = int(np.argmin(scores))
    assert 0 < best < len(RIDGES) - 1, "the data ask for some penalty, and not for the most"
    classes = np.split(rows, np.cumsum(COUNTS)[:-1])
    assert ridge(statistics(classes), None, balanced=False).regularization == RIDGES[best]


@pytest.mark.parametrize("noise", [0.5, 2.0])
def test_generalized_cross_validation_is_exact_where_features_outnumber_vectors(noise):
    """By the vectors' inner products: the trace of the hat matrix is nearly the number of vectors there."""
    rng, size = np.random.default_rng(0), 300
    scales = np.exp(rng.normal(size=size))
    classes = [0.6 * rng.normal(size=size) + noise * rng.normal(size=(6, size)) * scales for _ in range(10)]
    rows, targets = np.concatenate(classes), np.repeat(np.eye(10), 6, axis=0)
    centred, wanted = rows - rows.mean(axis=0), targets - targets.mean(axis=0)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    along, scores = vectors.T @ wanted, {}
    for share in RIDGES:
        penalty = share * np.sum(centred**2) / size
        left = penalty / (np.maximum(values, 0.0) + penalty)
        scores[share] = np.sum((left[:, None] * along) ** 2) / (np.sum(left) - 1) ** 2
    chosen = ridge(statistics(classes), None, balanced=False).regularization
    assert scores[chosen] < 1.001 * min(scores.values()) < 0.9 * max(scores.values())


@pytest.mark.parametrize("regularization", [None, 0.01])
@pytest.mark.parametrize("num_classes", [1, 2, 5])
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("head", HEADS)
def test_classes_without_any_variance_are_learned(head, count, num_classes, regularization):
    """One image of each, or equal ones: all that is left around the means is rounding."""
    rng = np.random.default_rng(count)
    rows = 5.0 + np.float32(rng.normal(size=(num_classes, 50)))
    kept = statistics([np.repeat(row[None], count, axis=0) for row in rows])
    found = HEADS[head](kept, regularization)
    found = found.scaled(temperature(found, kept))
    assert np.all(np.isfinite(np.float32(found.kernel))) and np.all(np.isfinite(np.float32(found.bias)))
    assert np.argmax(rows @ found.kernel + found.bias, axis=1).tolist() == list(range(num_classes))


def test_features_that_are_all_zero_are_learned():
    kept = statistics([np.zeros((3, 4), np.float32)] * 2)
    for solve in HEADS.values():
        assert np.all(np.isfinite(solve(kept).kernel))


def test_features_that_are_not_finite_are_told():
    with pytest.raises(UserError, match="expected finite features, got NaN or infinity among those of class 1"):
        statistics([CLASSES[0], np.full((2, FEATURES), np.nan)])


def test_leaving_classes_out_copies_no_more_than_a_few_matrices():
    kept = statistics([RNG.normal(size=(5, 100)) for _ in range(60)])
    tracemalloc.start()
    lda(kept)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 8 * 100**2


def test_lda_classifies_as_the_gaussian_model_does():
    means = np.array([c.mean(axis=0) for c in CLASSES])
    scatter = sum((c - m).T @ (c - m) for c, m in zip(CLASSES, means, strict=True)) / (sum(COUNTS) - len(COUNTS))
    shrunk = 0.8 * scatter + 0.2 * np.trace(scatter) / FEATURES * np.eye(FEATURES)
    rows = np.concatenate(CLASSES)
    apart = rows[:, None] - means
    distances = np.einsum("nkd,de,nke->nk", apart, np.linalg.inv(shrunk), apart)
    for balanced, priors in ((True, np.zeros(4)), (False, np.log(np.array(COUNTS) / sum(COUNTS)))):
        found = lda(statistics(per_class=False), 0.2, balanced)
        logits, expected = rows @ found.kernel + found.bias, priors - distances / 2
        np.testing.assert_allclose(logits - logits[:, :1], expected - expected[:, :1], rtol=1e-7)


def test_oracle_shrinkage_is_slight_where_vectors_are_many_and_strong_where_they_are_few():
    covariance = np.diag(np.arange(1.0, 11.0))
    assert oracle_shrinkage(covariance, 100_000) < 0.001
    assert oracle_shrinkage(covariance, 3) > 0.5
    assert oracle_shrinkage(np.eye(10), 1000) == 1.0


def test_shrinkage_makes_classes_that_were_left_out_most_likely():
    """By the density of each group's vectors, given the shrunk covariance of the others."""
    rng, size = np.random.default_rng(5), 12
    roots = [np.eye(size) * rng.uniform(0.3, 3.0, size) for _ in range(3)]
    classes = [rng.normal(size=(n, size)) @ root for n, root in zip((40, 60, 50), roots, strict=True)]
    likelihoods = []
    for share in SHRINKAGES:
        total = 0.0
        for left in range(3):
            others = [c - c.mean(axis=0) for i, c in enumerate(classes) if i != left]
            scatter = sum(c.T @ c for c in others) / (sum(map(len, others)) - 2)
            shrunk = (1 - share) * scatter + share * np.trace(scatter) / size * np.eye(size)
            count = len(classes[left])  # around their mean they have a degree of freedom less
            apart = linalg.helmert(count) @ classes[left]
            total += stats.multivariate_normal(np.zeros(size), shrunk).logpdf(apart).sum()
        likelihoods.append(total)
    best = int(np.argmax(likelihoods))
    assert 0 < best < len(SHRINKAGES) - 1
    for order in ([0, 1, 2], [2, 0, 1]):
        assert lda(statistics(classes, order=order)).regularization == SHRINKAGES[best]


def test_the_nearest_mean_is_the_nearest():
    means = np.array([c.mean(axis=0) for c in CLASSES])
    found = nearest_mean(statistics())
    rows = np.concatenate(CLASSES)
    nearest = np.argmin(np.sum((rows[:, None] - means) ** 2, axis=2), axis=1)
    assert np.array_equal(np.argmax(rows @ found.kernel + found.bias, axis=1), nearest)


def test_temperature_makes_probabilities_of_regression_outputs():
    """Far apart classes are nearly sure; of those that cannot be told apart each is as likely."""
    head = ridge(statistics(per_class=False), 0.01, balanced=False)
    logits = CLASSES[0] @ head.kernel + head.bias
    sure = np.exp(temperature(head, statistics()) * logits)
    plain = np.exp(logits)
    assert np.mean(sure[:, 0] / sure.sum(axis=1)) > 0.9 > np.mean(plain[:, 0] / plain.sum(axis=1))
    same = statistics([RNG.normal(size=(500, FEATURES)) for _ in range(3)])
    head = ridge(same, 1.0, balanced=False)
    vague = np.exp(temperature(head, same) * (RNG.normal(size=(100, FEATURES)) @ head.kernel + head.bias))
    assert np.abs(vague / vague.sum(axis=1, keepdims=True) - 1 / 3).max() < 0.2


def test_temperature_does_not_depend_on_the_order_of_classes():
    order = [2, 0, 3, 1]
    once, other = (temperature(lda(kept), kept) for kept in (statistics(), statistics(order=order)))
    assert other == pytest.approx(once, rel=1e-6)


def test_temperature_is_found_where_outputs_depend_on_each_other():
    """The logits of a regression sum to 1, so their covariance is singular."""
    exact = [np.round(8 * vectors[:, :2]) for vectors in CLASSES[:2]]
    kept = statistics(exact)
    assert temperature(ridge(kept, 1e-5, balanced=False), kept) > 0.0


@pytest.mark.parametrize("per_class", [True, False])
def test_statistics_survive_packing(per_class):
    kept = statistics(per_class=per_class)
    arrays = kept.arrays()
    again = ClassStatistics.from_arrays(arrays, per_class)
    assert sum(array.nbytes for array in arrays.values()) == kept.nbytes
    assert np.array_equal(again.gram(), np.tril(kept.gram())) and np.array_equal(again.sums, kept.sums)
    again.add(again.add_class(), CLASSES[0])
    kept.add(kept.add_class(), CLASSES[0])
    assert np.array_equal(np.tril(again.gram()), np.tril(kept.gram()))


def test_many_features_add_up_in_float64_from_products_in_float32():
    """As do few, in float64; packing many has a way of its own, which takes less memory."""
    vectors = RNG.normal(size=(64, 2100)).astype(np.float32)
    kept = statistics([vectors], per_class=False, pieces=3)
    expected = np.tril(vectors.astype(float).T @ vectors.astype(float))
    np.testing.assert_allclose(np.tril(kept.gram()), expected, atol=1e-4)
    packed = kept.arrays()["gram/0000"]
    assert np.array_equal(packed, np.tril(kept.gram())[np.tril_indices(2100)])
    assert np.array_equal(ClassStatistics.from_arrays(kept.arrays(), False).gram(), np.tril(kept.gram()))


def test_weights_of_classes_weigh_their_gram_matrices():
    weights = [0.0, 2.0, 0.0, 1.0]
    expected = 2 * CLASSES[1].T @ CLASSES[1] + CLASSES[3].T @ CLASSES[3]
    np.testing.assert_allclose(np.tril(statistics().gram(weights)), np.tril(expected))


@pytest.mark.parametrize("head", HEADS)
def test_a_class_without_vectors_is_told(head):
    empty = statistics()
    empty.add_class()
    with pytest.raises(UserError, match="a class without any"):
        HEADS[head](empty)
