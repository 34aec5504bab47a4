"""The loop: which steps it runs, and what it tells those who watch."""

import pytest

from dgm_tf.training.clock import Clock
from dgm_tf.training.loop import Callback, Position, run_phase
from dgm_tf.training.phase import Phase


class Counting(Phase):
    def __init__(self, epochs, batches):
        super().__init__(epochs, batches)
        self.steps = []

    def step(self, index):
        self.steps.append(index)
        return {"index": index}


class Learner:
    def __init__(self, position):
        self.position = position
        self.clock = Clock()


class Log(Callback):
    """Notes the hooks in their order."""

    def __init__(self):
        self.calls = []

    def on_phase_begin(self, learner, context, phase):
        self.calls.append(("begin", learner.position.step))

    def on_step(self, learner, context, phase, step, metrics):
        assert metrics == {"index": step - 1} and learner.position.step == step
        self.calls.append(("step", step))

    def on_epoch_end(self, learner, context, phase, epoch):
        self.calls.append(("epoch", epoch))

    def on_step_end(self, learner, context, phase):
        self.calls.append(("end", learner.position.step))


def test_all_steps_are_run_and_told():
    log, phase, learner = Log(), Counting(2, 2), Learner(Position(task=1, phase=0, step=0, global_step=10))
    run_phase(learner, None, phase, (log,))
    assert phase.steps == [0, 1, 2, 3]
    assert log.calls == [
        ("begin", 0), ("step", 1), ("end", 1), ("step", 2), ("epoch", 0), ("end", 2),
        ("step", 3), ("end", 3), ("step", 4), ("epoch", 1), ("end", 4),
    ]  # fmt: skip
    assert learner.position == Position(task=1, phase=0, step=4, global_step=14)


@pytest.mark.parametrize("done", [0, 1, 3, 4])
def test_a_phase_is_taken_up_where_it_was_left(done):
    phase, learner = Counting(2, 2), Learner(Position(step=done, global_step=done))
    run_phase(learner, None, phase, ())
    assert phase.steps == list(range(done, 4)) and learner.position.global_step == 4


def test_who_stops_the_loop_leaves_the_position_of_the_steps_done():
    class Stop(Callback):
        def on_step_end(self, learner, context, phase):
            if learner.position.step == 2:
                raise KeyboardInterrupt

    phase, learner = Counting(2, 2), Learner(Position())
    with pytest.raises(KeyboardInterrupt):
        run_phase(learner, None, phase, (Stop(),))
    assert phase.steps == [0, 1] and learner.position.step == 2


def test_a_learner_begins_at_the_first_step_of_the_first_task():
    assert Position() == Position(task=0, phase=0, step=0, global_step=0)


def test_watching_nothing_is_fine():
    learner = Learner(Position())
    run_phase(learner, None, Counting(1, 1), (Callback(),))
    assert Callback().arrays() == {}


def test_a_stop_is_heard_after_every_step(monkeypatch):
    checked = []
    monkeypatch.setattr("dgm_tf.training.loop.stopping.check", lambda: checked.append(True))
    run_phase(Learner(Position(step=1)), None, Counting(2, 2), ())
    assert len(checked) == 3
