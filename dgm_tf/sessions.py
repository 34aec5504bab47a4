"""Each start of a run: what it was and what became of it, kept in the run folder's run.json."""

import contextlib
import datetime
import platform
import sys

from dgm_tf import output, serialization
from dgm_tf.errors import UserError, own_message
from dgm_tf.folder_lock import locked

_PATIENCE = 10.0  # seconds that a run which is being stopped may take to save


def run_session(run_dir, strategy_name, function):
    """Calls `function` in the strategy's scope, as a session of the run; returns the command's exit status.

    Raises:
      UserError: if another process is at work in the run folder.
    """
    from dgm_tf import command_line, stopping
    from dgm_tf.training import distribution

    with command_line.quiet_start():
        strategy = distribution.make_strategy(strategy_name)
    with strategy.scope(), _held(run_dir), _noted(run_dir):
        try:
            function()
        except stopping.Interrupted as interrupt:
            output.say(f"\n{own_message(interrupt)}; saved. The same command goes on from here.")
            return 128 + interrupt.signum
    return 0


def make_folder(run_dir):
    """Makes a run folder, where there is none.

    Raises:
      UserError: where there cannot be one.
    """
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"run_dir: expected a folder or a place for one, got {run_dir} ({error.strerror})") from error


def _held(run_dir):
    """The run folder for this process alone; for its chief, where several workers share it."""
    from dgm_tf.training import distribution

    if not distribution.is_chief():
        return contextlib.nullcontext()
    return locked(run_dir, "run_dir", "another bin/train or bin/learn", _PATIENCE)


@contextlib.contextmanager
def _noted(run_dir):
    session = {"started": _now(), "ended": None, "command": sys.argv}
    path = run_dir / "run.json"
    earlier = serialization.read_json(path)["sessions"] if path.is_file() else []
    _write(path, [*earlier, session])
    try:
        yield
    finally:
        session["ended"] = _now()
        _write(path, [*earlier, session])


def _write(path, sessions):
    import keras
    import tensorflow as tf

    from dgm_tf import __version__
    from dgm_tf.training import distribution

    facts = {
        "versions": {
            "dgm_tf": __version__, "tensorflow": tf.__version__, "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "machine": platform.platform(),
        "devices": [d.name for d in tf.config.list_logical_devices()],
        "replicas": tf.distribute.get_strategy().num_replicas_in_sync,
        "seeds": {name: _seed(name) for name in ("run_experiment", "ClassIncrementalBenchmark")},
        "sessions": sessions,
    }  # fmt: skip
    if distribution.is_chief():
        serialization.write_json(path, facts)


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _seed(name):
    import gin

    try:
        return gin.query_parameter(f"{name}.seed")
    except ValueError:
        return 0  # the default of both
