"""Runs of a suite, one for each row and seed, and their states."""

import dataclasses
import pathlib
import re
import sys

from dgm_tf import config
from dgm_tf.compare.suite import SuiteRow
from dgm_tf.errors import UserError
from dgm_tf.run.folder import RunFolder

NEW, BEGUN, FINISHED, CHANGED, DAMAGED = "new", "begun", "finished", "changed", "damaged"  # on disk
WAITING, RUNNING, STOPPED, FAILED = "waiting", "running", "stopped", "failed"  # while the suite runs


@dataclasses.dataclass
class Run:
    """One row of a suite with one seed.

    Attributes:
      row: `SuiteRow`.
      seed: int, of the training.
      run_dir: its run folder.
      command: what is started, a list of strings.
      text: its configuration, flattened.
      state: one of the constants above.
      reason: why it is in this state, for people.
      log_start: bytes of the log that were there before it was last started.
    """

    row: SuiteRow
    seed: int
    run_dir: pathlib.Path
    command: list[str]
    text: str
    state: str = NEW
    reason: str = ""
    log_start: int = 0

    @property
    def name(self):
        """Name to show."""
        return f"{self.row.name} seed {self.seed}"

    @property
    def folder(self):
        """Its `RunFolder`."""
        return RunFolder(self.run_dir)

    @property
    def log(self):
        """Log file of the run's output, beside the run folder."""
        return self.run_dir.with_name(f"{self.run_dir.name}.log")

    def record(self):
        """Its `Record` without large entries, also of an unfinished run; None if missing or damaged."""
        return self.folder.record(large=False) if self.state != DAMAGED else None

    def look(self):
        """Sets `state` from the run folder: new, begun, finished, changed or damaged."""
        self.state, self.reason = NEW, ""
        try:
            self._look()
        except UserError as error:
            self.state, self.reason = DAMAGED, str(error)

    def _look(self):
        if not self.folder.has_config:
            self.state = NEW
        elif why := self.folder.other_configuration(self.text):
            self.state, self.reason = CHANGED, why
        else:
            self.state = FINISHED if self.folder.is_finished else BEGUN

    def log_tail(self, lines=12):
        """Last lines of the log since the last start."""
        if not self.log.is_file():
            return ""
        with self.log.open("rb") as file:
            file.seek(self.log_start)
            printed = file.read().decode(errors="replace").strip()
        return "\n".join(printed.splitlines()[-lines:])


def parse_seeds(text):
    """Parses seeds: "0-2,7" gives [0, 1, 2, 7].

    Raises:
      UserError: naming the part that is no seed or range of seeds, or that is there twice.
    """
    seeds = []
    for part in text.split(","):
        match = re.fullmatch(r"\s*(\d+)(?:\s*-\s*(\d+))?\s*", part)
        first, last = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if first > last:
            raise UserError(f"--seeds: expected seeds such as 0,1,2 or a range such as 0-4, got {part!r}")
        for seed in range(first, last + 1):
            if seed in seeds:
                raise UserError(f"--seeds: expected each seed once, got {seed} twice")
            seeds.append(seed)
    return seeds


def found_seeds(suite, root):
    """Sorted seeds of the existing run folders."""
    folders = (path for row in suite.rows for path in (root / row.name).glob("seed*") if path.is_dir())
    return sorted({int(f.name[4:]) for f in folders if f.name[4:].isdecimal()})


def plan(suite, seeds, root, modules=(), flags=()):
    """Lists the suite's `Run`s, seed by seed, so that a first table is complete early.

    Args:
      suite: `Suite`.
      seeds: list of int.
      root: folder of the suite's runs; a run's is <root>/<row>/seed<N>.
      modules: of a person's own, see `config.parse`.
      flags: more flags for dgm_tf.cli.train.

    Raises:
      UserError: if a row's gin file is missing or cannot be read.
    """
    root, runs = pathlib.Path(root), []
    for seed in seeds:
        for row in suite.rows:
            params = (*suite.params, *row.params, f"run_experiment.seed = {seed}")
            run_dir = root / row.name / f"seed{seed}"
            try:
                text = config.config_text(row.gin_file, params, modules)
            except UserError as error:
                raise UserError(f"row {row.name}: {error}") from error
            command = _command(row.gin_file, params, run_dir, root, (*(f"--import={m}" for m in modules), *flags))
            run = Run(row, seed, run_dir, command, text)
            run.look()
            runs.append(run)
    return runs


def _command(gin_file, params, run_dir, root, flags):
    return [
        sys.executable, "-P", "-m", "dgm_tf.cli.train", f"--gin_file={gin_file}",
        *(f"--gin_param={param}" for param in params),
        f"--run_dir={run_dir}", f"--cache_dir={root / '.cache'}", *flags,
    ]  # fmt: skip
