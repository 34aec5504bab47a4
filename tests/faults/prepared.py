"""One tiny run in three states: in the middle of its last task, trained but not ended, and finished."""

import pathlib
import shutil
from unittest import mock

from dgm_tf.cli import train
from dgm_tf.run.checkpoints import Checkpointer, read_checkpoint
from dgm_tf.run.recorder import Recorder
from tests import letters
from tests.faults.commands import Cut, give

BEGUN, ENDED, FINISHED = "begun", "ended", "finished"
RUN = pathlib.Path("tiny", "seed0")  # in the folder of the suite's runs
PARAMS = (
    "GANSettings.min_batches = 1", "GANSettings.epochs = 1", "GANSettings.batch_size = 8",
    "ClassifierSettings.min_replay_per_class = 0", "ClassifierSettings.closing_epochs = 1",
    "DCGANGenerator.filters = 2", "DCGANDiscriminator.filters = (4, 4, 8)",
    "EvaluationSettings.validation_per_class = 4", "EvaluationSettings.gan_test_per_class = 5",
    "EvaluationSettings.gan_train_epochs = 0", "EvaluationSettings.judge_epochs = 1",
    "run_experiment.checkpoint_seconds = 1000.0", "run_experiment.summary_seconds = 0.0",
)  # fmt: skip


class Prepared:
    """Folders and files that commands are given, with the states kept beside them.

    Args:
      folder: empty; everything is inside.

    Attributes:
      root, run_dir: folder of a suite's runs, and the run in it; photos, later: folders of images; output: for others.
      gin_file, suite: of the run and of the suite.
      head: of metrics.jsonl, as the checkpoint in the middle of the last task has it.
    """

    def __init__(self, folder):
        self.root, self._states = folder / "runs", folder / "states"
        self.photos, self.later = folder / "photos", folder / "later"
        self.run_dir, self.output = self.root / RUN, folder / "output"
        letters.write_letters(self.photos, "ab", count=8)
        letters.write_letters(self.later, "c", count=6)
        self.gin_file, self.suite = folder / "tiny.gin", folder / "suite.gin"
        lines = ["include 'gin/image_folder.gin'", f"ImageFolder.directory = '{self.photos}'", *PARAMS]
        self.gin_file.write_text("\n".join(lines) + "\n")
        row = f"tiny/SuiteRow.gin_file = '{self.gin_file}'"
        self.suite.write_text(f"import dgm_tf.compare.suite\nSuite.rows = [@tiny/SuiteRow()]\nSuite.at = (2,)\n{row}\n")
        self._make()

    @property
    def train_arguments(self):
        """What the suite gives bin/train."""
        seed = "--gin_param=run_experiment.seed = 0"
        return [f"--gin_file={self.gin_file}", seed, f"--run_dir={self.run_dir}", f"--cache_dir={self.root / '.cache'}"]

    def _make(self):
        def stop_in_the_last_task(self, learner, context, phase):
            if (learner.position.task, learner.position.step) == (1, 1):
                self.save(learner, phase.variables())
                self.wait()
                raise Cut

        for state, patch in (
            (BEGUN, mock.patch.object(Checkpointer, "on_step_end", stop_in_the_last_task)),
            (ENDED, mock.patch.object(Recorder, "finish", mock.Mock(side_effect=Cut))),
            (FINISHED, mock.patch.object(Checkpointer, "on_step_end", lambda *_: None)),
        ):
            with patch:
                outcome = give(train, *self.train_arguments)
            assert outcome.ended == (0 if state == FINISHED else Cut), outcome
            for folder in ("export", "figures", "images", "train", "eval"):  # which no command reads
                shutil.rmtree(self.run_dir / folder, ignore_errors=True)
            shutil.copytree(self.root, self._states / state)
            if state == BEGUN:
                self.head = read_checkpoint(self.run_dir / "checkpoints").metrics_head

        # The bounds are measured at the end: what a run that went as far before would find.
        shutil.copytree(self.root / ".cache", self._states / ENDED / ".cache", dirs_exist_ok=True)

    def restore(self, state):
        """Puts the run folder and the cache into a state."""
        shutil.rmtree(self.root)
        shutil.rmtree(self.output, ignore_errors=True)
        shutil.copytree(self._states / state, self.root)
