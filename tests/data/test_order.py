"""Class orders, task sizes and the validation split."""

import numpy as np
import pytest

from dgm_tf.data import order
from dgm_tf.errors import UserError

NAMES = ("cat", "dog", "bird", "crane", "crane")


def test_natural_order_is_the_data_sets_own():
    assert order.resolve_order("natural", NAMES, [0, 2, 3], seed=5).tolist() == [0, 2, 3]


def test_random_order_holds_every_class_once_and_only_its_seed_changes_it():
    orders = [order.resolve_order("random", NAMES, range(50), seed).tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert sorted(orders[0]) == list(range(50))


def test_random_order_of_a_seed_stays_the_same_in_every_version():
    assert order.resolve_order("random", NAMES, range(10), 0).tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]


def test_given_order_may_mix_labels_and_names_and_leave_classes_out():
    assert order.resolve_order(("bird", 0, 4), NAMES, range(5), seed=0).tolist() == [2, 0, 4]


@pytest.mark.parametrize(
    ("class_order", "message"),
    [
        (("horse",), "'horse', no class"),
        (("crane",), "several classes"),
        ((5,), "labels from 0 to 4.*got 5"),
        ((-1,), "got -1"),
        ((0, "cat"), "each class once"),
        ((1,), "'dog'.*no images"),
    ],
)
def test_given_order_must_fit_the_data_set(class_order, message):
    with pytest.raises(UserError, match=message):
        order.resolve_order(class_order, NAMES, [0, 2, 3, 4], seed=0)


@pytest.mark.parametrize("class_order", ["reversed", 3, None, (), (1.5,), (True,), (1, 1), ("a", "a")])
def test_what_cannot_be_an_order_is_refused_without_data(class_order):
    with pytest.raises(UserError, match="^class_order: expected"):
        order.check_order(class_order)


@pytest.mark.parametrize(
    ("classes_per_task", "num_tasks", "sizes"),
    [
        (1, None, [1] * 10),
        (5, None, [5, 5]),
        (3, 3, [3, 3, 3]),
        (1, 4, [1, 1, 1, 1]),
        ([5, 2, 3], None, [5, 2, 3]),
        ((5, 2, 3), 2, [5, 2]),
        ([4], None, [4]),
    ],
)
def test_task_sizes(classes_per_task, num_tasks, sizes):
    order.check_sizes(classes_per_task, num_tasks)
    assert order.task_sizes(classes_per_task, num_tasks, 10) == sizes


@pytest.mark.parametrize(
    ("classes_per_task", "num_tasks", "message"),
    [
        ([5, 6], None, "2 tasks need 11 classes, there are only 10"),
        (4, 3, "3 tasks need 12 classes"),
        (11, None, "does not divide"),
        (3, None, "does not divide"),
    ],
)
def test_tasks_cannot_need_more_classes_than_there_are(classes_per_task, num_tasks, message):
    with pytest.raises(UserError, match=f"^classes_per_task: .*{message}"):
        order.task_sizes(classes_per_task, num_tasks, 10)


@pytest.mark.parametrize("classes_per_task", [0, -1, [], [2, 0], [1, 1.5], "2", True, 1.0])
def test_sizes_must_be_positive_integers(classes_per_task):
    with pytest.raises(UserError, match="^classes_per_task: expected"):
        order.check_sizes(classes_per_task, None)


@pytest.mark.parametrize(("classes_per_task", "num_tasks"), [(1, 0), (1, -2), (1, 2.0), (1, "3"), ([2, 2], 3)])
def test_number_of_tasks_must_be_positive_and_covered_by_the_sizes(classes_per_task, num_tasks):
    with pytest.raises(UserError, match="^num_tasks: expected"):
        order.check_sizes(classes_per_task, num_tasks)


def test_task_ranges_are_consecutive():
    assert order.task_ranges([2, 1, 3]) == [range(0, 2), range(2, 3), range(3, 6)]


def test_validation_mask_takes_the_same_share_of_every_class():
    labels = np.repeat([0, 1, 2], [100, 50, 10])
    mask = order.validation_mask(labels, 0.1, seed=3)
    assert [int(mask[labels == label].sum()) for label in range(3)] == [10, 5, 1]


def test_validation_mask_of_a_class_depends_on_nothing_but_its_images_and_the_seed():
    few = order.validation_mask(np.repeat([7], 100), 0.2, seed=3)
    many = order.validation_mask(np.repeat([2, 7], [60, 100]), 0.2, seed=3)
    assert np.array_equal(few, many[60:])
    assert not np.array_equal(few, order.validation_mask(np.repeat([7], 100), 0.2, seed=4))


def test_validation_mask_leaves_an_image_to_learn_from():
    labels = np.array([0, 1, 1])
    mask = order.validation_mask(labels, 0.99, seed=0)
    assert not mask[0] and mask[1:].sum() == 1
    assert not order.validation_mask(labels, 0.0, seed=0).any()
