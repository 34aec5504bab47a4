"""Gives a script of tools/ in a process that is forked, for a tenth of a second instead of a start of TensorFlow."""

import contextlib
import io
import pathlib
import runpy
import sys
import traceback
from typing import NamedTuple

from tests import fresh_process

TOOLS = pathlib.Path(__file__).parent.parent / "tools"


class Outcome(NamedTuple):
    """How a script ended, as `subprocess.CompletedProcess` would say it."""

    returncode: int
    stdout: str
    stderr: str


def give(name, *arguments):
    """The `Outcome` of tools/`name` with the arguments of a command line."""
    return Outcome(*fresh_process.call(_give, TOOLS / name, [str(argument) for argument in arguments]))


def _give(path, arguments):
    sys.argv = [str(path), *arguments]
    with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
        return _status(path), out.getvalue(), err.getvalue()


def _status(path):
    try:
        runpy.run_path(str(path), run_name="__main__")
    except SystemExit as ended:
        if isinstance(ended.code, str):
            print(ended.code, file=sys.stderr)
            return 1
        return ended.code or 0
    except Exception:
        traceback.print_exc()
        return 1
    return 0
