"""Commands end as a shell expects, and tell mistakes in one line."""

import errno
import os
import signal
import sys

import pytest
from absl import flags

from dgm_tf import stopping
from dgm_tf.cli import command
from dgm_tf.errors import DetailedError, UserError
from dgm_tf.text import shown
from tests import hostile


def run(monkeypatch, function, *arguments):
    """Exit status of a command with the flag --count."""
    flag_values = command.define((flags.DEFINE_integer, "count", 3, "How many."))
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.run(lambda: function(flag_values), "What it does.", flag_values)
    return stopped.value.code


def refuse(flag_values):
    raise UserError(f"count: expected 4, got {flag_values.count}")


def interrupt(flag_values):
    raise KeyboardInterrupt


@pytest.mark.parametrize("result, status", [(None, None), (0, 0), (143, 143)])
def test_exit_status_is_what_the_function_returns(monkeypatch, result, status):
    assert run(monkeypatch, lambda _: result) == status


def test_flags_arrive(monkeypatch):
    assert run(monkeypatch, lambda flag_values: flag_values.count, "--count=5") == 5


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "error: count: expected 4, got 3"),
        (["--cuont=4"], "Did you mean: count"),
        (["--count=x"], "flag --count=x"),
        (["4"], "flags only, got '4'"),
    ],
)
def test_mistakes_are_told_in_one_line(monkeypatch, capsys, arguments, message):
    assert run(monkeypatch, refuse, *arguments) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and message in told and told.count("\n") == 1


@pytest.mark.parametrize("name", hostile.NAMES)
def test_a_mistakes_message_is_one_line_of_text(monkeypatch, capsys, name):
    def refuse_name(_):
        raise UserError(f"classes: expected names of learned classes, got {name}")

    assert run(monkeypatch, refuse_name) == 2
    told = capsys.readouterr().err
    assert told == f"error: classes: expected names of learned classes, got {shown(name)}\n"
    assert hostile.sends_no_commands(told)


def test_a_comparison_of_files_keeps_its_lines(monkeypatch, capsys):
    def refuse_lines(_):
        raise DetailedError("changed:\n-a\x1b\n+b")

    assert run(monkeypatch, refuse_lines) == 2
    assert capsys.readouterr().err == "error: changed:\n-a\\x1b\n+b\n"


def test_a_file_that_cannot_be_written_is_told_in_one_line(monkeypatch, capsys):
    def write(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "runs/a\x1b/latest.npz")

    assert run(monkeypatch, write) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: runs/a\\x1b/latest.npz: No space left on device; make room, ")
    assert told.count("\n") == 1


@pytest.mark.parametrize("signum", stopping.SIGNALS)
def test_a_signal_ends_a_command_with_its_number_and_a_line(monkeypatch, capsys, signum):
    assert run(monkeypatch, lambda _: signal.raise_signal(signum)) == 128 + signum
    assert capsys.readouterr().err.strip() == f"stopped by {signal.Signals(signum).name}"


def test_a_signal_that_a_library_turns_into_another_error_is_told_as_what_it_was(monkeypatch, capsys):
    def turn(_):
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise AttributeError("'SymbolicTensor' object has no attribute") from None

    assert run(monkeypatch, turn) == 143
    assert capsys.readouterr().err == "\nstopped by SIGTERM\n"


def test_other_errors_keep_their_stack_trace(monkeypatch):
    with pytest.raises(ZeroDivisionError):
        run(monkeypatch, lambda _: 1 / 0)


def test_interrupt_is_quiet(monkeypatch, capsys):
    assert run(monkeypatch, interrupt) == 130
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("argument", ["--help", "-h"])
def test_help_lists_the_flags_and_succeeds(monkeypatch, capsys, argument):
    assert not run(monkeypatch, refuse, argument)
    assert capsys.readouterr().out == "What it does.\n\nFlags:\n  --count=...\n      How many. Default: 3.\n"


def test_help_says_which_flags_may_be_repeated():
    flag_values = command.define((flags.DEFINE_multi_string, "name", [], "A name."))
    assert "  --name=...\n      A name. May be repeated." in command._help_text("", flag_values)
