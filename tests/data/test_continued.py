"""A stream that goes on with new classes after others, of which only test images may be left."""

import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST, excerpts
from dgm_tf.data.continued import ContinuedStream
from dgm_tf.errors import UserError


def digits(*names, sizes=None, **arguments):
    return ClassIncrementalStream(PackagedMNIST(), sizes, class_order=names, **arguments)


@pytest.fixture(scope="module")
def continued():
    """After 7, then 2 and 5, the tasks 0 and 9, then 3."""
    earlier = digits("7")
    return ContinuedStream(["7", "2", "5"], [[0], [1, 2]], [earlier], digits("0", "9", "3", sizes=[2, 1]))


@pytest.fixture
def no_images_of_2(monkeypatch):
    original = ClassIncrementalStream.test_images_of
    monkeypatch.setattr(
        ClassIncrementalStream, "test_images_of", lambda self, names: original(self, [n for n in names if n != "2"])
    )


def test_it_looks_like_one_stream(continued):
    whole = digits("7", "2", "5", "0", "9", "3", sizes=[1, 2, 2, 1])
    assert continued.num_tasks == whole.num_tasks and continued.class_names == whole.class_names
    assert [continued.task_classes(t) for t in range(4)] == [whole.task_classes(t) for t in range(4)]
    for t in (2, 3):
        task, expected = continued.task(t), whole.task(t)
        assert (task.index, task.classes, task.class_names) == (t, expected.classes, expected.class_names)
        for name in ("train", "validation", "test"):
            split, of_whole = getattr(task, name), getattr(expected, name)
            np.testing.assert_array_equal(split.images, of_whole.images)
            np.testing.assert_array_equal(split.labels, of_whole.labels)
            assert split.labels.dtype == np.int32
    for t in range(4):
        of_classes = [[split.of_class(c) for c in whole.task_classes(t)] for split in
                      (continued.test_split(t), whole.test_split(t))]  # fmt: skip
        for images, expected in zip(*of_classes, strict=True):
            np.testing.assert_array_equal(images, expected)
    assert continued.caution is None and not continued.complete and whole.complete


def test_what_is_not_here_any_more_is_named(no_images_of_2):
    continued = ContinuedStream(["7", "2", "5"], [[0], [1, 2]], [digits("7")], digits("0"))
    assert set(continued.test_split(1).labels) == {2} and len(continued.test_split(0)) == 100
    assert continued.caution.startswith("No test images are here of 2: ")


def test_data_that_cannot_be_loaded_are_no_error():
    class Gone:
        name = "gone"

        def load(self):
            raise UserError("no such folder")

    continued = ContinuedStream(["7"], [[0]], [ClassIncrementalStream(Gone())], digits("0"))
    assert continued.test_split(0).images.shape == (0, 32, 32, 1)
    assert continued.caution.startswith("No test images are here of 7: ")


def test_known_classes_are_no_new_ones():
    with pytest.raises(UserError, match="expected new classes, got '2', '7', learned before"):
        ContinuedStream(["7", "2", "5"], [[0], [1, 2]], [], digits("2", "3", "7"))


class Other:
    """Other images of a class 2."""

    def test_images_of(self, names):
        return {name: (np.full((3, 32, 32, 1), 7, np.uint8), 5) for name in names if name == "2"}


def test_test_images_that_are_others_than_at_the_time_are_left_out():
    tests = digits("7", "2", "5").test_images_of(["7", "2", "5"])
    told = [excerpts.of_class(*tests[name]) for name in ("7", "2", "5")]
    same = ContinuedStream(["7", "2", "5"], [[0], [1, 2]], [digits("7")], digits("0"), [*told[:2], None])
    assert same.caution is None and set(same.test_split(1).labels) == {1, 2}
    told[1] = excerpts.of_class(tests["2"][0], tests["2"][1] - 1)  # there was one less, though not among these
    changed = ContinuedStream(["7", "2", "5"], [[0], [1, 2]], [digits("7")], digits("0"), told)
    assert set(changed.test_split(1).labels) == {2}
    assert changed.caution.startswith("No test images are here of 2: ")
    assert "Found images of 2, but not its original test images" in changed.caution
    kept = ContinuedStream(["2"], [[0]], [Other(), digits("2")], digits("0"), [excerpts.of_class(*tests["2"])])
    assert kept.caution is None and len(kept.test_split(0)) == len(tests["2"][0])
