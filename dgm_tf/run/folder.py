"""Run folder: its paths, lock and configuration, and whether the run has finished."""

import pathlib

from dgm_tf import config, gin_files
from dgm_tf.disk import files, lock, sealed_text
from dgm_tf.errors import UserError
from dgm_tf.measures import record

PATIENCE = 10.0  # seconds that a run which is being stopped may take to save


class RunFolder:
    """Folder with everything that a run writes.

    Args:
      path: the folder; it need not be there.

    Attributes:
      path, and what lies in it: config (the flattened configuration), operative_config, results, starts (run.json),
      metrics, memory, checkpoints, images, figures, export, samples, labels, forgetting (its journal).
    """

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.config, self.operative_config = self.path / "config.gin", self.path / "operative_config.gin"
        self.results, self.starts = self.path / record.RESULTS, self.path / "run.json"
        self.metrics = self.path / "metrics.jsonl"
        self.memory, self.checkpoints = self.path / "memory", self.path / "checkpoints"
        self.images, self.figures = self.path / "images", self.path / "figures"
        self.export, self.samples = self.path / "export", self.path / "samples"
        self.labels, self.forgetting = self.path / "labels.csv", self.path / "forgetting.json"

    def __str__(self):
        return str(self.path)

    def make(self):
        """Makes the folder if it is missing.

        Raises:
          UserError: where there cannot be one.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            text = f"expected a folder or a place for one, got {self.path} ({error.strerror})"
            raise UserError(f"run_dir: {text}") from error

    def locked(self):
        """Locks the folder for this process; see `lock.locked`."""
        return lock.locked(self.path, "run_dir", "another bin/train, bin/learn or bin/forget", PATIENCE)

    @property
    def has_config(self):
        """Whether the folder has a configuration, so that a run has begun here."""
        return self.config.is_file()

    def write_config(self, text):
        """Writes the configuration, a flattened text."""
        files.write_atomically(self.config, sealed_text.sealed(text))

    def config_text(self):
        """The configuration; raises UserError if it is damaged or no text."""
        return gin_files.read_own(self.config)

    def difference(self, text):
        """The lines in which a configuration differs from the one here, as a diff; "" where they mean the same.

        Raises:
          UserError: if the one here is damaged or no text.
        """
        return config.difference(self.config, text)

    def other_configuration(self, text):
        """Why the folder holds a run of another configuration than this one, in some lines; "" where it does not."""
        difference = self.difference(text)
        return difference and f"{self} holds a run of another configuration:\n{difference}"

    def record(self, large=True):
        """The run's `Record`, None where there is none yet; errors and large: as of `record.read`."""
        return record.read(self.results, large) if self.results.is_file() else None

    @property
    def is_finished(self):
        """Whether the run has finished; raises as `record` does."""
        found = self.record(large=False)
        return found is not None and found.finished

    def grid_after(self, num_tasks):
        """Path of the grid of generated images after a number of tasks."""
        return self.images / f"generated_after_task_{num_tasks:02d}.png"
