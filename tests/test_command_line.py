"""Commands end as a shell expects, and tell mistakes in one line."""

import sys

import pytest
from absl import flags

from dgm_tf import command_line
from dgm_tf.errors import UserError


def run(monkeypatch, function, *arguments):
    """Exit status of a command with the flag --count."""
    flag_values = flags.FlagValues()
    flags.DEFINE_integer("count", 3, "How many.", flag_values=flag_values)
    monkeypatch.setattr(sys, "argv", ["command", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command_line.run(lambda: function(flag_values), "What it does.", flag_values)
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
