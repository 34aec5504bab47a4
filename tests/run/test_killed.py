"""Killed between the end of a task's training and the end of the task, in every task, a run ends with the same bits.

Each start is a process that has computed nothing before. What the process of an undisturbed run has done by then, and
this one has not, must change nothing of what is learned, measured and saved.
"""

import os
import signal

import numpy as np
import pytest

from dgm_tf.data import Arrays, ClassIncrementalStream
from dgm_tf.learner import Learner
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.run import recorder
from dgm_tf.run.checkpoints import Checkpointer
from dgm_tf.run.experiment import run_experiment
from dgm_tf.run.recorder import Recorder
from dgm_tf.training.gan import GANPhase
from tests import fresh_process, tiny_run
from tests.methods import tiny

TASKS = 3
METHODS = {
    "DGMw": tiny.dgm,
    "DGMa": lambda: tiny.dgm("units"),
    "MeRGAN-RA": lambda: tiny.mergan("replay_alignment"),
    "iCaRL": lambda: ICaRL(tiny.Discriminator, epochs=1, batch_size=8, budget=6),
}
# Where a run is killed: (task, the call after which it happens); each start gets as far as the next of them.
MOMENTS = {
    "DGMw": [(0, "measured"), (1, "measured"), (2, "trained"), (2, "exporting")],
    "DGMa": [(0, "saved"), (1, "trained"), (2, "measured")],
    "MeRGAN-RA": [(0, "trained"), (1, "saved"), (2, "measured"), (2, "exporting")],
    "iCaRL": [(0, "measured"), (1, "saved"), (2, "trained"), (2, "exporting")],
}
CALLS = {
    "trained": (Checkpointer, "on_phases_end"),
    "saved": (Learner, "save"),  # the memory, before the results are written
    "measured": (Recorder, "on_task_end"),  # all is written but the checkpoint of the task's end
    "exporting": (recorder, "export"),
}


class Source:
    """Random images, each class of its own brightness."""

    name = "random"

    def load(self):
        parts = [tiny.split(range(TASKS), per_class, seed) for seed, per_class in enumerate((8, 4))]
        return Arrays(*(array for part in parts for array in (part.images, part.labels)), ("a", "b", "c"))


def run(run_dir, name, moment=None):
    """A run of the method, or what is left of it; the process is killed at the moment."""
    GANPhase.step = lambda self, index: self._distributed_step(*self._inputs(index))  # two steps, not worth tracing
    Recorder._write_figures = recorder.export = lambda *_: None
    if moment is not None:
        _die_after(*moment)
    settings = EvaluationSettings(
        validation_per_class=4, gan_test_per_class=4, gan_train_epochs=0, judge_epochs=1, fine_tuning_epochs=0
    )
    run_experiment(run_dir, ClassIncrementalStream(Source(), num_tasks=TASKS), METHODS[name](), evaluation=settings)


def _die_after(task, call):
    owner, name = CALLS[call]
    function, begun = getattr(owner, name), Recorder.on_task_begin

    def note(self, learner, context):
        note.task = context.index
        begun(self, learner, context)

    def die(*args, **kwargs):
        result = function(*args, **kwargs)
        if call == "trained":
            args[0].wait()
        if call == "exporting" or note.task == task:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    Recorder.on_task_begin = note
    setattr(owner, name, die)


# A run is six processes. Every day it is DGMw; the other methods have CI.
@pytest.mark.parametrize("name", ["DGMw", *(pytest.param(n, marks=pytest.mark.ci) for n in METHODS if n != "DGMw")])
def test_killed_after_each_tasks_training_it_ends_with_the_same_bits(tmp_path, name):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    fresh_process.call(run, straight, name)
    for moment in MOMENTS[name]:
        fresh_process.call_until_killed(run, killed, name, moment)
    fresh_process.call(run, killed, name)
    memories = [tiny_run.memory(run_dir) for run_dir in (straight, killed)]
    assert memories[0].keys() == memories[1].keys()
    for key in memories[0]:
        np.testing.assert_array_equal(memories[0][key], memories[1][key], err_msg=key)
    results = [tiny_run.timeless(tiny_run.read_results(run_dir)) for run_dir in (straight, killed)]
    assert results[0] == results[1] and results[0]["finished"]
    others = [path for path in tmp_path.rglob("*") if path.name not in (".lock", ".cache")]
    assert not [path for path in others if "tmp" in path.name or path.name.startswith(".")]
