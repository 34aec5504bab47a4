"""What a run learns on: the order of classes in which it has begun."""

import dataclasses

import pytest

from dgm_tf.data import ClassIncrementalStream, ImageFolder
from dgm_tf.errors import UserError
from dgm_tf.measures.record import Record, TaskRecord
from dgm_tf.measures.standard import descriptions
from dgm_tf.run.checkpoints import write_checkpoint
from dgm_tf.run.continuation import Continuation, NothingToLearn
from dgm_tf.run.folder import RunFolder
from tests.pictures import draw


def taken_up(place, folder, later, ended):
    """A `Continuation`, read, of a run that has learned one class and then begun, or ended, what `later` says."""
    names, run = ["cat", *later["class_names"]], RunFolder(place)
    tasks = [[label] for label in range(len(names))]
    begun = Record(names, tasks, measures=descriptions(), task_records=[TaskRecord()], later=[later])
    learner = {"position": {}, "task_classes": tasks, "image_shape": [16, 16, 1]}
    write_checkpoint(run.checkpoints, {}, learner, {"results": begun.small(), "seconds": {}})
    dataclasses.replace(begun, finished=ended).write(run.path)
    longer = Continuation(run, source, "image_dir", str(folder), 1, "natural")
    longer.read()
    return longer


def source(kind, path, shape):
    return ImageFolder(path, size=16, channels=1)


@pytest.mark.parametrize("order", [["1", "10", "2"], ["1", "2", "10"]], ids=["of letters", "of numbers"])
def test_classes_that_are_numbers_keep_the_order_in_which_they_were_begun(tmp_path, order):
    draw(tmp_path / "first", "cat")
    stream = ClassIncrementalStream(ImageFolder(tmp_path / "first", size=16), image_size=16)
    folder = draw(tmp_path / "more", "1", "2", "10")
    later = {"first_task": 1, "image_dir": str(folder), "class_names": order}
    later |= {"classes_per_task": [1, 1, 1], "train_sizes": [2, 2, 2]}
    assert taken_up(tmp_path / "run", folder, later, ended=False)(stream, tmp_path).class_names == ("cat", *order)
    with pytest.raises(NothingToLearn, match=", ".join(order)):
        taken_up(tmp_path / "run", folder, later, ended=True)(stream, tmp_path)
    other = later | {"class_names": ["10", "1", "2"]}
    with pytest.raises(UserError, match="expected the same command and images again, got 1, 2, 10"):
        taken_up(tmp_path / "run", folder, other, ended=False)(stream, tmp_path)
