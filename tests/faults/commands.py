"""Commands given in this process, each cut off where it would begin to learn, draw or measure."""

import contextlib
import copy
import dataclasses
import functools
import importlib.util
import io
import pathlib
import sys
from unittest import mock

import gin

import dgm_tf
from dgm_tf.cli import compare, export, learn, predict, sample, train
from dgm_tf.compare.launcher import LocalLauncher
from dgm_tf.measures import bounds
from dgm_tf.run.recorder import Recorder

SCRIPTS = pathlib.Path(__file__).resolve().parents[2] / "tools"


class Cut(BaseException):
    """Ends a command that has read all that it reads; passes all `except Exception`."""


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a command ended: its exit status, or the class of what it raised; what it printed."""

    ended: object
    printed: str
    complaints: str


def give(module, *arguments):
    """Gives a command of bin/; returns its `Outcome`."""
    argv, flags = [module.__file__, *map(str, arguments)], copy.deepcopy(module.FLAGS)
    with mock.patch.object(sys, "argv", argv), mock.patch.object(module, "FLAGS", flags):
        return outcome_of(module.main)


def outcome_of(function, *arguments):
    """The `Outcome` of a function."""
    printed, complaints = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(complaints):
        try:
            function(*arguments)
            ended = 0
        except SystemExit as error:
            ended = error.code
        except BaseException as error:
            ended = type(error)
            if not isinstance(error, Cut):
                print(f"{ended.__name__}: {error}", file=complaints)
    gin.clear_config()
    return Outcome(ended, printed.getvalue(), complaints.getvalue())


@functools.cache
def _script(name):
    spec = importlib.util.spec_from_file_location(f"faults_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _told(function, *arguments):
    """The outcome of a script's function, with its errors told as its `main` tells them."""

    def run():
        try:
            function(*arguments)
        except ValueError as error:
            sys.exit(f"error: {error}")

    outcome = outcome_of(run)
    if isinstance(outcome.ended, str):  # what `sys.exit` prints
        return dataclasses.replace(outcome, ended=2, complaints=f"{outcome.complaints}{outcome.ended}\n")
    return outcome


def _cut(*places):
    """Ends a command by `Cut` where it gets to one of (class or module, name)."""
    stack = contextlib.ExitStack()
    for owner, name in places:
        stack.enter_context(mock.patch.object(owner, name, mock.Mock(side_effect=Cut)))
    return stack


_LEARNING = (Recorder, "on_task_begin"), (Recorder, "finish")
_MEASURING = (bounds, "train_classifier"), (bounds, "Learner")


def _stream(p, *more):
    with _cut((LocalLauncher, "start")):
        return give(compare, f"--suite={p.suite}", f"--run_root={p.root}", f"--output={p.output}", *more)


def _train(p):
    with _cut(*_LEARNING):
        return give(train, *p.train_arguments)


def _train_to_bounds(p):
    with _cut(*_MEASURING):
        return give(train, *p.train_arguments)


def _train_alike(p):
    with _cut(*_LEARNING):
        return give(train, f"--gin_file={p.run_dir / 'config.gin'}", f"--run_dir={p.output}")


def _learn(p):
    with _cut(*_LEARNING):
        return give(learn, f"--run_dir={p.run_dir}", f"--image_dir={p.later}", f"--cache_dir={p.root / '.cache'}")


def _predict(p):
    return give(predict, f"--run_dir={p.run_dir}", f"--image_dir={p.later}", f"--output={p.output / 'labels.csv'}")


COMMANDS = {
    "bin/train": _train,
    "bin/train, to its bounds": _train_to_bounds,
    "bin/train --gin_file=config.gin": _train_alike,
    "bin/learn": _learn,
    "bin/sample": lambda p: give(sample, f"--run_dir={p.run_dir}", "--count=1", f"--output={p.output}"),
    "bin/predict": _predict,
    "bin/export": lambda p: give(export, f"--run_dir={p.run_dir}", f"--output={p.output}"),
    "dgm_tf.load": lambda p: _told(dgm_tf.load, p.run_dir),
    "bin/compare": _stream,
    "bin/compare --dry_run": lambda p: _stream(p, "--dry_run"),
    "bin/compare --report_only": lambda p: _stream(p, "--report_only"),
    "learning_curves.py": lambda p: _told(_script("learning_curves").parse_curves, [f"a={p.run_dir}"]),
    "run_time.py": lambda p: _told(_script("run_time").seconds_by_kind, p.run_dir),
    "method_time.py": lambda p: _told(_script("method_time").read_times, p.root, "tiny"),
}
