"""Shared by the commands in bin/: flag parsing, --help, exit statuses, errors in one line."""

import inspect
import os
import signal
import sys

from absl import flags, logging

from dgm_tf import output, quiet, stopping
from dgm_tf.errors import DetailedError, UserError, told
from dgm_tf.text import shown

# Help text of --import, shared by all commands that may load user code.
IMPORT_HELP = (
    "A Python module to import, such as one with a method of your own. Its code runs. Gin files may import it too."
)

_REPEATED = ";\n    repeat this option to specify a list of values"  # absl's words

WAIT_HELP = "Seconds to wait for the other workers of --strategy=multi_worker."


def run(function, usage, flag_values=flags.FLAGS):
    """Parses the command line, calls `function` and ends the process with what it returns.

    Exit status: the integer that `function` returns, 0 for None; 2 after a mistake in the flags, a `UserError` or a
    file that could not be read or written, told in one line on standard error; 128 and its number after a signal; 141
    where nobody reads standard output any more. What cannot be printed for another reason is dropped.

    Args:
      function: without arguments; it reads its flags.
      usage: text above the flags in --help, such as the module's docstring.
      flag_values: the `FlagValues` that the command's flags were defined in. A module that is imported by
        others as well should define its flags in one of its own: a name can be given once in the shared one.
    """
    for name, value in quiet.LEVELS.items():
        os.environ.setdefault(name, value)
    logging.set_verbosity(logging.ERROR)  # TFDS warns of every data set that it is about to download
    with output.lasting_standard_streams(_stop_unread) as standard_output, stopping.ending_at_once():
        status = _status(function, usage, flag_values)
        if standard_output.is_broken and not status:  # the reader, such as head, has enough
            status = 128 + signal.SIGPIPE
    sys.exit(status)


def _stop_unread():
    stopping.request(signal.SIGPIPE)


def _status(function, usage, flag_values):
    try:
        status = _parse_and_call(function, usage, flag_values)
        sys.stdout.flush()
        return status
    except stopping.Ended as ended:
        output.complain(f"\n{ended}")
        return 128 + ended.signum
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except Exception as error:
        if ended := stopping.ended():
            output.complain(f"\n{ended}")
            return 128 + ended.signum
        text = str(error) if isinstance(error, flags.Error) else told(error)
        if text is None:
            raise
        output.complain("error: " + shown(text, keep="\n" if isinstance(error, DetailedError) else ""))
        return 2


def _parse_and_call(function, usage, flag_values):
    command_flags = _flags_of(function, flag_values)
    if {"--help", "-help", "--h", "-h"} & set(sys.argv[1:]):
        output.say(_help_text(usage, command_flags))
        return 0
    rest = flag_values(sys.argv)[1:]
    if rest:
        raise UserError(f"expected flags only, got {rest[0]!r}; --help lists the flags")
    from dgm_tf import keras_setup

    keras_setup.check()
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
        text = flag.help.replace(_REPEATED, " May be repeated.")
        if flag.default not in (None, []):
            text += " Default: {}.".format(flag.default_as_str.strip("'"))
        lines.append(flags.text_wrap(text, length=100, indent="      "))
    return "\n".join(lines)
