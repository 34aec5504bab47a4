"""Gives scripts and commands in processes that are forked, for a tenth of a second instead of a start of TensorFlow."""

import contextlib
import io
import os
import pathlib
import runpy
import sys
import traceback
from typing import NamedTuple

from tests import fresh_process

TOOLS = pathlib.Path(__file__).parent.parent / "tools"


class Outcome(NamedTuple):
    """How it ended, as `subprocess.CompletedProcess` would say it."""

    returncode: int
    stdout: str
    stderr: str


def give(name, *arguments):
    """The `Outcome` of tools/`name` with the arguments of a command line."""
    return Outcome(*fresh_process.call(_give, runpy.run_path, str(TOOLS / name), arguments, os.getcwd()))


def give_module(name, *arguments):
    """The `Outcome` of `python -m name`."""
    return Outcome(*fresh_process.call(_give, runpy.run_module, name, arguments, os.getcwd()))


def _give(run, name, arguments, folder):
    os.chdir(folder)
    sys.argv = [name, *map(str, arguments)]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        return _status(run, name), out.getvalue(), err.getvalue()


def _status(run, name):
    try:
        run(name, run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0
