"""What is printed while a task is learned: the names of its classes as they are, on a terminal too."""

import io
import types

import pytest

from dgm_tf import output
from dgm_tf.run.bar import Progress
from dgm_tf.text import shown
from tests import hostile

PHASE = types.SimpleNamespace(name="gan", num_steps=2, batches=1, epochs=2, trains_classifier=True)


def printed(names, terminal=False):
    """What a task of two epochs prints."""
    stream = io.StringIO()
    console = output.console(stream, force_terminal=terminal, width=2000, color_system=None)
    method = types.SimpleNamespace(watch=lambda schedule: ({"masks/share_of_ones/a": 0.5}, {}))
    learner = types.SimpleNamespace(method=method, position=types.SimpleNamespace(step=0), num_tasks=1)
    context = types.SimpleNamespace(index=0, task=types.SimpleNamespace(class_names=names))
    progress = Progress(types.SimpleNamespace(num_tasks=2), types.SimpleNamespace(history=[0.5]), console)
    progress.on_task_begin(learner, context)
    progress.on_phase_begin(learner, context, PHASE)
    for epoch in range(2):
        progress.on_step(learner, context, PHASE, epoch + 1, {"loss/critic": 1.5})
        progress.on_epoch_end(learner, context, PHASE, epoch)
    progress.on_phases_end(learner, context)
    progress.on_task_end(learner, context, {})
    return stream.getvalue()


def test_a_line_an_epoch_and_the_time_left():
    lines = printed(["ant", "bee"]).splitlines()
    assert lines[0] == "task 1/2 (ant, bee) gan epoch 1/2  critic 1.5  mask ones 0.50  validation 50.00%"
    assert lines[1].startswith("task 1/2 (ant, bee) gan epoch 2/2") and lines[2].startswith("1 tasks to go")


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_name_is_text(name, terminal):
    text = printed([name], terminal)
    assert f"({shown(name)}) gan epoch 1/2" in text
    assert terminal or hostile.sends_no_commands(text)


def test_of_many_classes_the_first_and_the_last_are_named():
    assert "(0 ... 4999) gan" in printed([str(number) for number in range(5000)])
