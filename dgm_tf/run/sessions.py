"""Sessions: each start of a run and how it ended, kept in run.json."""

import contextlib
import datetime
import platform
import signal
import sys

from dgm_tf import output
from dgm_tf.disk import files
from dgm_tf.errors import Diverged, UserError, own_message
from dgm_tf.quiet import quiet_start
from dgm_tf.text import shown
from dgm_tf.training import cluster

_FORMAT = 2  # of run.json; before it had none, and was not signed
ADVICE = "restore it from a copy, or delete it: it tells of earlier starts alone"


def run_session(folder, strategy_name, function, wait_seconds=cluster.WAIT_SECONDS, look=lambda: None):
    """Calls `function` in the strategy's scope, as a session of the run; returns the command's exit status.

    While this process waits for the folder, another one may change what it holds: whatever a command reads there is
    read by `look` or by `function`.

    Args:
      folder: `RunFolder`.
      strategy_name: as of --strategy.
      function: what the session does.
      wait_seconds: that a worker waits for the others to be started.
      look: called when the folder is held, before anything is written there. It may raise, or return an exit status
        where nothing is left to be done.

    Raises:
      UserError: if another process is at work in the run folder, or the workers cannot come together.
    """
    try:
        with contextlib.ExitStack() as stack:
            _join(stack, strategy_name, wait_seconds)
            return _call(folder, look, function)
    except cluster.WorkerLost as loss:
        output.complain(f"\nerror: {own_message(loss)}")
        return 128 + loss.signum if loss.signum else cluster.LOST_STATUS


def _join(stack, strategy_name, wait_seconds):
    """Enters the strategy's scope when all workers are ready."""
    from dgm_tf.training import agreement, distribution

    workers = _workers(strategy_name)
    if strategy_name == "multi_worker" and workers is not None:
        cluster.wait_for_all(workers, wait_seconds)
        stack.enter_context(cluster.Watch(workers))
    with quiet_start():
        strategy = distribution.make_strategy(strategy_name)
    if told := distribution.description(strategy_name, strategy, workers):
        output.say(f"--strategy={strategy_name}: {told}")
    stack.enter_context(strategy.scope())
    stack.enter_context(agreement.loss_told())


def _workers(strategy_name):
    """Returns the `Cluster` of the environment, or None. Only multi_worker refuses an invalid one."""
    try:
        return cluster.cluster_of_environment()
    except UserError:
        if strategy_name == "multi_worker":
            raise
        return None


def _call(folder, look, function):
    from dgm_tf.training import agreement

    with _held(folder):
        agreement.wait_for_each_other()  # the chief holds the folder: all see it as it stays
        status = look()
        if status is None:
            agreement.wait_for_each_other()  # before the chief changes what they have looked at
            status = _noted_call(folder, function)
        return status


def _noted_call(folder, function):
    from dgm_tf import stopping
    from dgm_tf.training import agreement

    with _noted(folder):
        try:
            function()
        except stopping.Interrupted as interrupt:
            if interrupt.together:
                agreement.wait_for_each_other()  # who left before the chief has saved would end it, too
            tell = output.complain if interrupt.signum == signal.SIGPIPE else output.say
            tell(f"\n{own_message(interrupt)}; saved. Run the same command again to resume.")
            return 128 + interrupt.signum
        agreement.wait_for_each_other()
    return 0


def _held(folder):
    """Locks the run folder for this process; of several workers, for the chief."""
    from dgm_tf.training import distribution

    if not distribution.is_chief():
        return contextlib.nullcontext()
    return folder.locked()


@contextlib.contextmanager
def _noted(folder):
    from dgm_tf.training import distribution

    if not distribution.is_chief():
        yield
        return
    session = {"started": _now(), "ended": None, "command": sys.argv}
    path = folder.starts
    earlier = read_sessions(path) if path.is_file() else []
    _tell_diverged(folder, earlier)
    _write(path, [*earlier, session])
    try:
        yield
    except Diverged as error:
        session["diverged"] = own_message(error)
        raise
    finally:
        session["ended"] = _now()
        _write(path, [*earlier, session])


def _tell_diverged(folder, sessions):
    """Warns that a resumed run has diverged before."""
    from dgm_tf.run.checkpoints import has_checkpoint

    met = sessions[-1].get("diverged") if sessions else None
    if met and has_checkpoint(folder.checkpoints):
        output.say(
            f"The last start ended with: {shown(met)}\nThis one resumes from the last checkpoint. On the same "
            "machine it will end in the same way. Other settings need another --run_dir."
        )


def read_sessions(path):
    """Every start that a run.json tells of, the last one last: {"started", "ended" (None if it was killed), "command",
    "diverged" (a text, if losses or weights were not finite)}.

    Raises:
      Damaged: if the file is not as it was written.
    """
    facts = files.read_json(path, ADVICE)
    sessions = facts.get("sessions") if isinstance(facts, dict) else None
    if not isinstance(sessions, list) or not all(map(_has_times, sessions)):
        raise files.damaged(path, "expected a list of sessions in it, found none", ADVICE)
    return sessions


def _has_times(session):
    if not isinstance(session, dict) or not {"started", "ended"} <= session.keys():
        return False
    times = [session["started"], session["ended"] or session["started"]]
    try:
        return all(datetime.datetime.fromisoformat(time).tzinfo is not None for time in times)
    except (TypeError, ValueError):
        return False


def _write(path, sessions):
    import keras
    import tensorflow as tf

    from dgm_tf import __version__

    facts = {
        files.FORMAT: _FORMAT,
        "versions": {
            "dgm_tf": __version__, "tensorflow": tf.__version__, "keras": keras.__version__,
            "python": platform.python_version(),
        },
        "machine": platform.platform(),
        "devices": [d.name for d in tf.config.list_logical_devices()],
        "replicas": tf.distribute.get_strategy().num_replicas_in_sync,
        "seeds": {name: _seed(name) for name in ("run_experiment", "ClassIncrementalStream")},
        "sessions": sessions,
    }  # fmt: skip
    files.write_json(path, facts)


def _now():
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def _seed(name):
    import gin

    try:
        return gin.query_parameter(f"{name}.seed")
    except ValueError:
        return 0  # the default of both
