"""Shared by commands that read the folder of a run."""

from dgm_tf import config
from dgm_tf.disk import lock
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.quiet import quiet_start
from dgm_tf.run.folder import RunFolder


def run_folder(flag_values, what="a run"):
    """The path that --run_dir names."""
    if not flag_values.run_dir:
        raise UserError(f"--run_dir: expected the folder of {what}, such as runs/quickstart, got none")
    return user_path(flag_values.run_dir, "--run_dir")


def learner_and_output(flag_values, place):
    """(the saved learner of --run_dir, the path that --output names).

    place: function from the `RunFolder` to the path in it that is meant where --output names none.
    """
    run_dir = run_folder(flag_values)
    output = user_path(flag_values.output or place(RunFolder(run_dir)), "--output")
    if not flag_values.output:
        lock.refuse_links([output, *output.glob("*")], "--run_dir")
    with quiet_start():
        from dgm_tf.learner import load

        config.import_modules(flag_values["import"].value)
        return load(run_dir), output
