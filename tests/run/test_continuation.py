"""What a run learns on: the order of classes in which it has begun."""

import pytest

from dgm_tf.data import ClassIncrementalStream, ImageFolder
from dgm_tf.errors import UserError
from dgm_tf.run.continuation import Continuation, NothingToLearn
from tests.pictures import draw


def taken_up(folder, later, goes_on):
    """A `Continuation` of a run that has learned one class and then begun, or ended, what `later` says."""
    longer = object.__new__(Continuation)
    longer._kind, longer._place, longer._run_dir = "image_dir", str(folder), folder
    longer._classes_per_task, longer._class_order = 1, "natural"
    longer._make_source = lambda kind, path, shape: ImageFolder(path, size=16, channels=1)
    longer._learner, longer._goes_on, longer._arrays = {"image_shape": [16, 16, 1]}, goes_on, {}
    names = ["cat", *(later["class_names"] if later else [])]
    tasks = [[label] for label in range(len(names))]
    longer._results = {"class_names": names, "tasks": tasks, "later": [later] if later else []}
    return longer


@pytest.mark.parametrize("order", [["1", "10", "2"], ["1", "2", "10"]], ids=["of letters", "of numbers"])
def test_classes_that_are_numbers_keep_the_order_in_which_they_were_begun(tmp_path, order):
    draw(tmp_path / "first", "cat")
    stream = ClassIncrementalStream(ImageFolder(tmp_path / "first", size=16), image_size=16)
    folder = draw(tmp_path / "more", "1", "2", "10")
    later = {"first_task": 1, "image_dir": str(folder), "class_names": order}
    later |= {"classes_per_task": [1, 1, 1], "train_sizes": [2, 2, 2]}
    assert taken_up(folder, later, goes_on=True)(stream, tmp_path).class_names == ("cat", *order)
    with pytest.raises(NothingToLearn, match=", ".join(order)):
        taken_up(folder, later, goes_on=False)(stream, tmp_path)
    other = later | {"class_names": ["10", "1", "2"]}
    with pytest.raises(UserError, match="expected the same command and images again, got 1, 2, 10"):
        taken_up(folder, other, goes_on=True)(stream, tmp_path)
