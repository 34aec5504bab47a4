"""What cannot be printed ends nothing: it is replaced or dropped."""

import errno
import io
import os
import subprocess
import sys

import pytest
from rich.progress import track

from dgm_tf import output


def ascii_stream():
    return io.TextIOWrapper(io.BytesIO(), encoding="ascii", write_through=True)


class Failing(io.StringIO):
    """A stream whose disk is full, whose reader is gone, and so on."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def write(self, text):
        raise self.error

    flush = lambda self: self.write("")  # noqa: E731


FAILURES = [OSError(number, os.strerror(number)) for number in (errno.ENOSPC, errno.EBADF, errno.EIO, errno.EFBIG)]


@pytest.mark.parametrize("encoding, expected", [("ascii", b"\\u732b \\xe9"), ("latin-1", b"\\u732b \xe9")])
def test_letters_that_an_encoding_has_not_are_replaced(encoding, expected):
    inner = io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True)
    print("猫 é", file=output.lasting(inner), end="")
    assert inner.buffer.getvalue() == expected


def test_a_surrogate_is_replaced_as_well():
    inner = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    output.lasting(inner).writelines(["caf\udce9", "!"])
    assert inner.buffer.getvalue() == b"caf\\udce9!"


@pytest.mark.parametrize("error", [*FAILURES, ValueError("I/O operation on closed file")])
def test_what_cannot_be_written_is_dropped_and_told_once(error):
    told = []
    stream = output.LastingStream(Failing(error), on_failure=told.append)
    for _ in range(3):
        print("text", file=stream, flush=True)
    assert told == [error] and not stream.is_broken


def test_a_reader_that_is_gone_is_told_of_once():
    told = []
    stream = output.LastingStream(Failing(BrokenPipeError()), on_broken=lambda: told.append(True))
    for _ in range(3):
        print("text", file=stream, flush=True)
    assert told == [True] and stream.is_broken


@pytest.mark.parametrize("stream", [None, Failing(FAILURES[0]), Failing(BrokenPipeError()), ascii_stream()])
def test_tables_and_bars_come_through_on_any_stream(stream):
    console = output.console(stream) if stream is not None else output.console(output.lasting(None))
    console.print("[red]猫[/] :cat:")
    assert list(track(range(3), console=console, description="猫")) == [0, 1, 2]
    if isinstance(stream, io.TextIOWrapper):
        assert stream.buffer.getvalue().startswith(b"[red]\\u732b[/] :cat:\n")


def test_a_lasting_stream_stays_the_one_it_is():
    stream = output.lasting(io.StringIO())
    assert output.lasting(stream) is stream and not stream.isatty() and stream.getvalue() == ""


COMMAND = """
import os, sys
from absl import flags
from dgm_tf.cli import command
def work():
    print("one 猫", flush=True)
    print("two", flush=True)
    os.write(int(sys.argv[1].split("=")[1]), b"done")
values = flags.FlagValues()
flags.DEFINE_integer("to", 0, "", flag_values=values)
command.run(work, "", values)
"""


def _command(redirection):
    """(status, what it wrote where all is done, standard error) of a command under a redirection of the shell."""
    reader, writer = os.pipe()
    shell = ["bash", "-c", f'"$0" -c "$1" --to=9 9>&{writer} {writer}>&- {redirection}; exit ${{PIPESTATUS[0]}}']
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONIOENCODING": "latin-1"}
    ended = subprocess.run(
        [*shell, sys.executable, COMMAND], capture_output=True, text=True, env=environment, pass_fds=(writer,)
    )
    os.close(writer)
    with os.fdopen(reader, "rb") as done:
        return ended.returncode, done.read(), ended.stderr


@pytest.mark.parametrize(
    "redirection, status, told",
    [
        ("> /dev/full", 0, "standard output cannot be written to (No space left on device)"),
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        ("2> /dev/full", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("> /dev/full 2>&1", 0, ""),
        ("| true", 128 + 13, ""),
    ],
)
def test_a_command_does_its_work_wherever_its_output_goes(redirection, status, told):
    ended, done, errors = _command(redirection)
    assert (ended, done) == (status, b"done") and errors.strip().startswith(told) and errors.count("\n") == bool(told)
