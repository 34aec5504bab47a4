r"""Trains on a sequence of tasks, as a gin file describes. Run the same command again to resume.

  bin/train                                      # the quickstart: five digits, a few minutes
  bin/train --gin_file=gin/mnist_dgmw.gin        # the paper's experiment on all of MNIST
  bin/train --gin_file=gin/mnist_dgmw_fast.gin --gin_param="run_experiment.seed=1" --run_dir=runs/seed1

The run folder is runs/<name of the gin file>, unless --run_dir names another. It holds results.json, figures, the
memory and SavedModels.
"""

import pathlib

from absl import flags

from dgm_tf import config, output
from dgm_tf.cli import command
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import DetailedError, UserError
from dgm_tf.quiet import expect_loss, quiet_start
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder
from dgm_tf.text import shown

FLAGS = command.define(
    (flags.DEFINE_string, "gin_file", "gin/quickstart.gin", "The gin file that describes the run."),
    (
        flags.DEFINE_multi_string, "gin_param", [],
        "A gin binding that overrides the file's, such as 'GANSettings.epochs=5'.",
    ),
    (flags.DEFINE_string, "run_dir", None, "Run folder. Default: runs/<name of the gin file>."),
    command.IMPORT,
    (
        flags.DEFINE_string, "cache_dir", None,
        "Cache shared by runs on the same data. Default: .cache beside the run folder.",
    ),
    command.DATA_DIR,
    command.DOWNLOAD,
    command.STRATEGY,
    command.WAIT,
)  # fmt: skip


def main():
    """Console entry point."""
    command.run(train, __doc__, FLAGS)


def train():
    """Runs, resumes, or says that the run is finished; returns the exit status."""
    run_dir = user_path(FLAGS.run_dir or f"runs/{pathlib.Path(FLAGS.gin_file).stem}", "--run_dir")
    expect_loss(FLAGS.strategy)
    with quiet_start():
        modules = FLAGS["import"].value
        config.import_modules(modules)
        text = config.parse(FLAGS.gin_file, FLAGS.gin_param, modules)
        from dgm_tf.run import experiment  # noqa: F401 - which imports TensorFlow

    folder = RunFolder(run_dir)
    status = _look(folder, text) if folder.config.exists() else None
    return _run(folder, text) if status is None else status  # a finished run stays as it is, down to its lock


def _look(folder, text):
    """An exit status, where the folder leaves nothing to be done; None where the configuration may run there.

    Raises:
      UserError: if it holds a run of another configuration.
    """
    if folder.has_config and (why := folder.other_configuration(text)):
        raise DetailedError(f"{why}\nName another --run_dir.")
    if not folder.is_finished:
        return None
    output.say(shown(f"{folder} is finished: see {folder.results}; --run_dir names another folder."))
    return 0


def _run(folder, text):
    from dgm_tf.run import experiment
    from dgm_tf.training import agreement

    folder.make()
    command.bind(FLAGS, FLAGS.download)

    def run():
        agreement.check_same("configurations", text)
        is_new = not folder.config.exists()
        if agreement.is_chief():
            folder.write_config(text)
        try:
            with config.missing_told():
                experiment.run_experiment(folder.path)
        except UserError:
            if is_new and agreement.is_chief():
                _release(folder)
            raise

    def look():
        status = _look(folder, text)
        lost = status is not None and not folder.config.exists()  # it was deleted, as it was damaged
        if lost and agreement.is_chief():
            folder.write_config(text)
        return status

    return sessions.run_session(folder, FLAGS.strategy, run, FLAGS.wait_for_workers, look)


def _release(folder):
    """A configuration that fails before its first checkpoint must not claim the folder: the corrected one may."""
    from dgm_tf.run.checkpoints import has_checkpoint

    if not has_checkpoint(folder.checkpoints):
        folder.config.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
