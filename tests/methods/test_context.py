"""What a method may know of a task."""

from dgm_tf.methods.context import TaskContext
from tests.methods import tiny


def context(index=1, seed=0):
    classes = ((0, 1), (2,), (3, 4))[: index + 1]
    return TaskContext(tiny.task(index, classes[-1]), classes, (32, 32, 1), seed)


def test_classes_so_far():
    assert context(0).num_classes == 2 and context(2).num_classes == 5
    assert context(0).earlier_classes == [] and context(2).earlier_classes == [0, 1, 2]


def test_images_per_class_are_a_mean():
    assert context(0).images_per_class == context(1).images_per_class == 16
    uneven = TaskContext(tiny.task(0, (0, 1), 5), ((0, 1),), (32, 32, 1), 0)
    assert uneven.images_per_class == 5


def test_each_task_has_a_seed_of_its_own():
    seeds = [context(index, seed).task_seed for seed in range(2) for index in range(3)]
    assert len(set(seeds)) == 6 and all(0 <= s < 2**31 for s in seeds), "as TensorFlow's seeds, too, may be"
    assert context(1).task_seed == context(1).task_seed
