"""Checkpoints: when they are written, what a stop signal does, and that no file is ever half a checkpoint."""

import contextlib
import errno
import os
import signal
import threading
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.disk import files
from dgm_tf.errors import Damaged
from dgm_tf.run.checkpoints import (
    CHECKPOINT,
    TASK_END,
    Checkpointer,
    Interrupted,
    has_checkpoint,
    read_checkpoint,
    write_checkpoint,
)
from dgm_tf.stopping import StopSignals
from dgm_tf.training.loop import Position
from dgm_tf.training.optimizer import make_adam


class Learner:
    """What a checkpointer asks of a learner."""

    def __init__(self):
        self.step, self.position = 0, Position(phase=2)

    def arrays(self):
        return {"generator/0000": np.full(3, self.step, np.float32), "generator/0001": np.zeros(2, np.uint8)}

    def description(self):
        return {"position": {"step": self.step, "task": 0}}


def test_a_task_that_trains_nothing_is_saved_at_its_end_alone(tmp_path):
    signals = StopSignals()
    checkpointer, learner = Checkpointer(tmp_path, 1000.0, signals, notes=lambda: NOTES), Learner()
    learner.position = Position(phase=0)
    checkpointer.on_phases_end(learner, None)
    checkpointer.close()
    assert not has_checkpoint(tmp_path)


NOTES = {"results": {"average_accuracy": [0.5]}, "seconds": {}}


class Watch:
    """A callback that has something to keep."""

    def arrays(self):
        return {"watch/history": np.array([0.5])}


@pytest.fixture
def make(tmp_path):
    """A checkpointer in tmp_path that saves every so many seconds."""

    def make_one(every_seconds=0.0, signals=None, **kwargs):
        signals = signals or types.SimpleNamespace(received=None)
        return Checkpointer(tmp_path / "checkpoints", every_seconds, signals, **{"notes": lambda: NOTES} | kwargs)

    return make_one


@pytest.fixture
def phase():
    variable = keras.Variable(np.arange(4.0), name="momentum")
    return types.SimpleNamespace(variables=lambda: [variable])


def _saved(tmp_path):
    return read_checkpoint(tmp_path / "checkpoints")


def test_without_a_checkpoint_there_is_none(tmp_path):
    assert _saved(tmp_path) is None


def test_everything_that_is_needed_comes_back(make, phase, tmp_path):
    checkpointer = make(watched=(Watch(),))
    checkpointer.on_step_end(Learner(), None, phase)
    checkpointer.wait()
    saved = _saved(tmp_path)
    assert saved.learner == {"position": {"step": 0, "task": 0}}
    assert saved.seconds == NOTES["seconds"] and saved.record.to_json().items() >= NOTES["results"].items()
    arrays = saved.arrays
    (momentum,) = (value for name, value in arrays.items() if name.startswith("phase/"))
    np.testing.assert_array_equal(momentum, np.arange(4.0))
    np.testing.assert_array_equal(arrays["watch/history"], [0.5])
    assert arrays["generator/0001"].dtype == np.uint8


def test_it_saves_when_its_time_has_come_and_not_before(make, phase, tmp_path):
    make(every_seconds=1e9).on_step_end(Learner(), None, phase)
    assert _saved(tmp_path) is None
    checkpointer = make(every_seconds=0.0)
    checkpointer.on_step_end(Learner(), None, phase)
    checkpointer.wait()
    assert _saved(tmp_path) is not None


@pytest.mark.parametrize("end", ["on_phases_end", "on_task_end"])
def test_the_ends_of_training_and_of_a_task_are_saved_always(make, tmp_path, end):
    arguments = (None,) if end == "on_phases_end" else (None, {})
    checkpointer = make(every_seconds=1e9)
    getattr(checkpointer, end)(Learner(), *arguments)
    if end == "on_phases_end":
        checkpointer.wait()
    assert _saved(tmp_path) is not None


def test_a_stop_saves_first_and_then_ends_the_run(make, phase, tmp_path):
    learner = Learner()
    learner.step = 7
    checkpointer = make(every_seconds=1e9, signals=types.SimpleNamespace(received=signal.SIGTERM))
    with pytest.raises(Interrupted, match="stopped by SIGTERM") as stopped:
        checkpointer.on_step_end(learner, None, phase)
    assert stopped.value.signum == 15
    assert _saved(tmp_path).learner["position"]["step"] == 7


@pytest.mark.parametrize("hook", ["on_step_end", "on_task_end"])
@pytest.mark.parametrize("received", [None, signal.SIGTERM])
def test_a_signal_counts_as_answered_where_it_is_acted_upon(make, phase, hook, received):
    signals = types.SimpleNamespace(received=received, answered=False)
    checkpointer = make(every_seconds=1e9, signals=signals)
    with pytest.raises(Interrupted) if received else contextlib.nullcontext():
        getattr(checkpointer, hook)(Learner(), None, phase if hook == "on_step_end" else {})
    assert signals.answered is (received is not None)


def test_a_stop_in_an_evaluation_ends_the_run_when_the_task_is_saved(make, tmp_path):
    checkpointer = make(signals=types.SimpleNamespace(received=signal.SIGINT))
    checkpointer.on_phases_end(Learner(), None)
    with pytest.raises(Interrupted, match="SIGINT"):
        checkpointer.on_task_end(Learner(), None, {})
    assert _saved(tmp_path) is not None


def test_the_last_checkpoint_stays_until_the_next_one_is_whole(make, monkeypatch, tmp_path):
    checkpointer, learner = make(), Learner()
    checkpointer.save(learner)
    checkpointer.wait()

    def fail(descriptor):
        raise OSError("disk full")

    learner.step = 1
    monkeypatch.setattr(os, "fsync", fail)
    checkpointer.save(learner)
    with pytest.raises(OSError, match="disk full"):
        checkpointer.on_task_end(learner, None, {})
    assert _saved(tmp_path).learner["position"]["step"] == 0


def test_training_goes_on_while_it_writes_and_changes_nothing_of_it(make, monkeypatch, tmp_path):
    variable, may_write = keras.Variable(np.zeros(1000), dtype="float32", name="momentum"), threading.Event()
    write_arrays = files.write_arrays

    def slow_write(*arguments, **texts):
        assert may_write.wait(10)
        return write_arrays(*arguments, **texts)

    monkeypatch.setattr(files, "write_arrays", slow_write)
    checkpointer, adam = make(), make_adam(0.1, [variable])
    checkpointer.save(Learner(), [variable])
    for _ in range(3):
        adam.apply([tf.ones(1000)], [variable])
    variable.assign_add(tf.ones(1000))
    may_write.set()
    checkpointer.wait()
    np.testing.assert_array_equal(_saved(tmp_path).arrays["phase/0000"], np.zeros(1000))
    assert np.all(np.asarray(variable) != 0.0)


def test_workers_beside_the_chief_write_nothing(make, phase, tmp_path):
    make(writes=False).on_step_end(Learner(), None, phase)
    assert _saved(tmp_path) is None


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_is_noted_and_the_second_acts(signum):
    with StopSignals() as signals:
        os.kill(os.getpid(), signum)
        assert signals.received == signum
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signum)


def test_the_handlers_of_before_come_back():
    before = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    with StopSignals():
        assert signal.getsignal(signal.SIGINT) != before[0]
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == before


class TestTwoAreKept:
    """The latest, and that of the last task's end."""

    def _write(self, tmp_path):
        """Task 1 has ended, and 5 steps of the next one are done."""
        learner = Learner()
        write_checkpoint(tmp_path, learner.arrays(), {"position": {"step": 0, "task": 1}}, NOTES)
        write_checkpoint(tmp_path, learner.arrays(), {"position": {"step": 5, "task": 1}}, NOTES, [CHECKPOINT])
        return tmp_path / CHECKPOINT, tmp_path / TASK_END

    def test_an_ended_task_is_written_twice_and_what_follows_once(self, make, phase, tmp_path):
        learner, checkpointer = Learner(), make()
        checkpointer.on_task_end(learner, None, {})
        latest, task_end = (tmp_path / "checkpoints" / name for name in (CHECKPOINT, TASK_END))
        assert latest.read_bytes() == task_end.read_bytes()
        assert latest.stat().st_ino != task_end.stat().st_ino, "one damage must not reach both"
        learner.step = 1
        checkpointer.on_step_end(learner, None, phase)
        checkpointer.wait()
        assert _saved(tmp_path).learner["position"]["step"] == 1
        latest.unlink()
        assert _saved(tmp_path).learner["position"]["step"] == 0

    @pytest.mark.parametrize("damage", [lambda data: data[:-9], lambda data: b"x" + data[1:], lambda data: b""])
    def test_a_damaged_latest_is_told_in_one_line_and_replaced_by_the_tasks_end(self, tmp_path, capfd, damage):
        latest, task_end = self._write(tmp_path)
        latest.write_bytes(damage(latest.read_bytes()))
        assert read_checkpoint(tmp_path).learner["position"]["step"] == 0
        told = capfd.readouterr().err
        assert told.startswith(f"warning: {latest} is damaged: ") and told.count("\n") == 1
        assert told.endswith("; resuming from task_end.npz, where 1 tasks are learned\n")
        assert latest.read_bytes() == task_end.read_bytes()
        read_checkpoint(tmp_path)
        assert capfd.readouterr().err == "", "it is said once"

    def test_a_latest_that_the_disk_has_lost_is_replaced_by_the_tasks_end(self, tmp_path, capfd, monkeypatch):
        latest, _ = self._write(tmp_path)
        opened = files.open_regular

        def lost(path, *rest):
            if path == latest:
                raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
            return opened(path, *rest)

        monkeypatch.setattr(files, "open_regular", lost)
        assert read_checkpoint(tmp_path).learner["position"]["step"] == 0
        assert f"{latest} cannot be read: Input/output error; resuming from" in capfd.readouterr().err

    def test_a_damaged_end_of_a_task_does_not_matter_while_the_latest_is_whole(self, tmp_path, capfd):
        _, task_end = self._write(tmp_path)
        task_end.write_bytes(b"")
        assert read_checkpoint(tmp_path).learner["position"]["step"] == 5 and capfd.readouterr().err == ""

    @pytest.mark.parametrize("is_there", [True, False])
    def test_where_none_is_whole_a_line_says_what_to_do(self, tmp_path, is_there):
        for path in self._write(tmp_path):
            path.write_bytes(b"")
        if not is_there:
            path.unlink()
        with pytest.raises(Damaged) as caught:
            read_checkpoint(tmp_path)
        told = str(caught.value)
        assert told.startswith(f"{tmp_path / CHECKPOINT} is damaged: it does not end as") and "\n" not in told
        assert f"; {path} is {'damaged' if is_there else 'not there'}" in told
        assert told.endswith(f"; restore one of them from a copy, or delete {tmp_path}, and the run starts again")

    @pytest.mark.parametrize(
        ("learner", "notes", "found"),
        [
            ([], NOTES, "expected an entry position in it"),
            ({"position": {}}, NOTES | {"results": 1}, "expected an entry results in it"),
            ({"position": {}}, {"results": {}}, "expected an entry seconds in it"),
            (
                {"position": {}},
                NOTES | {"results": {"accuracy_matrix": "x"}},
                "an entry .* another kind .*accuracy_matrix: expected a list, got",
            ),
            ({"position": {}}, NOTES | {"results": {"class_names": [1]}}, "class_names: expected texts"),
        ],
        ids=range(5),
    )
    def test_texts_of_another_kind_are_refused(self, tmp_path, learner, notes, found):
        write_checkpoint(tmp_path, {}, learner, notes)
        with pytest.raises(Damaged, match=f"latest.npz is damaged: {found}"):
            read_checkpoint(tmp_path)
