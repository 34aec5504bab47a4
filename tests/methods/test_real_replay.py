"""DGM + real: how many real images are stored of each class, which, and how they take part in the replay."""

import numpy as np
import pytest

from dgm_tf.errors import UserError
from dgm_tf.methods.context import TaskContext
from dgm_tf.methods.exemplars import herded
from dgm_tf.methods.real_replay import RealMemory, RealReplay
from dgm_tf.training.classifier import ClassifierSettings
from tests.methods import resuming, tiny

TASKS = (tiny.task(0, (0, 1), 10), tiny.task(1, (2,), 10), tiny.task(2, (3,), 10))


def remembered(settings, tasks=TASKS, network=None):
    """A memory that has stored from the tasks."""
    memory, classes = RealMemory(settings), []
    for task in tasks:
        classes.append(task.classes)
        memory.store(TaskContext(task, tuple(classes), (32, 32, 1), 0), network)
    return memory


def counts(memory):
    images = memory.arrays()
    return [len(images[key]) for key in sorted(images)]


def is_in(image, images):
    return any(np.array_equal(image, other) for other in images)


@pytest.mark.parametrize(
    ("ratio", "count", "stored"), [(0.1, 5400, 540), (0.25, 10, 2), (0.75, 10, 8), (1.0, 7, 7), (0.01, 10, 0)]
)
def test_a_ratio_is_a_share_of_the_classs_images(ratio, count, stored):
    assert RealReplay(ratio=ratio).per_class(count, num_classes=3) == stored  # 2.5 and 7.5: to the even neighbour
    assert RealReplay(ratio=ratio).share_of(count) == stored


@pytest.mark.parametrize(("num_classes", "each"), [(1, 10), (3, 3), (4, 2), (10, 1), (11, 0)])
def test_a_budget_is_shared_by_the_classes_seen(num_classes, each):
    assert RealReplay(budget=10).per_class(5400, num_classes) == each


def test_a_budget_shrinks_as_classes_come():
    settings = RealReplay(budget=9)
    assert [counts(remembered(settings, TASKS[:n])) for n in (1, 2, 3)] == [[4, 4], [3, 3, 3], [2, 2, 2, 2]]


def test_a_ratio_does_not_shrink():
    assert counts(remembered(RealReplay(ratio=0.3))) == [3, 3, 3, 3]


def test_a_budget_larger_than_the_classes_stores_what_there_is():
    assert counts(remembered(RealReplay(budget=100))) == [10, 10, 10, 10]


def test_stored_images_are_the_tasks_own_and_no_two_are_one():
    stored = remembered(RealReplay(ratio=0.5)).arrays()
    for task in TASKS:
        for label in task.classes:
            images = stored[f"exemplars/{label:04d}"]
            assert all(is_in(image, task.train.of_class(label)) for image in images)
            assert len(np.unique(images.reshape(5, -1), axis=0)) == 5


def test_random_choice_follows_from_the_seed():
    one, same = (remembered(RealReplay(ratio=0.5)).arrays() for _ in range(2))
    for key in one:
        np.testing.assert_array_equal(one[key], same[key])
    assert not np.array_equal(one["exemplars/0000"], TASKS[0].train.of_class(0)[:5])


def test_herding_goes_by_the_tasks_own_network():
    network = tiny.Discriminator(num_classes=2)
    stored = remembered(RealReplay(ratio=0.5, selection="herding"), TASKS[:1], network).arrays()
    for label in (0, 1):
        expected = herded(network, TASKS[0].train.of_class(label), 5)
        np.testing.assert_array_equal(stored[f"exemplars/{label:04d}"], expected)


def generated(labels):
    """As many images of level 255, which no stored one has."""
    return np.full((len(labels), 32, 32, 1), 255, np.uint8)


@pytest.mark.parametrize(
    ("settings", "count", "real"),
    [
        (RealReplay(ratio=0.3), 10, 3),
        (RealReplay(ratio=0.3), 5, 2),  # fewer are replayed than a class had: the share stays, round(1.5)
        (RealReplay(ratio=0.3), 20, 3),  # more are: no more than 3 were stored
        (RealReplay(budget=9), 10, 2),
        (RealReplay(budget=9), 1, 1),
        (RealReplay(ratio=1.0), 10, 10),
        (None, 10, 0),
    ],
)
def test_each_class_has_its_count_real_and_generated_together(settings, count, real):
    images, labels = remembered(settings).completed((0, 1), count, generated)
    assert images.dtype == np.uint8 and labels.dtype == np.int32
    for label in (0, 1):
        own = images[labels == label]
        made = np.all(own == 255, axis=(1, 2, 3))
        assert len(own) == count and np.sum(~made) == real
        assert all(is_in(image, TASKS[0].train.of_class(label)) for image in own[~made])


def test_where_all_are_real_nothing_is_generated():
    memory = remembered(RealReplay(ratio=1.0))
    memory.completed((0, 1), 10, lambda labels: pytest.fail("generated"))


def test_floats_beside_levels_become_floats():
    memory = remembered(RealReplay(ratio=0.5))
    images, _ = memory.completed((0,), 10, lambda labels: np.zeros((len(labels), 32, 32, 1), np.float32))
    assert images.dtype == np.float32 and -1.0 <= images.min() < images.max() <= 1.0


def dgm(**settings):
    """The classifier learns after the GAN, from what is replayed."""
    return tiny.dgm(classifier=ClassifierSettings("none", closing_epochs=1), **settings)


def untrained(method):
    """The method after two tasks of none but their beginnings and ends, and the context of the third."""
    for index in range(3):
        context = TaskContext(TASKS[index], ((0, 1), (2,), (3,))[: index + 1], (32, 32, 1), 0)
        method.begin_task(context)
        if index < 2:
            method.end_task(context)
    return method, context


@pytest.fixture(scope="module")
def method_and_context():
    """A method that has stored three images of each of three classes."""
    return untrained(dgm(real=RealReplay(ratio=0.3)))


def test_dgm_replays_a_share_of_real_images(method_and_context):
    method, context = method_and_context
    groups, stored = method.replayed(context), method.arrays()
    assert [set(labels) for _, labels in groups] == [{0, 1}, {2}]
    for images, labels in groups:
        for label in set(labels):
            own = np.rint((images[labels == label] + 1) * 127.5)
            assert len(own) == 10
            assert sum(is_in(image, stored[f"exemplars/{label:04d}"]) for image in own) == 3


def test_dgm_counts_stored_images_as_memory(method_and_context):
    assert method_and_context[0].memory_bytes()["images"] == 3 * 3 * 32 * 32


def test_dgm_without_real_images_stores_none():
    method, _ = untrained(dgm())
    assert method.memory_bytes().keys() == {"generator", "masks"} and method.arrays().keys() == {"train_counts"}


def test_dgm_resumes_in_the_middle_of_a_task():
    resuming.assert_resumes(dgm(real=RealReplay(budget=7, selection="herding")), TASKS[:2])


def test_dgm_loads_and_goes_on(tmp_path):
    method = dgm(real=RealReplay(ratio=0.3))
    resuming.assert_loads(resuming.learned(method, TASKS[:1]), tmp_path, TASKS[1])


@pytest.mark.parametrize(
    ("bad", "text"),
    [
        ({}, "RealReplay: expected either a ratio or a budget, got ratio None and budget None"),
        ({"ratio": 0.1, "budget": 5}, "RealReplay: expected either a ratio or a budget, got ratio 0.1 and budget 5"),
        ({"ratio": 1.5}, "RealReplay.ratio: expected"),
        ({"budget": 0}, "RealReplay.budget: expected"),
        ({"ratio": 0.1, "selection": "best"}, "RealReplay.selection: expected"),
    ],
)
def test_bad_settings_are_named(bad, text):
    with pytest.raises(UserError, match=text):
        RealReplay(**bad)


def test_dgm_takes_settings_of_its_kind():
    with pytest.raises(UserError, match="DGM.real: expected @RealReplay"):
        tiny.dgm(real=0.1)


def test_no_image_of_a_class_is_refused_before_anything_is_learned():
    learner = resuming.learned(dgm(real=RealReplay(budget=2)), TASKS[:1])
    with pytest.raises(UserError, match="RealReplay.budget: expected at least one image for each of 3 classes, got 2"):
        learner.method.check_classes(3)
    with pytest.raises(UserError, match="RealReplay.ratio: expected at least one of a class's"):
        resuming.learned(dgm(real=RealReplay(ratio=1e-6)), TASKS[:1])


def test_one_image_of_each_class_is_enough():
    RealMemory(RealReplay(budget=3)).check_classes(3)
    RealMemory(RealReplay(ratio=0.1)).check_images(10)
    with pytest.raises(UserError, match="RealReplay.budget: expected at least one image for each of 4 classes, got 3"):
        RealMemory(RealReplay(budget=3)).check_classes(4)
