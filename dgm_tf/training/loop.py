"""Training loop over a phase's steps, and the callbacks that watch it."""

import dataclasses

from dgm_tf import stopping
from dgm_tf.training.divergence import LossWatch


@dataclasses.dataclass(frozen=True)
class Position:
    """Position of a learner: tasks done, phase of the task, steps of the phase done, steps in all."""

    task: int = 0
    phase: int = 0
    step: int = 0
    global_step: int = 0


class Callback:
    """Watches a learner. All hooks do nothing; `step` counts the phase's steps done.

    Attributes:
      charge: what the learner's clock puts the hooks' time down to.
      saves: whether the callback saves what others note: then its hooks are called after theirs.
    """

    charge = "callbacks"
    saves = False

    def on_task_begin(self, learner, context):
        """Before the first phase, and when a killed task is resumed."""

    def on_phase_begin(self, learner, context, phase):
        """Before a phase's first (or first remaining) step."""

    def on_step(self, learner, context, phase, step, metrics):
        """After a step; metrics: dict of scalar tensors."""

    def on_epoch_end(self, learner, context, phase, epoch):
        """After an epoch's last step; epoch: 0-based."""

    def on_step_end(self, learner, context, phase):
        """After all other hooks of a step, of all callbacks: the state is consistent and may be saved."""

    def on_next_phase(self, learner, context):
        """Between two phases: the learner's position is at the next one, which is not made yet."""

    def on_phases_end(self, learner, context):
        """After the last phase, before the method ends the task."""

    def on_task_end(self, learner, context, outcome):
        """After the method ended the task; outcome: what it reports."""

    def arrays(self):
        """Dict of arrays that a checkpoint must keep for this callback."""
        return {}

    def restore(self, learner, arrays):
        """Restores its arrays from a checkpoint."""


def notify(learner, callbacks, hook, *arguments):
    """Calls a hook of all callbacks, on the learner's clock."""
    for callback in callbacks:
        with learner.clock.measure(callback.charge):
            getattr(callback, hook)(learner, *arguments)


def run_phase(learner, context, phase, callbacks):
    """Runs the rest of a phase from the learner's position on.

    Raises:
      Diverged: where a loss is not finite.
    """
    notify(learner, callbacks, "on_phase_begin", context, phase)
    first, losses = learner.position.step, LossWatch(learner, context, phase)
    for index in range(first, phase.num_steps):
        with learner.clock.measure("tracing" if index == first else phase.name):
            metrics = phase.step(index)
            losses.see(index, metrics)
        learner.position = dataclasses.replace(
            learner.position, step=index + 1, global_step=learner.position.global_step + 1
        )
        notify(learner, callbacks, "on_step", context, phase, index + 1, metrics)
        if (index + 1) % phase.batches == 0:
            notify(learner, callbacks, "on_epoch_end", context, phase, index // phase.batches)
        notify(learner, callbacks, "on_step_end", context, phase)
        stopping.check()  # of a learner that nobody saves, such as one that only measures
