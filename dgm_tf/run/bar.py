"""Training progress: a bar and a line an epoch on a terminal, one updated line for each phase in a notebook."""

import time

from rich import progress as rich_progress
from rich.text import Text

from dgm_tf import output
from dgm_tf.text import shown
from dgm_tf.training.loop import Callback

NAMED_CLASSES = 3  # of a task, up to which all are named
NOTEBOOK_SECONDS = 0.5  # between two updates of a notebook's line: each is a message to the browser


class Progress(Callback):
    """Prints a bar for each phase and a line for each epoch. In a notebook, one line a phase is updated instead.

    To watch a learner of your own: `learner.learn(task, callbacks=[Progress()])`.

    Args:
      stream: `ClassIncrementalStream`, for the number of tasks; None: it is not known.
      best: `BestEpoch`, for the validation accuracy; None: it is not printed.
      console: `rich.console.Console`; default: standard output.
    """

    charge = "progress"

    def __init__(self, stream=None, best=None, console=None):
        self._num_tasks, self._best = stream and stream.num_tasks, best
        self._console = console or output.console()
        self._bar = None
        self._line = _NotebookLine() if self._console.is_jupyter else None

    def tell(self, lines):
        """Prints lines before the first task."""
        self._print("\n".join(lines))

    def on_task_begin(self, learner, context):
        """Starts the task's clock."""
        self._since = time.monotonic()

    def on_task_end(self, learner, context, outcome):
        """Estimates the time of the other tasks from that of this one."""
        left = (self._num_tasks or 0) - learner.num_tasks
        if left > 0:
            minutes = (time.monotonic() - self._since) * left / 60
            self._print(f"{left} more task{'s' if left > 1 else ''}: about {minutes:.0f} minutes")

    def on_phase_begin(self, learner, context, phase):
        """Starts a bar."""
        self.close()  # a phase that is resumed at its end has no epoch that would
        names = shown(_names(context.task.class_names))
        of_all = f"/{self._num_tasks}" if self._num_tasks else ""
        self._title = f"{context.title}{of_all} ({names}) {phase.name}"
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
        self._epoch_text = ""

    def on_step(self, learner, context, phase, step, metrics):
        """Moves the bar; closes it at the end of the phase."""
        if self._bar is not None:
            self._bar.update(self._row, completed=step)
        self._metrics = metrics
        if self._line is not None:
            done = f"{step / phase.num_steps:4.0%}"
            self._line.update(f"{self._title} {done}  {self._epoch_text}", at_once=step == phase.num_steps)

    def on_epoch_end(self, learner, context, phase, epoch):
        """Prints the epoch's losses and, so that a collapse is seen, each mask's share of ones."""
        values = {k.rsplit("/", 1)[-1]: float(v) for k, v in self._metrics.items()}
        shares = [v for k, v in learner.method.watch({})[0].items() if "share_of_ones" in k]
        text = f"epoch {epoch + 1}/{phase.epochs}  "
        text += "  ".join(f"{name.replace('_', ' ')} {value:.3g}" for name, value in values.items())
        if shares and phase.name == "gan":
            text += "  mask ones " + " ".join(f"{share:.2f}" for share in shares)
            text += "  COLLAPSED" if min(shares) == 0 or max(shares) == 1 else ""
        if phase.trains_classifier and self._best is not None and self._best.history:
            text += f"  validation {self._best.history[-1]:.2%}"
        self._tell_epoch(text, is_last=epoch + 1 == phase.epochs)
        if epoch + 1 == phase.epochs:
            self.close()

    def _tell_epoch(self, text, is_last):
        if self._line is None:
            self._print(f"{self._title} {text}")
            return
        self._epoch_text = text
        if is_last:
            self._line.update(f"{self._title} 100%  {text}", at_once=True)
            self._line = _NotebookLine()  # the next phase has a line of its own

    def on_phases_end(self, learner, context):
        """Closes a bar that had no step left."""
        self.close()

    def close(self):
        """Closes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _print(self, text):
        self._console.print(Text(text), soft_wrap=True)


def _names(names):
    return ", ".join(names) if len(names) <= NAMED_CLASSES else f"{names[0]} ... {names[-1]}"


class _NotebookLine:
    """A line of a notebook's output that is rewritten in place, so that long training does not flood it."""

    def __init__(self):
        self._handle, self._next = None, 0.0

    def update(self, text, at_once=False):
        """Shows the text, unless the line was updated a moment ago."""
        if not at_once and time.monotonic() < self._next:
            return
        self._next = time.monotonic() + NOTEBOOK_SECONDS
        from IPython.display import display

        data = {"text/plain": text}
        if self._handle is None:
            self._handle = display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)
