"""Progress of a suite: a live table on a terminal, else a line for each change."""

import time

from rich import box
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dgm_tf import output
from dgm_tf.compare import runs as states
from dgm_tf.compare.run_progress import RunProgress, read_progress
from dgm_tf.report.tables import duration
from dgm_tf.text import shown

_BAD = (states.FAILED, states.DAMAGED, states.CHANGED)
_STYLES = {states.RUNNING: "bold", states.FINISHED: "green"} | dict.fromkeys(_BAD, "bold red")
# What is worth seeing stands above where the table is longer than the terminal.
_ORDER = (*_BAD, states.RUNNING, states.STOPPED, states.WAITING, states.BEGUN, states.NEW)


class LiveTable:
    """Shows the states of a suite's runs. A context manager.

    Args:
      runs: list of `Run`, whose states others change.
      console: `rich.console.Console`; default: standard output.
      every_seconds: time between two looks at the run folders.
    """

    def __init__(self, runs, console=None, every_seconds=2.0):
        self._runs, self._every_seconds = runs, every_seconds
        self._console = console or output.console()
        self._live, self._last, self._told = None, 0.0, {}
        self._progress, self._complaints = {}, set()
        for run in runs:
            self._read(run)
        self._news()  # how it stood before is no news

    def __enter__(self):
        if self._console.is_terminal:
            self._live = Live(console=self._console, auto_refresh=False, vertical_overflow="ellipsis")
            self._live.start()
        return self

    def __exit__(self, *_):
        self._last = 0.0
        self.update()
        if self._live is not None:
            self._live.stop()

    def update(self):
        """Reads the run folders and shows their states, if it is time or something has changed."""
        changed = [run for run in self._runs if self._told.get(run.name, ("",))[0] != run.state]
        now = time.monotonic()
        if now - self._last < self._every_seconds and not changed:
            return
        self._last = now
        for run in self._runs:
            if run.state == states.RUNNING or run in changed:
                self._read(run)
        news = self._news()
        if self._live is not None:
            self._live.update(progress_table(self._runs, self._progress), refresh=True)
        else:
            for line in news:
                line = f"{time.strftime('%H:%M:%S')} {shown(line)}"
                self._console.print(line, soft_wrap=True, markup=False, emoji=False)

    def _read(self, run):
        progress = self._progress[run.name] = read_progress(run)
        for complaint in progress.complaints:
            if complaint not in self._complaints:
                self._complaints.add(complaint)
                output.warn(complaint)

    def _news(self):
        """Returns a line for each run whose state or number of learned tasks has changed."""
        lines = []
        for run in self._runs:
            progress = self._progress[run.name]
            facts = run.state, progress.learned if run.state == states.RUNNING else None
            if self._told.get(run.name) != facts:
                self._told[run.name] = facts
                lines += [_line(run, progress)] if run.state != states.WAITING else []
        return lines


def _line(run, progress):
    parts = [f"{run.name}: {run.state}"]
    if progress.tasks:
        parts.append(f"task {progress.learned}/{progress.tasks} learned")
    if progress.accuracy is not None:
        parts.append(f"A {progress.accuracy:.2%}")
    if run.state == states.FAILED:
        parts.append(f"{run.reason.splitlines()[0]}, see {run.log}")
    return ", ".join(parts)


def progress_table(runs, progress):
    """Table of all runs, those that need attention first. progress: name -> `RunProgress`."""
    table = Table(title=_title(runs, progress), box=box.SIMPLE_HEAD, title_justify="left", title_style="bold")
    for name in ("method", "seed", "state", "task", "phase", "epoch"):
        table.add_column(name, no_wrap=True)
    for name in ("A so far", "elapsed", "left"):
        table.add_column(name, justify="right", no_wrap=True)
    order = {state: i for i, state in enumerate(_ORDER)}
    for run in sorted(runs, key=lambda run: order.get(run.state, len(order))):
        cells = _cells(run, progress.get(run.name, RunProgress()))
        table.add_row(Text(shown(run.row.label)), str(run.seed), run.state, *cells, style=_STYLES.get(run.state, "dim"))
    return table


def _cells(run, progress):
    running = run.state == states.RUNNING
    at = min(progress.learned + 1, progress.tasks) if running else progress.learned
    return (
        f"{at}/{progress.tasks}" if progress.tasks else "",
        progress.phase if running else "",
        progress.epoch if running else "",
        "" if progress.accuracy is None else f"{progress.accuracy:.2%}",
        duration(progress.elapsed) if progress.elapsed else "",
        duration(progress.left) if running and progress.left is not None else "",
    )


def _title(runs, progress):
    counts = {state: sum(run.state == state for run in runs) for state in (states.FINISHED, *_ORDER)}
    text = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
    left = seconds_left(runs, progress)
    return text if left is None else f"{text}; about {duration(left)} left"


def seconds_left(runs, progress):
    """Estimated seconds until all runs are done; None while a row has no finished task."""
    totals: dict[str, list[float]] = {}
    for run in runs:
        so_far = progress.get(run.name, RunProgress())
        if so_far.left is not None:
            totals.setdefault(run.row.name, []).append(so_far.elapsed + so_far.left)
    seconds, jobs = 0.0, sum(run.state == states.RUNNING for run in runs)
    for run in runs:
        if run.state not in (states.RUNNING, states.WAITING):
            continue
        if run.row.name not in totals:
            return None
        expected = sum(totals[run.row.name]) / len(totals[run.row.name])
        so_far = progress.get(run.name, RunProgress())
        seconds += max(0.0, expected - so_far.elapsed) if so_far.left is None else so_far.left
    return seconds / jobs if jobs else None
