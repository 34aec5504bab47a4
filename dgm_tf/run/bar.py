"""What a person watches: a progress bar with the time left, and a line an epoch."""

import time

from rich import progress as rich_progress
from rich.text import Text

from dgm_tf import output
from dgm_tf.text import shown
from dgm_tf.training.loop import Callback

NAMED_CLASSES = 3  # of a task, up to which all are named


class Progress(Callback):
    """A bar per phase where there is a terminal, and a line after every epoch everywhere.

    Args:
      stream: for the number of tasks.
      best: `BestEpoch`, for the validation accuracy.
      console: `rich.console.Console`; default: standard output.
    """

    charge = "progress"

    def __init__(self, stream, best, console=None):
        self._stream, self._best = stream, best
        self._console = console or output.console()
        self._bar = None

    def tell(self, lines):
        """Prints what is to be known before the first task."""
        for line in lines:
            self._print(line)

    def on_task_begin(self, learner, context):
        """Starts the task's clock."""
        self._since = time.monotonic()

    def on_task_end(self, learner, context, outcome):
        """Says how long the other tasks will take if they take as long as this one."""
        left = self._stream.num_tasks - learner.num_tasks
        if left:
            minutes = (time.monotonic() - self._since) * left / 60
            self._print(f"{left} tasks to go: about {minutes:.0f} minutes")

    def on_phase_begin(self, learner, context, phase):
        """Starts a bar."""
        self.close()  # a phase that is resumed at its end has no epoch that would
        names = shown(_names(context.task.class_names))
        self._title = f"task {context.index + 1}/{self._stream.num_tasks} ({names}) {phase.name}"
        self._bar = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}", markup=False),
            rich_progress.BarColumn(),
            rich_progress.MofNCompleteColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._row = self._bar.add_task(self._title, total=phase.num_steps, completed=learner.position.step)
        self._bar.start()

    def on_step(self, learner, context, phase, step, metrics):
        """Moves the bar; closes it at the end of the phase."""
        if self._bar is not None:
            self._bar.update(self._row, completed=step)
        self._metrics = metrics

    def on_epoch_end(self, learner, context, phase, epoch):
        """Prints the epoch's losses and, so that a collapse is seen, each mask's share of ones."""
        values = {k.rsplit("/", 1)[-1]: float(v) for k, v in self._metrics.items()}
        shares = [v for k, v in learner.method.watch({})[0].items() if "share_of_ones" in k]
        text = f"{self._title} epoch {epoch + 1}/{phase.epochs}  "
        text += "  ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items())
        if shares and phase.name == "gan":
            text += "  mask ones " + " ".join(f"{share:.2f}" for share in shares)
            text += "  COLLAPSED" if min(shares) == 0 or max(shares) == 1 else ""
        if phase.trains_classifier and self._best.history:
            text += f"  validation {self._best.history[-1]:.2%}"
        self._print(text)
        if epoch + 1 == phase.epochs:
            self.close()

    def on_phases_end(self, learner, context):
        """Takes away a bar that had no step left."""
        self.close()

    def close(self):
        """Takes the bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, text):
        self._console.print(Text(text), soft_wrap=True)


def _names(names):
    return ", ".join(names) if len(names) <= NAMED_CLASSES else f"{names[0]} ... {names[-1]}"
