"""The Python API: learn, classify, replay, save, load."""

import dataclasses

import numpy as np
import pytest

import dgm_tf
from dgm_tf import learner as learner_module
from dgm_tf import serialization
from dgm_tf.data.rows import Rows
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.layers.storage import Storage, storage_of
from dgm_tf.learner import Learner
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.training.augmentation import Augmentation
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.loop import Callback, Position
from tests.methods import tiny

TASKS = (tiny.task(0, (0, 1)), tiny.task(1, (2,)))
LABELS = np.array([0, 1, 2, 0], np.int32)


def new_learner():
    """DGMw with everything on that is random, and a discriminator that is kept from task to task."""
    classifier = ClassifierSettings("constant", augmentation=Augmentation(), closing_epochs=1)
    return Learner(tiny.dgm("weights", classifier, reinitialize_discriminator=False), seed=5)


class Snapshots(Callback):
    """Keeps the state after some steps, as a checkpoint would."""

    def __init__(self, *positions):
        self._positions, self.states, self.hooks = positions, {}, []

    def on_step_end(self, learner, context, phase):
        position = learner.position
        if (position.task, position.phase, position.step) in self._positions:
            arrays = learner.arrays() | serialization.to_arrays("phase", phase.variables())
            self.keep(learner, arrays)

    def on_phases_end(self, learner, context):
        if context.index:
            self.keep(learner, learner.arrays())

    def keep(self, learner, arrays):
        state = learner.description(), {k: np.array(v) for k, v in arrays.items()}
        self.states[learner.position.phase, learner.position.step] = state


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """(learner of two tasks, folder saved after the first one, states in the middle of the second, outcomes)."""
    learner, snapshots = new_learner(), Snapshots((1, 0, 1), (1, 1, 2))
    folder = tmp_path_factory.mktemp("saved")
    outcomes = [learner.learn(TASKS[0])]
    learner.save(folder)
    outcomes.append(learner.learn(TASKS[1], (snapshots,)))
    return learner, folder, snapshots.states, outcomes


@pytest.fixture
def learner(learned):
    return learned[0]


def assert_same(one, other):
    """The same weights, answers and memories, to the bit."""
    arrays, others = one.arrays(), other.arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)
    np.testing.assert_array_equal(one.logits(TASKS[0].test.images), other.logits(TASKS[0].test.images))
    np.testing.assert_array_equal(one.replay(LABELS, seed=3), other.replay(LABELS, seed=3))
    assert one.description() == other.description()


def test_learning_counts_tasks_and_classes(learned):
    learner, _, _, outcomes = learned
    assert learner.num_tasks == 2 and learner.position == Position(2, 0, 0, (8 + 4) + (4 + 6))
    assert learner.class_names == ["class 0", "class 1", "class 2"]
    assert learner.task_classes == [(0, 1), (2,)]
    assert [o["capacity"]["task"] for o in outcomes] == [0, 1]


def test_classifying_is_over_all_classes(learner):
    images = TASKS[0].test.images
    logits = learner.logits(images)
    assert logits.shape == (8, 3) and logits.dtype == np.float32
    np.testing.assert_array_equal(learner.classify(images), np.argmax(logits, axis=1))


def test_images_may_be_levels_or_floats(learner):
    images = TASKS[0].test.images
    np.testing.assert_allclose(
        learner.logits(images), learner.logits(images.astype(np.float32) / 127.5 - 1.0), atol=1e-5
    )


def test_replay_gives_images_by_label(learner):
    images = learner.replay(LABELS, seed=3)
    assert images.shape == (4, 32, 32, 1) and images.dtype == np.uint8
    np.testing.assert_array_equal(images, learner.replay(LABELS.tolist(), seed=3))
    assert not np.array_equal(images, learner.replay(LABELS, seed=4))
    assert learner.replay([]).shape == (0, 32, 32, 1)


def test_a_loaded_learner_is_the_saved_one(learner, tmp_path):
    learner.save(tmp_path)
    assert_same(dgm_tf.load(tmp_path), learner)


def test_a_run_folders_memory_is_found(learner, tmp_path):
    learner.save(tmp_path / "memory")
    assert learner_module.load(tmp_path).num_tasks == 2


def test_a_loaded_learner_goes_on_like_one_never_saved(learned):
    learner, folder, _, _ = learned
    loaded = dgm_tf.load(folder)
    assert loaded.num_tasks == 1
    loaded.learn(TASKS[1])
    assert_same(loaded, learner)


@pytest.mark.parametrize("moment", [(0, 1), (1, 2), (2, 0)], ids=["first phase", "second phase", "phases done"])
def test_a_task_taken_up_again_in_its_middle_ends_the_same(learned, moment):
    learner, _, states, _ = learned

    class Restored(Callback):
        arrays_seen = None

        def restore(self, learner, arrays):
            self.arrays_seen = arrays

    taken_up, callback = Learner.from_state(*states[moment]), Restored()
    assert taken_up.num_tasks == 1 and len(taken_up.task_classes) == 2
    taken_up.learn(TASKS[1], (callback,))
    assert callback.arrays_seen is states[moment][1]
    assert_same(taken_up, learner)


def test_masks_take_at_most_a_bit_an_entry(learner, tmp_path):
    sizes = learner.save(tmp_path)
    (masks,) = files.read_arrays(tmp_path / "masks.npz")
    layers = learner.method.networks.generator.masked_layers
    entries = sum(
        int(np.prod(layer.mask_shape(*shape)))
        for layer in layers
        for shape in [*layer.task_shapes, (layer.inputs_width, layer.width)]
    )
    bits = 8 * sum(mask.nbytes for mask in masks.values())
    assert bits <= entries + 7 * len(masks)  # whole bytes
    # The file: what an archive says of each array, and no more than the bits.
    assert sizes["masks_bytes"] <= bits / 8 + 300 * len(masks)
    assert sizes["weights_bytes"] == (tmp_path / "weights.npz").stat().st_size


def test_what_follows_from_the_bits_is_not_saved(learner, tmp_path):
    learner.save(tmp_path)
    (weights,) = files.read_arrays(tmp_path / "weights.npz")
    embedding = learner.method.networks.generator.masked_layers[0].embedding
    assert all(array.shape != tuple(embedding.shape) or array.any() for array in weights.values())
    generator = learner.method.networks.generator
    derived = sum(storage_of(v) is Storage.REBUILD for v in generator.weights)
    (masks,) = files.read_arrays(tmp_path / "masks.npz")
    (stored,) = files.read_arrays(tmp_path / "stored.npz")
    assert derived == 6 and len(weights) + len(masks) + len(stored) == len(learner.arrays()) - derived


def test_saving_needs_the_end_of_a_task(learned, tmp_path):
    with pytest.raises(UserError, match="save: expected a learner at the end of a task, got one with 0 learned"):
        new_learner().save(tmp_path)
    in_the_middle = Learner.from_state(*learned[2][0, 1])
    with pytest.raises(UserError, match="save: expected a learner at the end of a task"):
        in_the_middle.save(tmp_path)


@pytest.mark.parametrize("index", [0, 1, 3])
def test_tasks_come_in_their_order(learner, index):
    with pytest.raises(UserError, match=f"task: expected task 2 next, got task {index}"):
        learner.learn(tiny.task(index))


def test_images_keep_their_shape_from_task_to_task(learner):
    with pytest.raises(UserError, match=r"expected images of shape \(32, 32, 1\), got \(32, 32, 3\)"):
        learner.learn(tiny.task(2, (3,), shape=(32, 32, 3)))


@pytest.mark.parametrize("classes", [(2,), (4,), (4, 3)])
def test_labels_follow_those_learned_so_far(learner, classes):
    with pytest.raises(UserError, match=r"task.classes: expected \(3,"):
        learner.learn(tiny.task(2, classes))


def test_labels_are_those_of_the_tasks_classes(learner):
    task = dataclasses.replace(tiny.task(2, (3, 4)), train=tiny.split((3,), 8, 0))
    with pytest.raises(UserError, match=r"task.train.labels: expected .* \(3, 4\), got labels \(3,\)"):
        learner.learn(task)


def test_a_task_broken_off_can_be_begun_anew():
    class Stop(Callback):
        def on_task_begin(self, learner, context):
            raise KeyboardInterrupt

    learner = new_learner()
    with pytest.raises(KeyboardInterrupt):
        learner.learn(TASKS[0], (Stop(),))
    assert (learner.class_names, learner.task_classes, learner.image_shape) == ([], [], None)
    learner.method.phases = lambda context: []
    learner.learn(TASKS[0])
    assert learner.class_names == ["class 0", "class 1"]


def test_who_fails_when_the_task_is_learned_finds_it_learned():
    class Fail(Callback):
        def on_task_end(self, learner, context, outcome):
            raise OSError("no space")

    learner = new_learner()
    learner.method.phases = lambda context: []
    with pytest.raises(OSError, match="no space"):
        learner.learn(TASKS[0], (Fail(),))
    assert learner.num_tasks == 1 and learner.classify(TASKS[0].test.images).shape == (8,)


def test_files_of_different_tasks_are_refused(learned, learner, tmp_path):
    learner.save(tmp_path)
    (tmp_path / "masks.npz").write_bytes((learned[1] / "masks.npz").read_bytes())
    with pytest.raises(UserError, match="masks.npz is damaged: it is not the file that learner.json was saved with"):
        dgm_tf.load(tmp_path)


def test_a_save_that_is_broken_off_leaves_the_earlier_one(learned, learner, tmp_path, monkeypatch):
    dgm_tf.load(learned[1]).save(tmp_path)
    monkeypatch.setattr(Learner, "description", lambda self: 1 / 0)  # the last thing written
    with pytest.raises(ZeroDivisionError):
        learner.save(tmp_path)
    monkeypatch.undo()
    assert dgm_tf.load(tmp_path).num_tasks == dgm_tf.load(learned[1]).num_tasks < learner.num_tasks


@pytest.mark.parametrize("name", ["weights", "masks", "stored"])
def test_a_missing_file_is_named(learner, tmp_path, name):
    learner.save(tmp_path)
    (tmp_path / f"{name}.npz").unlink()
    with pytest.raises(UserError, match=f"found no {name}.npz"):
        dgm_tf.load(tmp_path)


def test_a_method_serves_one_learner(learner):
    with pytest.raises(UserError, match="method: expected one that has learned nothing"):
        Learner(learner.method)


def test_numpy_integers_are_integers(tmp_path):
    gan = dataclasses.replace(tiny.GAN, epochs=np.int64(1))
    learner = Learner(tiny.dgm(gan=gan), seed=np.int64(3))
    learner.learn(dataclasses.replace(TASKS[0], classes=tuple(np.arange(2))))
    learner.save(tmp_path)
    assert dgm_tf.load(tmp_path).description() == learner.description()


def test_a_refused_task_leaves_the_learner_as_it_was():
    learner = new_learner()
    with pytest.raises(UserError, match="image_shape: .* 16, 32, 64 or 128"):
        learner.learn(tiny.task(0, (0, 1), shape=(28, 28, 1)))
    assert learner.task_classes == [] and learner.class_names == [] and learner.image_shape is None


def test_a_name_that_no_file_could_hold_is_refused_at_once():
    learner = new_learner()
    with pytest.raises(UserError, match=r"class_names: expected text that UTF-8 can hold, got caf\\udce9$"):
        learner.learn(dataclasses.replace(TASKS[0], class_names=("cat", "caf\udce9")))
    assert learner.task_classes == []


@pytest.mark.parametrize("labels", [[3], [-1], [0, 7]])
def test_replay_of_unknown_labels_is_refused(learner, labels):
    with pytest.raises(UserError, match=r"labels: expected values in \[0, 3\)"):
        learner.replay(labels)


def test_images_of_another_shape_are_refused(learner):
    with pytest.raises(UserError, match=r"images: expected shape .*got \(2, 28, 28, 1\)"):
        learner.classify(np.zeros((2, 28, 28, 1), np.uint8))


def test_images_that_are_neither_levels_nor_floats_are_refused(learner):
    with pytest.raises(UserError, match="images: expected uint8 or float32 in .*, got int64"):
        learner.classify(np.zeros((2, 32, 32, 1), np.int64))


def test_nothing_can_be_asked_of_a_learner_that_has_learned_nothing():
    with pytest.raises(UserError, match="has learned a task"):
        new_learner().classify(np.zeros((2, 32, 32, 1), np.uint8))
    with pytest.raises(UserError, match="replay: expected a learner that has learned a task"):
        new_learner().replay([0])


def test_loading_from_nowhere_says_what_was_expected(tmp_path):
    with pytest.raises(UserError, match="expected a saved learner"):
        dgm_tf.load(tmp_path)


def test_another_format_is_refused(learned):
    description, arrays = learned[2][0, 1]
    with pytest.raises(UserError, match="format: expected 1 to 3 .*, got 99"):
        Learner.from_state(description | {"format": 99}, arrays)


def test_a_state_without_one_of_its_arrays_is_refused(learned):
    """What is missing would be as it is initialised: other images, and nobody would see why."""
    description, arrays = learned[2][0, 1]
    key = next(key for key in arrays if key.endswith("/kernel"))
    with pytest.raises(UserError, match=f"expected the arrays of all its networks, found no {key}$"):
        Learner.from_state(description, {name: array for name, array in arrays.items() if name != key})


METHODS = {
    "dgm": lambda: tiny.dgm("weights", ClassifierSettings("balanced", closing_epochs=1, generated_current=0.25)),
    "icarl": lambda: ICaRL(tiny.Discriminator, epochs=1, batch_size=8, budget=6),
}


@pytest.mark.parametrize("name", METHODS)
def test_images_that_stay_on_disk_are_learned_alike_and_never_held(name, monkeypatch):
    """As `ImageFolder` gives them where they are more than memory holds."""

    def on_disk(split):
        return dataclasses.replace(split, images=Rows([split.images]))

    in_memory, streamed, read = Learner(METHODS[name]()), Learner(METHODS[name]()), []
    original = Rows.__array__
    monkeypatch.setattr(Rows, "__array__", lambda self, *a, **k: read.append(len(self)) or original(self, *a, **k))
    for task in (tiny.task(0, per_class=32), tiny.task(1, per_class=32)):
        in_memory.learn(task)
        streamed.learn(dataclasses.replace(task, train=on_disk(task.train)))
    arrays, others = in_memory.arrays(), streamed.arrays()
    assert arrays.keys() == others.keys()
    for key in arrays:
        np.testing.assert_array_equal(arrays[key], others[key], err_msg=key)
    test = TASKS[0].test
    np.testing.assert_array_equal(in_memory.classify(test.images), streamed.classify(on_disk(test).images))
    assert read and max(read) <= {"dgm": 8, "icarl": 32}[name], "a batch, or for herding a class, at a time"
