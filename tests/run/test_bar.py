"""What is printed while a task is learned: the names of its classes as they are, on a terminal too."""

import io
import sys
import types

import pytest

from dgm_tf import output
from dgm_tf.run.bar import Progress
from dgm_tf.text import shown
from tests import hostile

BEST = types.SimpleNamespace(history=[0.5])
STREAM = types.SimpleNamespace(num_tasks=2)


def learn(names, console, best=BEST, epochs=2, stream=STREAM):
    """Tells a bar of a task that has an epoch for each step."""
    phase = types.SimpleNamespace(name="gan", num_steps=epochs, batches=1, epochs=epochs, trains_classifier=True)
    method = types.SimpleNamespace(watch=lambda schedule: ({"masks/share_of_ones/a": 0.5}, {}))
    learner = types.SimpleNamespace(method=method, position=types.SimpleNamespace(step=0), num_tasks=1)
    context = types.SimpleNamespace(title="task 1", task=types.SimpleNamespace(class_names=names))
    progress = Progress(stream, best, console)
    progress.on_task_begin(learner, context)
    progress.on_phase_begin(learner, context, phase)
    for epoch in range(epochs):
        progress.on_step(learner, context, phase, epoch + 1, {"loss/critic": 1.5})
        progress.on_epoch_end(learner, context, phase, epoch)
    progress.on_phases_end(learner, context)
    progress.on_task_end(learner, context, {})


def printed(names, terminal=False):
    """What a task of two epochs prints."""
    stream = io.StringIO()
    learn(names, output.console(stream, force_terminal=terminal, width=2000, color_system=None))
    return stream.getvalue()


def test_a_line_an_epoch_and_the_time_left():
    lines = printed(["ant", "bee"]).splitlines()
    assert lines[0] == "task 1/2 (ant, bee) gan epoch 1/2  critic 1.5  mask ones 0.50  validation 50.00%"
    assert lines[1].startswith("task 1/2 (ant, bee) gan epoch 2/2") and lines[2].startswith("1 more task: about")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_name_is_text(name, terminal):
    text = printed([name], terminal)
    assert f"({shown(name)}) gan epoch 1/2" in text
    assert terminal or hostile.sends_no_commands(text)


def test_of_many_classes_the_first_and_the_last_are_named():
    assert "(0 ... 4999) gan" in printed([str(number) for number in range(5000)])


@pytest.fixture
def notebook(monkeypatch):
    """What a notebook shows: the list of its outputs, of which some are updated in place."""
    shown_outputs = []

    class Handle:
        def __init__(self, place):
            self.place = place

        def update(self, data, raw):
            shown_outputs[self.place] = data["text/plain"]

    def display(*data, display_id=None, **_):
        shown_outputs.append(data[0]["text/plain"] if isinstance(data[0], dict) else data[0])
        return Handle(len(shown_outputs) - 1)

    for name in ("IPython", "IPython.display"):
        monkeypatch.setitem(sys.modules, name, types.ModuleType(name))
    sys.modules["IPython.display"].display = display
    return shown_outputs


def test_a_notebook_gets_one_line_a_phase(notebook):
    console = output.console(io.StringIO(), force_jupyter=True)
    learn(["ant"], console, best=None, epochs=20)
    lines = [text for text in notebook if isinstance(text, str)]
    (line,) = [text for text in lines if "gan" in text]
    assert line == "task 1/2 (ant) gan 100%  epoch 20/20  critic 1.5  mask ones 0.50"


def test_a_learner_of_ones_own_is_watched_without_a_stream():
    stream = io.StringIO()
    learn(["ant"], output.console(stream, width=2000, color_system=None), best=None, stream=None)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "task 1 (ant) gan epoch 1/2  critic 1.5  mask ones 0.50" and "more task" not in lines[-1]
