"""What the commands in bin/ share: flags, help, and mistakes told in one line instead of a stack trace."""

import contextlib
import inspect
import os
import sys

from absl import flags, logging

from dgm_tf.errors import UserError, own_message

# For commands: set before TensorFlow is imported, so modules with a `main` import it inside their functions.
_QUIET = {"TF_CPP_MIN_LOG_LEVEL": "2"}

# Of the flag that every command has which meets a person's own methods.
IMPORT_HELP = "A module of your own, such as one with a method; its code runs, and gin files may import it."


def run(function, usage, flag_values=flags.FLAGS):
    """Parses the command line, calls `function` and ends the process with what it returns.

    Exit status: the integer that `function` returns, 0 for None; 2 after a mistake in the flags or a
    `UserError`, told on standard error; 130 after Ctrl-C; 141 where nobody reads
    standard output any more.

    Args:
      function: without arguments; it reads its flags.
      usage: text above the flags in --help, such as the module's docstring.
      flag_values: the `FlagValues` that the command's flags were defined in. A module that is imported by
        others as well should define its flags in one of its own: a name can be given once in the shared one.
    """
    for name, value in _QUIET.items():
        os.environ.setdefault(name, value)
    logging.set_verbosity(logging.ERROR)  # TFDS warns of every data set that it is about to download
    try:
        status = _parse_and_call(function, usage, flag_values)
        sys.stdout.flush()
    except (UserError, flags.Error) as error:
        print(f"error: {own_message(error)}", file=sys.stderr)
        status = 2
    except KeyboardInterrupt:
        status = 130
    except BrokenPipeError:  # the reader, such as head, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python's own last flush fails again
        status = 141
    sys.exit(status)


@contextlib.contextmanager
def quiet_start():
    """Keeps what TensorFlow's C++ says while it is imported or finds its devices off standard error.

    No log level reaches those lines; errors are exceptions, and come through.
    """
    sys.stderr.flush()
    terminal = os.dup(2)
    with open(os.devnull, "wb") as nothing:
        os.dup2(nothing.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def _parse_and_call(function, usage, flag_values):
    command_flags = _flags_of(function, flag_values)
    if {"--help", "-help", "--h", "-h"} & set(sys.argv[1:]):
        print(_help_text(usage, command_flags))
        return 0
    rest = flag_values(sys.argv)[1:]
    if rest:
        raise UserError(f"expected flags only, got {rest[0]!r}; --help lists the flags")
    return function()


def _flags_of(function, flag_values):
    """The flags that the function's module defines, and not those of the libraries that it imports."""
    module = inspect.getmodule(function).__name__
    # absl knows the module that was started by the name of its file.
    return flag_values.get_key_flags_for_module(sys.argv[0] if module == "__main__" else module)


def _help_text(usage, command_flags):
    lines = [inspect.cleandoc(usage), "", "Flags:"]
    for flag in sorted(command_flags, key=lambda flag: flag.name):
        boolean = flag.flag_type() == "bool"
        lines.append(f"  --[no]{flag.name}" if boolean else f"  --{flag.name}=...")
        text = flag.help
        if flag.default not in (None, []):
            text += " Default: {}.".format(flag.default_as_str.strip("'"))
        lines.append(flags.text_wrap(text, length=100, indent="      "))
    return "\n".join(lines)
