r"""Compares methods: runs each row of a suite with several seeds and writes one table.

  bin/compare --suite=gin/compare/smoke.gin --jobs=2                             # all methods, minutes
  bin/compare --suite=gin/compare/table1_mnist_fast.gin --seeds=0-2 --jobs=2
  bin/compare --suite=gin/compare/table1_mnist_fast.gin --seeds=0-2 --dry_run    # list the runs
  bin/compare --suite=gin/compare/table1_mnist_fast.gin --report_only            # table of finished runs
  bin/compare --suite=my_suite.gin --import=my_method
  bin/compare --suite=gin/compare/photos.gin --run_param="ImageFolder.directory='photos'"

Each run is a bin/train process with the folder <run_root>/<method>/seed<N> and the log seed<N>.log beside it. Ctrl-C
lets the runs save. Run the same command again to resume: finished runs are left alone, failed ones are tried again. A
failed run does not stop the others. Exit status: 0 if all runs finished, 1 if one failed.
"""

import dataclasses
import pathlib

from absl import flags

from dgm_tf import config, output
from dgm_tf.cli import command
from dgm_tf.compare import runs as states
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError, reason
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown

FLAGS = command.define(
    (flags.DEFINE_string, "suite", None, "Gin file of the suite."),
    (flags.DEFINE_multi_string, "gin_param", [], "A gin binding that overrides the suite's file."),
    (
        flags.DEFINE_multi_string, "run_param", [],
        "A gin binding of all runs, such as ImageFolder.directory='photos'. It wins over the suite's file.",
    ),
    command.IMPORT,
    (
        flags.DEFINE_string, "seeds", None,
        "Training seeds, such as 0,1,2 or 0-4. Default: 0; with --report_only: all found.",
    ),
    (flags.DEFINE_list, "methods", [], "Names of the rows to run. Default: all."),
    (flags.DEFINE_integer, "jobs", 1, "Runs at a time. They share the cores.", 1),
    (flags.DEFINE_enum, "launcher", "local", ["local", "ray"], "Processes of this machine, or Ray tasks."),
    (flags.DEFINE_string, "run_root", None, "Folder of the runs. Default: runs/<suite>."),
    (flags.DEFINE_string, "output", None, "Folder of the table. Default: that of the runs."),
    (flags.DEFINE_bool, "dry_run", False, "List the runs and their states, and do nothing else."),
    (flags.DEFINE_bool, "report_only", False, "Write the table from the finished runs, and run nothing."),
    command.DATA_DIR,
    command.DOWNLOAD,
    (flags.DEFINE_enum, "strategy", "auto", command.STRATEGIES[:-1], "Devices: see docs/running.md."),
)  # fmt: skip


def main():
    """Console entry point."""
    command.run(compare, __doc__, FLAGS)


def compare():
    """Lists, runs or reports, as the flags say; returns the exit status."""
    if not FLAGS.suite:
        raise UserError("--suite: expected a suite's gin file, such as gin/compare/smoke.gin, got none")
    from dgm_tf.compare import suite as suites

    with quiet_start():
        config.import_modules(_modules())
        suite = suites.read_suite(FLAGS.suite, FLAGS.gin_param, _modules())
    suite = _with_params(_with_rows(suite, FLAGS.methods), FLAGS.run_param)
    root = user_path(FLAGS.run_root or f"runs/{pathlib.Path(FLAGS.suite).stem}", "--run_root")
    runs = states.plan(suite, _seeds(suite, root), root, _modules(), _train_flags())
    if FLAGS.dry_run:
        _list(runs)
        return 0
    if FLAGS.report_only:
        _report(suite, runs, root)
        return 0
    return _run(suite, runs, root)


def _modules():
    return FLAGS["import"].value


def _with_rows(suite, names):
    """The suite with the rows of these names alone."""
    known = [row.name for row in suite.rows]
    for name in names:
        if name not in known:
            raise UserError(f"--methods: expected some of {', '.join(known)}, got {name!r}")
    if not names:
        return suite
    orders = [pair for pair in suite.orders if set(pair) <= set(names)]
    return dataclasses.replace(suite, rows=[row for row in suite.rows if row.name in names], orders=orders)


def _with_params(suite, params):
    """The suite with rows that have these bindings, too."""
    if not params:
        return suite
    rows = [dataclasses.replace(row, params=(*row.params, *params)) for row in suite.rows]
    return dataclasses.replace(suite, rows=rows)


def _seeds(suite, root):
    if FLAGS.seeds is not None:
        return states.parse_seeds(FLAGS.seeds)
    return (states.found_seeds(suite, root) if FLAGS.report_only else None) or [0]


def _train_flags():
    folder = FLAGS.data_dir and user_path(FLAGS.data_dir, "--data_dir")
    given = [] if folder is None else [f"--data_dir={folder}"]
    return [*given, *([] if FLAGS.download else ["--nodownload"]), f"--strategy={FLAGS.strategy}"]


def _list(runs):
    width = max(len(run.name) for run in runs)
    for run in runs:
        why = f": {run.reason}" if run.state == states.DAMAGED else ""
        output.say(shown(f"{run.name:{width}}  {run.state:8}  {run.run_dir}{why}"))


def _run(suite, runs, root):
    from dgm_tf.compare.launcher import run_all
    from dgm_tf.compare.live import LiveTable
    from dgm_tf.disk.lock import locked
    from dgm_tf.stopping import StopSignals

    with locked(root, "--run_root", "another bin/compare, or a run that it left,") as lock:
        for run in runs:  # as they stand now that no other command is at work there
            run.look()
        launcher = _launcher(lock)
        with StopSignals(patient=True) as signals, LiveTable(runs) as table:
            well = run_all(runs, launcher, table, signals)
        _tell_failures(runs)
        if signals.received is not None:
            output.say("\nstopped; all runs have saved. Run the same command again to resume.")
            return 128 + signals.received
        _report(suite, runs, root)
    return 0 if well else 1


def _launcher(lock):
    if FLAGS.launcher == "ray":
        from dgm_tf.compare.ray_launcher import RayLauncher

        return RayLauncher(FLAGS.jobs)
    from dgm_tf.compare.launcher import LocalLauncher

    return LocalLauncher(FLAGS.jobs, lock)


def _tell_failures(runs):
    for run in runs:
        if run.state == states.FAILED:
            output.complain(shown(f"\n{run.name} failed: {run.reason}. The end of {run.log}:", keep="\n"))
            output.complain("\n".join(f"  | {shown(line)}" for line in run.log_tail().splitlines()))
        elif run.state == states.CHANGED:
            text = f"\n{run.name} was not run: {run.reason}\nRemove it, or name another --run_root."
            output.complain(shown(text, keep="\n"))
        elif run.state == states.DAMAGED:
            output.complain(shown(f"\n{run.name} was not run: {run.reason}", keep="\n"))


def _report(suite, runs, root):
    from dgm_tf.compare import formats
    from dgm_tf.compare.numbers import compare
    from dgm_tf.compare.report_files import write_report
    from dgm_tf.report.tables import print_report

    comparison = compare(suite, runs)
    folder = user_path(FLAGS.output or root, "--output")
    try:
        path = write_report(comparison, folder)
    except OSError as error:
        raise UserError(f"--output: cannot write to {folder}: {reason(error)}") from error
    print_report(formats.terminal_table(comparison))
    for number, text in enumerate(formats.remarks(comparison), 1):
        output.say(f"[{number}] {shown(text)}")
    text = f"{path}; beside it .tex, .csv, .json and accuracy.png; tensorboard --logdir {folder / 'hparams'}"
    output.say("\n" + shown(text))


if __name__ == "__main__":
    main()
