"""What people pass to the Python API: refused before anything changes, by one line that says what to pass instead."""

import warnings
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
from dgm_tf.data.arrays import Split
from dgm_tf.data.rows import Rows
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner, arguments, load
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.training.loop import Callback
from tests.methods import tiny

TASK = tiny.task(1, (2,))
IMAGES = TASK.test.images
FLOATS = (IMAGES / 127.5 - 1).astype(np.float32)
SMALL = tiny.split((2,), 4, 0, (16, 16, 1))


RANGE = "expected floats in [-1, 1]"
KINDS = "expected uint8 or float32 in [-1, 1], [N, 32, 32, 1]"
LABELS = "labels: expected integers [N], positions in class_names"


def by_name(cases):
    """A dict's values as parameters, its keys as their names."""
    return [pytest.param(*values, id=name) for name, values in cases.items()]


def new_learner():
    """One that learned two classes without training."""
    method = tiny.dgm()
    method.phases = lambda context: []
    learner = Learner(method)
    learner.learn(tiny.task(0, (0, 1)))
    return learner


@pytest.fixture(scope="module")
def learner():
    """Shared by tests that must not change it."""
    return new_learner()


def refused(message, call, *arguments):
    """The call raises a `UserError` of one line that begins with the message."""
    with pytest.raises(UserError) as told:
        call(*arguments)
    assert str(told.value).startswith(message) and "\n" not in str(told.value), told.value


class TestImages:
    """Of `logits` and `classify`."""

    @pytest.mark.parametrize(
        "images, message",
        by_name({
            "levels as floats": (IMAGES.astype(np.float32), f"{RANGE}, got values from "),
            "just outside": (FLOATS + 1.01, f"{RANGE}, got values from "),
            "NaN": (np.where(FLOATS < 0, np.nan, FLOATS), f"{RANGE}, got values that are not finite"),
            "infinite": (FLOATS - np.inf, f"{RANGE}, got values that are not finite"),
            "NaN as float16": (np.full(IMAGES.shape, np.nan, np.float16), f"{RANGE}, got values that are not finite"),
            "integers": (IMAGES.astype(np.int64), f"{KINDS}, got int64; levels from 0 to 255 fit uint8"),
            "booleans": (IMAGES > 100, f"{KINDS}, got bool"),
            "a list": (list(IMAGES), f"{KINDS}, got a list of 4; numpy.stack makes an array of it"),
            "an empty list": ([], f"{KINDS}, got a list of 0"),
            "a path": ("digits", f"{KINDS}, got 'digits'"),
            "nothing": (None, f"{KINDS}, got None"),
            "a symbol": (keras.Input((32, 32, 1)), f"{KINDS}, got KerasTensor float32"),
            "one image": (IMAGES[0], "expected shape [N, 32, 32, 1], got (32, 32, 1); images[None] is a batch of one"),
            "no channels": (IMAGES[..., 0], "expected shape [N, 32, 32, 1], got (4, 32, 32)"),
        }),
    )  # fmt: skip
    def test_others_are_refused(self, learner, images, message):
        for call in (learner.logits, learner.classify):
            refused(f"images: {message}", call, images)

    def test_the_way_out_of_a_wrong_range_is_told(self, learner):
        with pytest.raises(UserError, match="divide levels from 0 to 255 by 127.5 and subtract 1, or pass uint8"):
            learner.classify(IMAGES.astype(np.float64))

    @pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
    def test_floats_in_the_range_are_levels(self, learner, kind):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            logits = learner.logits((IMAGES / 127.5 - 1).astype(kind))
        assert logits.dtype == np.float32
        np.testing.assert_allclose(logits, learner.logits(IMAGES), atol=1e-5 if kind != np.float16 else 1e-3)

    def test_rounding_beyond_the_range_is_none(self, learner):
        assert len(learner.classify(np.sign(FLOATS) * np.float32(1.000001))) == len(FLOATS)

    def test_tensors_are_arrays(self, learner):
        np.testing.assert_array_equal(learner.logits(tf.constant(IMAGES)), learner.logits(IMAGES))
        np.testing.assert_array_equal(learner.logits(tf.constant(FLOATS)), learner.logits(FLOATS))

    @pytest.mark.parametrize("kind", [np.uint8, np.float32])
    def test_no_images_have_no_labels(self, learner, kind):
        for none in (np.zeros((0, 32, 32, 1), kind), Rows([np.zeros((0, 32, 32, 1), kind)])):
            assert learner.logits(none).shape == (0, 2) and learner.classify(none).shape == (0,)

    def test_the_range_of_0_to_1_is_warned_of_once(self):
        learner = new_learner()
        with pytest.warns(UserWarning, match=r"all of these lie in \[0, 1\].* or pass uint8") as told:
            learner.classify((IMAGES / 255).astype(np.float32))
        assert told[0].filename == __file__, "where the call stands"
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            learner.logits((IMAGES / 255).astype(np.float32))

    def test_rows_are_read_and_checked_a_batch_at_a_time(self, monkeypatch):
        learner, read = new_learner(), []
        monkeypatch.setattr("dgm_tf.training.inference._PIXELS", 2 * 32 * 32)
        original = Rows.__array__
        monkeypatch.setattr(Rows, "__array__", lambda rows, *a, **k: read.append(len(rows)) or original(rows, *a, **k))
        wrong = FLOATS.copy()
        wrong[-1] += 2
        expected = learner.logits(FLOATS)
        np.testing.assert_array_equal(learner.logits(Rows([FLOATS])), expected)
        np.testing.assert_array_equal(learner.classify(Rows([IMAGES])), learner.classify(IMAGES))
        refused("images: expected floats in [-1, 1], got values from -0.37", learner.logits, Rows([wrong]))
        with pytest.warns(UserWarning, match="all of these lie in"):
            learner.logits(Rows([(FLOATS + 1) / 2]))
        assert max(read) <= 2

    def test_levels_are_not_read_but_to_be_classified(self, learner, monkeypatch):
        monkeypatch.setattr("dgm_tf.learner.learner.FloatLevels", lambda: pytest.fail("uint8 needs no check"))
        assert len(learner.classify(IMAGES)) == len(IMAGES)


class TestReplay:
    """Labels and seed."""

    @pytest.mark.parametrize(
        "labels",
        ["class 0", ["class 0"], None, [None], 0, np.int64(1), [0.7], [True], [[0, 1]], [[0], [0, 1]], {0: 1}],
        ids=repr,
    )
    def test_what_is_no_label_is_refused(self, learner, labels):
        refused(f"{LABELS}, got ", learner.replay, labels)

    def test_it_says_how_a_name_becomes_a_label(self, learner):
        refused(f"{LABELS}, got ['class 0']; class_names.index gives a name's", learner.replay, ["class 0"])

    @pytest.mark.parametrize("seed", [-1, 1.5, None, "1", True])
    def test_what_is_no_seed_is_refused(self, learner, seed):
        refused(f"seed: expected an integer in [0, inf), got {seed!r}", learner.replay, [0], seed)
        refused(f"seed: expected an integer in [0, inf), got {seed!r}", Learner, tiny.dgm(), seed)

    def test_a_seed_is_one_that_a_saved_learner_can_have(self, tmp_path):
        refused("seed: expected an integer of at most 300 digits", Learner, tiny.dgm(), 10**300)
        learner = Learner(tiny.dgm(), 2**64)
        learner.method.phases = lambda context: []
        learner.learn(tiny.task(0))
        learner.save(tmp_path)
        assert load(tmp_path).seed == 2**64

    def test_integers_of_all_kinds_are_labels(self, learner):
        expected = learner.replay([0, 1], 3)
        for labels in ((0, 1), range(2), np.array([0, 1], np.uint8), tf.constant([0, 1])):
            np.testing.assert_array_equal(learner.replay(labels, np.int64(3)), expected)

    def test_without_a_generative_memory_it_says_so(self):
        learner = Learner(FineTuning(tiny.Discriminator))
        refused("replay: expected a learner that has learned a task", learner.replay, [])
        learner.method.phases = lambda context: []
        learner.learn(tiny.task(0, (0, 1)))
        refused("replay: FineTuning has no generative memory", learner.replay, [0])


class TestLearn:
    """The task, its parts, and the callbacks."""

    @pytest.mark.parametrize(
        "task, message",
        by_name({
            "a stream": (ClassIncrementalStream(PackagedMNIST()), ": expected a data.Task, got an object"),
            "arrays": ((IMAGES, TASK.test.labels), ": expected a data.Task, got "),
            "a pair": (replace(TASK, train=(IMAGES, TASK.test.labels)), ".train: expected a data.Split(images, "),
            "no test": (replace(TASK, test=None), ".test: expected a data.Split(images, labels), got None"),
            "one name": (replace(TASK, class_names="c"), ".class_names: expected a tuple of names, got 'c'"),
            "too long": (replace(TASK, class_names=("c" * 1001,)), ".class_names: expected names of at most 1000 char"),
            "numbers": (replace(TASK, class_names=(3,)), ".class_names: expected a tuple of names, got (3,)"),
            "a label": (replace(TASK, classes=2), ".classes: expected a tuple of labels, got 2"),
            "floats": (replace(TASK, classes=(2.0,)), ".classes: expected a tuple of labels, got (2.0,)"),
            "an index": (replace(TASK, index="1"), ".index: expected an integer in [0, inf), got '1'"),
            "strangers": (replace(TASK, test=tiny.split((3,), 4, 0)), ".test.labels: expected labels among (2,)"),
            "sizes": (replace(TASK, validation=SMALL), ".validation: expected images of shape (32, 32, 1)"),
        }),
    )  # fmt: skip
    def test_what_is_no_task_is_refused(self, learner, task, message):
        refused(f"task{message}", learner.learn, task)
        assert learner.num_tasks == 1

    def test_it_says_what_to_do_with_a_stream(self, learner):
        with pytest.raises(UserError, match="; learn its tasks one after the other"):
            learner.learn(ClassIncrementalStream(PackagedMNIST()))

    @pytest.mark.parametrize(
        "callbacks, got",
        [
            ([keras.callbacks.EarlyStopping()], "an object of the class keras.src.callbacks.early_stopping.EarlyStopp"),
            ([Callback], "the class Callback"),
            (Callback(), "one that is in no list"),
            (None, "None"),
        ],
    )
    def test_what_is_no_callback_is_refused(self, learner, callbacks, got):
        expected = "callbacks: expected a list of dgm_tf.training.loop.Callback, got "
        refused(expected + got, learner.learn, TASK, callbacks)
        assert learner.num_tasks == 1

    def test_callbacks_that_save_are_told_after_those_whose_notes_they_save(self):
        saving, first, second = Callback(), Callback(), Callback()
        saving.saves = True
        assert arguments.check_callbacks([saving, first, second]) == (first, second, saving)

    def test_splits_take_tensors(self):
        learner = new_learner()
        train = Split(tf.constant(TASK.train.images), tf.constant(TASK.train.labels))
        assert type(train.images) is type(train.labels) is np.ndarray
        learner.learn(replace(TASK, train=train))
        assert learner.num_tasks == 2


@pytest.mark.parametrize("method, got", [(3, "3"), (None, "None"), (tiny.dgm, "an object of the class builtins.f")])
def test_a_learner_takes_a_method(method, got):
    refused(f"method: expected a Method such as DGM(), got {got}", Learner, method)


def test_a_class_of_methods_is_none():
    refused("method: expected an object such as DGM(), got the class DGM", Learner, DGM)
