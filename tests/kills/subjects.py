"""Commands that are killed: tiny runs of three tasks, of seconds each, on letters drawn by the tests."""

import os
import shutil
import subprocess
import sys

from dgm_tf.disk import files
from tests import letters, tiny_run
from tests.kills.life import ENVIRONMENT

_SETTINGS = """
ImageFolder.directory = '{inputs}/{images}'
EvaluationSettings.validation_per_class = 4
EvaluationSettings.gan_test_per_class = 5
EvaluationSettings.gan_train_epochs = 0
EvaluationSettings.judge_epochs = 1
EvaluationSettings.fine_tuning_epochs = 0
DCGANDiscriminator.filters = (4, 4, 8)
run_experiment.summary_seconds = 0.0
run_experiment.checkpoint_seconds = 0.0
"""
_GAN = """
GANSettings.min_batches = 1
GANSettings.epochs = 2
GANSettings.batch_size = 8
ClassifierSettings.min_replay_per_class = 0
ClassifierSettings.closing_epochs = 2
"""
_GIN = {
    "dgmw": 'include "gin/image_folder.gin"\nDCGANGenerator.filters = 2\n' + _GAN,
    "mergan_ra": 'include "gin/image_folder.gin"\ninclude "gin/methods/mergan_ra.gin"\n'
    'ConditionalGenerator.filters = 2\nClassifierSettings.replay_schedule = "constant"\n' + _GAN,
    "icarl": 'include "gin/image_folder.gin"\ninclude "gin/methods/icarl.gin"\n'
    "ICaRL.budget = 6\nICaRL.epochs = 4\nICaRL.batch_size = 4\n",
}
_SUITE = """
import dgm_tf.compare.suite

Suite.rows = [@icarl/SuiteRow(), @dgmw/SuiteRow()]
Suite.at = (1, 2)
icarl/SuiteRow.gin_file = "{inputs}/icarl_two.gin"
dgmw/SuiteRow.gin_file = "{inputs}/dgmw_two.gin"
"""


def write_inputs(folder):
    """Images, gin files and a finished run; what is there already is left."""
    if folder.is_dir():
        return
    making = folder.with_name("inputs_unfinished")
    shutil.rmtree(making, ignore_errors=True)
    for name, classes in {"three": "abc", "two": "ab", "later": "c"}.items():
        letters.write_letters(making / name, classes, count=8)
    for name, text in _GIN.items():
        for images, end in {"three": "", "two": "_two"}.items():
            settings = _SETTINGS.format(inputs=folder, images=images)
            (making / f"{name}{end}.gin").write_text(text + settings)
    (making / "suite.gin").write_text(_SUITE.format(inputs=folder))
    making.rename(folder)


class Subject:
    """A command that learns.

    Attributes:
      name: for people; run_dirs: the run folders that it fills, relative to a life's folder.
      begins: whether the beginning of a run can be told from outside.
    """

    name, run_dirs, begins = "", ("run",), True

    def __init__(self, inputs):
        self._inputs = inputs

    def begin(self, folder):
        """Puts into a life's folder what must be there before."""

    def command(self, folder):
        """The command, a list."""
        raise NotImplementedError

    def sessions(self, folder):
        """How often a run has begun so far."""
        paths = [folder / run_dir / "run.json" for run_dir in self.run_dirs]
        return sum(len(files.read_json(path)["sessions"]) for path in paths if path.is_file())

    def position(self, folder, sessions):
        """Where a killed command was, for people; sessions: as they were before it was started."""
        if self.sessions(folder) == sessions:
            return f"{self.name}: starting"
        return f"{self.name}: {', then '.join(self._position(folder / run_dir) for run_dir in self.run_dirs)}"

    def _position(self, run_dir):
        at = tiny_run.position(run_dir)
        if at["task"] < 0:
            return "reading images"
        if (run_dir / "results.json").is_file() and tiny_run.read_results(run_dir)["finished"]:
            return "ended"
        return f"task {at['task'] + 1}, phase {at['phase'] + 1}"


class Train(Subject):
    """bin/train."""

    gin_file = ""

    def command(self, folder):
        """The command."""
        flags = f"--gin_file={self._inputs / self.gin_file}", f"--run_dir={folder / 'run'}"
        return [sys.executable, "-P", "-m", "dgm_tf.cli.train", *flags, f"--cache_dir={folder / 'cache'}"]


class DGMw(Train):
    """DGMw."""

    name, gin_file = "DGMw", "dgmw.gin"


class ICaRL(Train):
    """iCaRL."""

    name, gin_file = "iCaRL", "icarl.gin"


class MeRGAN(Train):
    """MeRGAN-RA."""

    name, gin_file = "MeRGAN-RA", "mergan_ra.gin"


class Learn(Subject):
    """bin/learn, in a copy of a finished run of two tasks."""

    name = "bin_learn"

    def begin(self, folder):
        """The finished run."""
        finished = self._inputs / "finished"
        if not finished.is_dir():
            making = self._inputs / "finishing"
            flags = f"--gin_file={self._inputs / 'dgmw_two.gin'}", f"--run_dir={making}"
            train = [sys.executable, "-P", "-m", "dgm_tf.cli.train", *flags, f"--cache_dir={self._inputs / 'cache'}"]
            subprocess.run(train, check=True, env=os.environ | ENVIRONMENT, cwd=folder, stdout=subprocess.DEVNULL)
            making.rename(finished)
        shutil.copytree(finished, folder / "run")

    def command(self, folder):
        """The command."""
        flags = f"--run_dir={folder / 'run'}", f"--image_dir={self._inputs / 'later'}"
        return [sys.executable, "-P", "-m", "dgm_tf.cli.learn", *flags, f"--cache_dir={folder / 'cache'}"]


class Suite(Subject):
    """bin/compare with two runs, which may outlive it."""

    name, run_dirs, begins = "suite", ("runs/icarl/seed0", "runs/dgmw/seed0"), False

    def command(self, folder):
        """The command."""
        flags = f"--suite={self._inputs / 'suite.gin'}", f"--run_root={folder / 'runs'}"
        return [sys.executable, "-P", "-m", "dgm_tf.cli.compare", *flags]


SUBJECTS = {subject.name: subject for subject in (DGMw, ICaRL, MeRGAN, Learn, Suite)}
