"""Distances of vectors that are left out, from statistics alone: as if each had been left out in turn."""

import numpy as np
import pytest

from dgm_tf.measures.calibration import reliability
from dgm_tf.methods.class_statistics import ClassStatistics
from dgm_tf.methods.left_out import draw
from dgm_tf.methods.linear_heads import lda, temperature
from dgm_tf.methods.spreads import spreads

FEATURES, SHARE = 40, 0.1
RNG = np.random.default_rng(1)
MIXING = RNG.normal(size=(FEATURES, FEATURES)) * np.linspace(0.1, 2.0, FEATURES)
MEANS = 0.4 * RNG.normal(size=(3, FEATURES))


def vectors_of(label, count, views=1, rng=RNG):
    """Stretched Gaussian vectors, [views * count, D]; the second view of each is near the first."""
    alone = rng.normal(size=(count, FEATURES)) * np.sqrt(rng.gamma(10.0, 0.1, (count, 1)))
    parts = [alone + 0.5 * (v + 1) * rng.normal(size=alone.shape) * (views - 1) for v in range(views)]
    return np.concatenate([part @ MIXING + MEANS[label] for part in parts])


def statistics(classes, views=1):
    """Of [vectors of a class, ...]."""
    found = ClassStatistics(FEATURES, True)
    for vectors in classes:
        label = found.add_class()
        found.add(label, vectors, views=views)
        found.spreads[label] = spreads(vectors, views, (0.2, 0.8))
    return found


def left_out(classes, views):
    """Mean squared distances [classes, classes] of images to the means, each image left out in turn."""
    found = []
    for label, vectors in enumerate(classes):
        count, rows = len(vectors) // views, []
        for image in range(count):
            out = np.arange(views) * count + image
            parts = [np.delete(c, out, axis=0) if k == label else c for k, c in enumerate(classes)]
            means = np.array([part.mean(axis=0) for part in parts])
            metric = lda(statistics(parts), SHARE).metric
            apart = vectors[out][:, None] - means
            inverse = np.tril(metric.inverse) + np.tril(metric.inverse, -1).T
            rows.append(np.einsum("vkd,de,vke->vk", apart, inverse, apart).mean(axis=0))
        found.append(rows)
    return [np.array(rows) for rows in found]


@pytest.mark.parametrize("views", [1, 2])
def test_what_is_drawn_is_as_if_vectors_had_been_left_out(views):
    """Mean and variation of the squared distances, with and without pairs; in the sample they are smaller by far."""
    classes = [vectors_of(label, count, views) for label, count in enumerate((40, 60, 30))]
    kept, expected = statistics(classes, views), left_out(classes, views)
    metric = lda(kept, SHARE).metric
    drawn = draw(kept, metric).squares
    for label, rows in enumerate(expected):
        np.testing.assert_allclose(drawn[label].mean(axis=0), rows.mean(axis=0), rtol=0.12)
        own = drawn[label][:, label]
        assert np.std(own) == pytest.approx(np.std(rows[:, label]), rel=0.75)
    inverse = np.tril(metric.inverse) + np.tril(metric.inverse, -1).T
    apart = np.concatenate([c - c.mean(axis=0) for c in classes])
    in_sample = np.mean(np.einsum("nd,de,ne->n", apart, inverse, apart))
    assert in_sample < 0.85 * np.mean(np.concatenate([rows[:, label] for label, rows in enumerate(expected)]))


def test_probabilities_of_few_vectors_are_calibrated():
    """They are much too sure without a temperature."""
    rng = np.random.default_rng(3)
    kept = statistics([vectors_of(label, 25, rng=rng) for label in range(3)])
    head = lda(kept, SHARE)
    labels = np.repeat(np.arange(3), 400)
    logits = np.concatenate([vectors_of(label, 400, rng=rng) for label in range(3)]) @ head.kernel + head.bias
    before, after = (reliability(factor * logits, labels).error for factor in (1.0, temperature(head, kept)))
    assert after < before / 2


def test_the_order_of_classes_makes_no_difference():
    classes = [vectors_of(label, 30, 2) for label in range(3)]
    once, other = (statistics([classes[c] for c in order], 2) for order in ([0, 1, 2], [2, 0, 1]))
    first, second = (draw(kept, lda(kept, SHARE).metric) for kept in (once, other))
    np.testing.assert_allclose(
        second.squares, first.squares[np.ix_([2, 0, 1], range(first.squares.shape[1]), [2, 0, 1])]
    )
    np.testing.assert_allclose(second.lengths, first.lengths[np.ix_([2, 0, 1], [2, 0, 1])])


def test_classes_of_one_vector_or_none_that_differs_have_finite_distances():
    for classes in ([np.ones((1, FEATURES)), np.zeros((1, FEATURES))], [np.ones((4, FEATURES))]):
        kept = statistics(classes)
        drawn = draw(kept, lda(kept).metric)
        assert np.isfinite(drawn.squares).all() and np.isfinite(drawn.lengths).all()


def test_spreads_that_are_not_known_are_those_of_other_classes():
    kept = statistics([vectors_of(0, 50), vectors_of(1, 50)])
    kept.spreads[0] = 0.0
    np.testing.assert_array_equal(kept.known_spreads(), [kept.spreads[1]] * 2)
    kept.spreads[:] = 0.0
    assert np.all(kept.known_spreads() > 0.0)
    assert spreads(np.ones((9, 3)), 1, (0.2, 0.8)).tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("views", [1, 2])
def test_spreads_are_as_if_each_image_had_been_left_out(views):
    vectors = vectors_of(0, 30, views)
    apart, found = vectors - vectors.mean(axis=0), []
    for image in range(30):
        out = np.arange(views) * 30 + image
        rest = np.delete(apart, out, axis=0)
        covariance = 0.8 * rest.T @ rest / len(apart) + 0.2 * np.mean(np.sum(apart**2, axis=1)) / FEATURES * np.eye(
            FEATURES
        )
        squares = np.sum(apart[out].T * np.linalg.solve(covariance, apart[out].T), axis=0)
        found.append(np.mean(squares / np.linalg.norm(apart[out], axis=1)))
    lengths = np.sum(apart**2, axis=1)
    expected = [np.var(values) / np.mean(values) ** 2 for values in (lengths, found)]
    np.testing.assert_allclose(spreads(vectors, views, (0.2, 0.2)), [*expected, expected[1]])
