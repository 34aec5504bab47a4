"""A `learn` that fails, in whatever way, leaves the learner as it was; then it learns as if nothing had been."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.data.arrays import Split
from dgm_tf.data.rows import Rows
from dgm_tf.errors import Diverged, UserError
from dgm_tf.learner import Learner
from dgm_tf.methods import dgr, selection
from dgm_tf.methods.ewc import EWC
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.methods.icarl import ICaRL
from dgm_tf.methods.joint_training import JointTraining
from dgm_tf.methods.real_replay import RealReplay
from dgm_tf.methods.rwalk import RWalk
from dgm_tf.methods.synaptic_intelligence import SynapticIntelligence
from dgm_tf.training.classifier import ClassifierSettings
from dgm_tf.training.distillation import Distillation
from dgm_tf.training.loop import Callback
from tests.methods import resuming, tiny

TASKS = (tiny.task(0, (0, 1), per_class=4), tiny.task(1, (2,), per_class=8))
CLOSING = ClassifierSettings("constant", closing_epochs=1)


def classifier(method, **settings):
    return lambda: method(tiny.Discriminator, epochs=2, batch_size=8, **settings)


METHODS = {
    "dgmw": lambda: tiny.dgm("weights", CLOSING, distillation=Distillation(), real=RealReplay(ratio=0.5)),
    "dgma": lambda: tiny.dgm("units"),
    **{name: tiny.SHARED[name] for name in ("ewc_m", "mergan_ra", "dgr")},
    "icarl": classifier(ICaRL, budget=6),
    "ewc": classifier(EWC, fisher_images=2, expectation="labels"),
    "rwalk": classifier(RWalk, interval=1),
    "pi": classifier(SynapticIntelligence),
    "joint training": classifier(JointTraining),
    "fine-tuning": classifier(FineTuning),
}


@pytest.fixture(scope="module", autouse=True)
def _eager_steps():
    """Two steps are not worth a graph, nor what DGR replays 500 candidates."""
    tf.config.run_functions_eagerly(True)
    with pytest.MonkeyPatch.context() as patch:
        for module in (dgr, selection):
            patch.setattr(module, "CANDIDATES", 10)
        yield
    tf.config.run_functions_eagerly(False)


class Poison(Callback):
    """Makes NaN of every weight that the first step has trained."""

    def on_step(self, learner, context, phase, step, metrics):
        for network in learner.method.networks.by_name().values():
            for variable in network.trainable_variables if network is not None else ():
                variable.assign(np.full(variable.shape, np.nan, np.float32))


def state(learner):
    """All that a learner is, as one can see it from outside."""
    networks = [id(network) for network in learner.method.networks.by_name().values()]
    known = {key: np.array(array) for key, array in learner.arrays().items()} if learner.task_classes else {}
    facts = learner.num_tasks, learner.position, learner.class_names, learner.task_classes, learner.image_shape
    answers = [learner.logits(TASKS[0].test.images)] if learner.num_tasks else []
    answers += [learner.replay([0, 1], 3)] if learner.num_tasks and learner.method.replays else []
    return networks, facts, known, answers


def assert_unchanged(learner, before):
    networks, facts, known, answers = state(learner)
    assert networks == before[0] and facts == before[1] and known.keys() == before[2].keys()
    for key in known:
        np.testing.assert_array_equal(known[key], before[2][key], err_msg=key)
    for answer, old in zip(answers, before[3], strict=True):
        np.testing.assert_array_equal(answer, old)


def fail_by_nan(learner, task):
    """What exploded, the place and a setting are named."""
    before = state(learner)
    with pytest.raises(Diverged) as told:
        learner.learn(task, [Poison()])
    names = ", ".join(task.class_names)
    assert str(told.value).startswith(f"task {task.index + 1} ({names}), phase ") and ", step 2 of " in str(told.value)
    assert "loss/" in str(told.value) and "learning_rate (now " in str(told.value)
    assert_unchanged(learner, before)


def fail_at_the_end(learner, task, monkeypatch):
    """Ctrl-C when the method has just ended the task."""
    before, end_task = state(learner), type(learner.method).end_task

    def interrupted(self, context):
        end_task(self, context)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(type(learner.method), "end_task", interrupted)
        learner.learn(task)
    assert_unchanged(learner, before)


@pytest.fixture(scope="module")
def references():
    """(learner of both tasks, its state in the middle of the second) by method, made once."""
    made = {}

    def reference(name):
        if name not in made:
            snapshot = resuming.Snapshot((1, 0, 1))
            made[name] = resuming.learned(METHODS[name](), TASKS, (snapshot,)), snapshot.state
        return made[name]

    return reference


@pytest.mark.parametrize("name", METHODS)
def test_a_failed_task_leaves_no_trace(name, references, monkeypatch):
    learner = Learner(METHODS[name](), seed=5)
    learner.learn(TASKS[0])
    fail_by_nan(learner, TASKS[1])
    fail_at_the_end(learner, TASKS[1], monkeypatch)
    learner.learn(TASKS[1])
    resuming.assert_same(learner, references(name)[0], TASKS[0].test.images)


def test_images_that_cannot_be_read_leave_no_trace_either(references):
    class Broken:
        """Images on a disk that fails in the middle of the task."""

        dtype, shape = TASKS[1].train.images.dtype, TASKS[1].train.images.shape
        reads = 0

        def __len__(self):
            return len(TASKS[1].train)

        def __getitem__(self, rows):
            self.reads += 1
            if self.reads == 2:
                raise OSError("the disk is gone")
            return TASKS[1].train.images[rows]

    learner = resuming.learned(METHODS["fine-tuning"](), TASKS[:1])
    before = state(learner)
    with pytest.raises((OSError, tf.errors.OpError), match="the disk is gone"):
        learner.learn(dataclasses.replace(TASKS[1], train=Split(Rows([Broken()]), TASKS[1].train.labels)))
    assert_unchanged(learner, before)
    learner.learn(TASKS[1])
    resuming.assert_same(learner, references("fine-tuning")[0], TASKS[0].test.images)


@pytest.mark.parametrize("name", ["dgmw", "mergan_ra", "dgr", "icarl", "rwalk"])
def test_one_that_fails_when_it_is_taken_up_in_its_middle_can_be_taken_up_again(name, references, monkeypatch):
    reference, snapshot = references(name)
    learner = Learner.from_state(*snapshot)
    fail_at_the_end(learner, TASKS[1], monkeypatch)
    with pytest.raises(UserError, match="task: expected the interrupted one, of class 2, got one of other"):
        learner.learn(dataclasses.replace(TASKS[1], class_names=("other",)))
    learner.learn(TASKS[1])
    resuming.assert_same(learner, reference, TASKS[0].test.images)


@pytest.mark.parametrize("name", ["dgmw", "joint training", "rwalk"])
def test_the_first_task_may_fail_too(name, references, monkeypatch):
    learner = Learner(METHODS[name](), seed=5)
    fail_by_nan(learner, TASKS[0])
    fail_at_the_end(learner, TASKS[0], monkeypatch)
    for task in TASKS:
        learner.learn(task)
    resuming.assert_same(learner, references(name)[0], TASKS[0].test.images)
