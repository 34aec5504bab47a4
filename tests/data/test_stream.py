"""The stream: strict, deterministic, in learning-order labels with the data set's own names."""

import gc
import weakref

import gin
import numpy as np
import pytest

import dgm_tf.data
from dgm_tf.data import Arrays, ClassIncrementalStream, PastTaskError
from dgm_tf.errors import UserError

NAMES = ("cat", "dog", "bird", "deer", "frog", "ship")
TRAIN_PER_CLASS, TEST_PER_CLASS = 20, 5


class Coded:
    """A source whose images tell class (first pixel) and number within the data set (second pixel)."""

    name = "coded"

    def __init__(self):
        self.loads = 0

    def load(self):
        self.loads += 1
        train, test = self.part(TRAIN_PER_CLASS), self.part(TEST_PER_CLASS)
        return Arrays(*train, *test, NAMES)

    @staticmethod
    def part(per_class):
        labels = np.random.RandomState(1).permutation(np.repeat(np.arange(len(NAMES)), per_class))
        images = np.zeros((len(labels), 8, 8, 1), np.uint8)
        images[:, 0, 0, 0], images[:, 0, 1, 0] = labels, np.arange(len(labels))
        return images, labels


def make_stream(**arguments):
    return ClassIncrementalStream(Coded(), **{"image_size": 8, **arguments})


def own_labels(split):
    """The data set's own labels of a split's images."""
    return split.images[:, 0, 0, 0]


def numbers_in(split):
    return set(split.images[:, 0, 1, 0].tolist())


def test_nothing_is_loaded_before_it_is_asked_for_and_then_once():
    source = Coded()
    stream = ClassIncrementalStream(source, image_size=8)
    assert stream.name == "coded"
    assert source.loads == 0
    assert (stream.num_tasks, stream.num_classes, stream.image_shape) == (6, 6, (8, 8, 1))
    list(stream)
    assert source.loads == 1


def test_a_past_task_cannot_be_asked_for():
    stream = make_stream()
    stream.task(0)
    stream.task(1)
    with pytest.raises(PastTaskError, match="expected 1 or later, got 0"):
        stream.task(0)


def test_passed_training_images_are_dropped_and_everything_else_stays():
    stream = make_stream()
    dropped = weakref.ref(stream.task(1).train)
    stream.task(3)
    gc.collect()
    assert dropped() is None
    assert [len(stream.test_split(t)) for t in range(6)] == [TEST_PER_CLASS] * 6


def test_the_latest_task_can_be_asked_for_again_and_jumps_forward_are_fine():
    stream = make_stream()
    first, again = stream.task(4), stream.task(4)
    assert np.array_equal(first.train.images, again.train.images)
    assert stream.task(5).index == 5


def test_a_stream_can_be_gone_through_once_and_a_fresh_copy_begins_again():
    stream = make_stream(class_order="random", seed=2)
    before = [task.train.images for task in stream]
    with pytest.raises(PastTaskError):
        next(iter(stream))
    after = [task.train.images for task in stream.fresh_copy()]
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))


def test_past_validation_is_of_past_tasks_alone():
    stream = make_stream()
    held_out = stream.task(0).validation
    stream.task(1)
    assert np.array_equal(stream.past_validation(0).images, held_out.images)
    for t in (1, 2):
        with pytest.raises(UserError, match="expected a task before the latest one"):
            stream.past_validation(t)


@pytest.mark.parametrize("t", [-1, 6, "0", 1.0, True])
def test_only_tasks_of_the_stream_exist(t):
    stream = make_stream()
    for ask in (stream.task, stream.test_split, stream.past_validation, stream.task_classes):
        with pytest.raises(UserError, match="^t: expected a task from 0 to 5"):
            ask(t)


@pytest.mark.parametrize("numbers", [(-1, 2), ("a", 2), (1, 2.0), (1, None)])
def test_a_task_follows_whole_numbers_of_others(numbers):
    with pytest.raises(UserError, match="num_(tasks|classes): expected an integer in"):
        make_stream().task(0).following(*numbers)


@pytest.mark.parametrize("class_order", ["natural", "random", (5, 3, 1, 0, 2, 4), ("ship", 0, "bird", 1, "frog", 3)])
def test_labels_are_in_learning_order_and_names_are_the_data_sets(class_order):
    stream = make_stream(class_order=class_order, classes_per_task=2)
    for task in stream:
        assert task.classes == stream.task_classes(task.index) == (2 * task.index, 2 * task.index + 1)
        assert task.class_names == tuple(stream.class_names[label] for label in task.classes)
        for split in (task.train, task.validation, task.test):
            assert split.labels.dtype == np.int32
            assert set(split.labels.tolist()) == set(task.classes)
            names = [NAMES[own] for own in own_labels(split)]
            assert names == [stream.class_names[label] for label in split.labels]


def test_natural_random_and_given_orders():
    assert make_stream().class_names == NAMES
    random = [make_stream(class_order="random", seed=seed).class_names for seed in (1, 1, 2)]
    assert random[0] == random[1] != random[2]
    assert make_stream(class_order=["ship", 0]).class_names == ("ship", "cat")


def test_uneven_tasks_and_a_limited_stream():
    stream = make_stream(classes_per_task=[3, 1, 2])
    assert [stream.task_classes(t) for t in range(3)] == [(0, 1, 2), (3,), (4, 5)]
    limited = make_stream(num_tasks=2, classes_per_task=2)
    assert (limited.num_tasks, limited.num_classes, limited.class_names) == (2, 4, NAMES[:4])


def test_the_splits_of_a_task_share_no_image_and_leave_none_out():
    for task in make_stream(validation_fraction=0.25):
        train, validation = numbers_in(task.train), numbers_in(task.validation)
        assert not train & validation
        assert (len(train), len(validation)) == (15, 5)


def test_validation_images_are_a_share_of_each_class_and_the_same_in_every_order():
    chosen = []
    for arguments in ({}, {"class_order": "random", "classes_per_task": 3}, {"class_order": ("ship", "dog")}):
        of_class = {}
        for task in make_stream(seed=9, validation_fraction=0.2, **arguments):
            for own in set(own_labels(task.validation).tolist()):
                images = task.validation.images[own_labels(task.validation) == own]
                of_class[own] = set(images[:, 0, 1, 0].tolist())
        chosen.append(of_class)
    assert all(len(numbers) == 4 for of_class in chosen for numbers in of_class.values())
    assert chosen[0] == chosen[1]
    assert all(chosen[0][own] == chosen[2][own] for own in (1, 5))


def test_no_validation_split_where_none_is_wanted():
    task = make_stream(validation_fraction=0).task(0)
    assert (len(task.train), len(task.validation)) == (TRAIN_PER_CLASS, 0)
    assert task.validation.images.shape == (0, 8, 8, 1)


def test_images_are_resized():
    task = make_stream(image_size=32).task(0)
    shapes = {split.images.shape[1:] for split in (task.train, task.validation, task.test)}
    assert shapes == {(32, 32, 1)}


def test_classes_without_training_images_are_not_in_the_stream():
    source = Coded()
    everything = source.load()
    seen = everything.train_labels != 2
    source.load = lambda: Arrays(
        everything.train_images[seen], everything.train_labels[seen], *Coded.part(TEST_PER_CLASS), NAMES
    )
    assert ClassIncrementalStream(source, image_size=8).class_names == NAMES[:2] + NAMES[3:]
    with pytest.raises(UserError, match="'bird'.*no images"):
        _ = ClassIncrementalStream(source, class_order=("bird",)).num_tasks


def test_a_class_that_cannot_be_tested_is_refused():
    source = Coded()
    everything = source.load()
    seen = everything.test_labels != 2
    source.load = lambda: Arrays(
        everything.train_images,
        everything.train_labels,
        everything.test_images[seen],
        everything.test_labels[seen],
        NAMES,
    )
    with pytest.raises(UserError, match="no test images, such as bird"):
        _ = ClassIncrementalStream(source).num_tasks


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("source", Coded),
        ("source", "mnist"),
        ("classes_per_task", 0),
        ("num_tasks", 0),
        ("class_order", "sorted"),
        ("class_order", (1, 1)),
        ("seed", -1),
        ("seed", 0.5),
        ("seed", None),
        ("validation_fraction", 1.0),
        ("validation_fraction", -0.1),
        ("validation_fraction", "10%"),
        ("image_size", 0),
        ("image_size", 32.0),
    ],
)
def test_bad_arguments_are_refused_by_name_before_anything_is_loaded(argument, value):
    source = Coded()
    with pytest.raises(UserError, match=f"^{argument}: expected.*got"):
        ClassIncrementalStream(**{"source": source, argument: value})
    assert source.loads == 0


def test_a_data_set_without_training_images_is_refused():
    source = Coded()
    test = source.part(TEST_PER_CLASS)
    source.load = lambda: Arrays(test[0][:0], test[1][:0], *test, NAMES)
    with pytest.raises(UserError, match="^source: expected a data set with training images"):
        _ = ClassIncrementalStream(source).num_tasks


def test_orders_and_sizes_may_be_numpy_arrays():
    stream = make_stream(class_order=np.array([4, 2, 0]), classes_per_task=np.array([1, 2]))
    assert stream.class_names == ("frog", "bird", "cat")
    assert stream.task_classes(1) == (1, 2)


def test_a_given_order_too_short_for_the_tasks_is_refused_before_anything_is_loaded():
    with pytest.raises(UserError, match="2 tasks need 4 classes, there are only 3"):
        make_stream(class_order=(0, 1, 2), classes_per_task=[2, 2])


def test_more_classes_than_the_data_set_has_and_unknown_names_show_when_it_is_loaded():
    with pytest.raises(UserError, match="there are only 6"):
        _ = make_stream(classes_per_task=[4, 4]).num_tasks
    with pytest.raises(UserError, match="'horse', no class"):
        _ = make_stream(class_order=("horse",)).num_tasks


def test_gin_builds_a_stream_from_the_package_alone():
    assert dgm_tf.data.TFDS  # importing the package registers the sources
    gin.clear_config()
    try:
        gin.parse_config(
            """
            ClassIncrementalStream.source = @PackagedMNIST()
            ClassIncrementalStream.num_tasks = 2
            ClassIncrementalStream.class_order = ("7", 1)
            TFDS.name = "cifar10"
            """
        )
        stream = gin.get_configurable("ClassIncrementalStream")()
        assert (stream.name, stream.class_names) == ("mnist_mini", ("7", "1"))
        assert gin.get_configurable("TFDS")().name == "cifar10"
    finally:
        gin.clear_config()
