"""The distances between real and generated images, on sets whose distances are known."""

import json

import numpy as np
import pytest

from dgm_tf.measures import fidelity


def _normal(seed, count=300, size=8, offset=0.0, scale=1.0):
    return offset + scale * np.random.default_rng(seed).normal(size=(count, size))


def test_precision_and_recall_by_hand():
    # On a line: the third neighbour of 0 is 3 away, of 1, 2 and 3 it is 2, 2 and 3, of 100 it is 99.
    real = np.array([0.0, 1.0, 2.0, 3.0, 100.0])[:, None]
    generated = np.array([-3.0, -3.5, -4.0, 6.0, 7.5])[:, None]
    # -3 and 6 lie on the balls of 0 and 3, 7.5 within 100's; -3.5 and -4 in none.
    # -3's third neighbour is 9 away, which covers all but 100, as does the ball of each other one or less.
    precision, recall = fidelity.precision_recall(real, generated)
    assert precision == pytest.approx(3 / 5) and recall == pytest.approx(4 / 5)


def test_one_distribution_has_precision_and_recall_alike_and_no_kernel_distance():
    real, generated = _normal(0), _normal(1)
    precision, recall = fidelity.precision_recall(real, generated)
    assert precision > 0.8 and recall > 0.8
    assert abs(fidelity.kernel_distance(real, generated)) < 0.02


def test_a_missing_mode_costs_recall_and_an_invented_one_precision():
    both = np.concatenate([_normal(0), _normal(1, offset=20.0)])
    one = _normal(2)
    precision, recall = fidelity.precision_recall(both, one)
    assert precision > 0.8 and 0.35 < recall < 0.5
    precision, recall = fidelity.precision_recall(one, both)
    assert 0.35 < precision < 0.5 and recall > 0.8


def test_the_kernel_distance_by_hand():
    # One dimension, kernel (x y + 1)^3: within 0 and 1: 1; within 1 and 2: 27; between: 1, 1, 8, 27.
    real, generated = np.array([[0.0], [1.0]]), np.array([[1.0], [2.0]])
    assert fidelity.kernel_distance(real, generated) == pytest.approx(1 + 27 - 2 * (1 + 1 + 8 + 27) / 4)


def test_the_kernel_distance_grows_with_the_offset():
    distances = [fidelity.kernel_distance(_normal(0), _normal(1, offset=offset)) for offset in (0.0, 0.5, 1.0)]
    assert distances == sorted(distances) and distances[2] > 10 * abs(distances[0])


def test_the_pixel_distance_by_hand():
    real = np.array([-1.0, 1.0, -1.0, 1.0]).reshape(4, 1, 1, 1)  # mean 0, deviation 1
    assert fidelity.pixel_distance(real, real) == 0.0
    assert fidelity.pixel_distance(real, real + 0.3) == pytest.approx(0.3)
    grey = np.zeros((4, 1, 1, 1))
    assert fidelity.pixel_distance(real, grey) == pytest.approx(1.0)
    assert fidelity.pixel_distance(real, grey + 0.75) == pytest.approx(1.25)  # 0.75 and 1 at right angles


def test_each_pixel_is_compared_with_itself():
    real = np.tile(np.array([-1.0, 1.0]).reshape(1, 1, 2, 1), (4, 1, 1, 1))
    assert fidelity.pixel_distance(real, real[:, :, ::-1]) == pytest.approx(2.0)


def test_a_class_of_few_images_is_not_measured():
    few, many = np.zeros((4, 2, 2, 1)), np.zeros((9, 2, 2, 1))
    for real, generated in ((few, many), (many, few)):
        measured = fidelity.class_fidelity(real, generated, real[:, 0, 0], generated[:, 0, 0])
        assert set(measured.values()) == {None}
    five = np.random.default_rng(0).uniform(size=(5, 2, 2, 1))
    assert None not in fidelity.class_fidelity(five, five, five[:, 0, 0], five[:, 0, 0]).values()
    assert fidelity.class_fidelity(many, many, many[:, 0, 0], many[:, 0, 0]) == {
        "precision": 1.0, "recall": 1.0, "kernel_distance": 0.0, "pixel_distance": 0.0,
    }  # fmt: skip


def test_means_are_over_the_classes_measured():
    assert fidelity.means({"recall": [0.5, None, 1.0], "precision": [None, None]}) == {"recall": 0.75}


def test_a_pixel_that_is_no_number_is_not_measured():
    images = np.random.default_rng(0).uniform(-1, 1, (9, 2, 2, 1))
    broken = images.copy()
    broken[3, 0, 0, 0] = np.nan
    measured = fidelity.class_fidelity(images, broken, images[:, 0, 0], broken[:, 0, 0])
    assert measured["kernel_distance"] is None and measured["pixel_distance"] is None
    assert json.dumps(measured, allow_nan=False)


def test_it_takes_single_precision():
    real, generated = _normal(0).astype(np.float32), _normal(1, offset=0.3).astype(np.float32)
    expected = fidelity.kernel_distance(real.astype(np.float64), generated.astype(np.float64))
    assert fidelity.kernel_distance(real, generated) == pytest.approx(expected, rel=1e-4)


def test_a_small_deviation_of_many_images_is_found_in_single_precision_too():
    real = (0.9 + 0.001 * np.random.default_rng(0).normal(size=(3000, 2, 2, 1))).astype(np.float32)
    flat = np.zeros_like(real) + np.mean(real, axis=0, dtype=np.float64).astype(np.float32)
    assert fidelity.pixel_distance(real, flat) == pytest.approx(0.001, rel=0.05)
