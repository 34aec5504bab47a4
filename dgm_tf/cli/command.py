"""Shared by the commands in bin/: flag parsing, --help, exit statuses, errors in one line."""

import inspect
import os
import signal
import sys

from absl import flags, logging

from dgm_tf import output, quiet, stopping
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import DetailedError, UserError, told
from dgm_tf.text import shown
from dgm_tf.training.cluster import WAIT_SECONDS

# Flags that several commands have, for `define`.
IMPORT = (
    flags.DEFINE_multi_string, "import", [],
    "A Python module to import, such as one with a method of your own. Its code runs. Gin files may import it too.",
)  # fmt: skip
RUN_DIR = (flags.DEFINE_string, "run_dir", None, "Run folder.")
DATA_DIR = (
    flags.DEFINE_string, "data_dir", None,
    "Folder of TensorFlow Datasets. Default: TFDS_DATA_DIR, else TFDS's own folder.",
)  # fmt: skip
DOWNLOAD = (flags.DEFINE_bool, "download", True, "Download missing data sets.")
STRATEGIES = ("auto", "none", "mirrored", "multi_worker")
STRATEGY = (flags.DEFINE_enum, "strategy", "auto", STRATEGIES, "Devices: see docs/running.md.")
WAIT = (
    flags.DEFINE_float, "wait_for_workers", WAIT_SECONDS,
    "Seconds to wait for the other workers of --strategy=multi_worker.", 0.0,
)  # fmt: skip

_REPEATED = ";\n    repeat this option to specify a list of values"  # absl's words


def define(*definitions):
    """The `FlagValues` of a command.

    definitions: for each flag one of `absl.flags`' DEFINE functions and its arguments: name, default, help, ...
    """
    values = flags.FlagValues()
    for make, *arguments in definitions:
        make(*arguments, flag_values=values)
    return values


def bind(flag_values, download):
    """Gives gin what flags say of folders, and whether TFDS may download; they win over the configuration."""
    import gin

    import dgm_tf.data  # noqa: F401 - registers TFDS

    with gin.unlock_config():
        gin.bind_parameter("TFDS.download", download)
        for flag, parameter in {"cache_dir": "run_experiment.cache_dir", "data_dir": "TFDS.data_dir"}.items():
            path = flag_values[flag].value
            if path is not None:
                gin.bind_parameter(parameter, path and str(user_path(path, f"--{flag}")))


def run(function, usage, flag_values):
    """Parses the command line, calls `function` and ends the process with what it returns.

    Exit status: the integer that `function` returns, 0 for None; 2 after a mistake in the flags, a `UserError` or a
    file that could not be read or written, told in one line on standard error; 128 and its number after a signal; 141
    where nobody reads standard output any more. What cannot be printed for another reason is dropped.

    Args:
      function: without arguments; it reads its flags.
      usage: text above the flags in --help, such as the module's docstring.
      flag_values: of `define`.
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
    if {"--help", "-help", "--h", "-h"} & set(sys.argv[1:]):
        output.say(_help_text(usage, flag_values))
        return 0
    rest = flag_values(sys.argv)[1:]
    if rest:
        raise UserError(f"expected flags only, got {rest[0]!r}; --help lists the flags")
    from dgm_tf import keras_setup

    keras_setup.check()
    return function()


def _help_text(usage, flag_values):
    lines = [inspect.cleandoc(usage), "", "Flags:"]
    for flag in (flag_values[name] for name in sorted(flag_values)):
        boolean = flag.flag_type() == "bool"
        lines.append(f"  --[no]{flag.name}" if boolean else f"  --{flag.name}=...")
        text = flag.help.replace(_REPEATED, " May be repeated.")
        if flag.default not in (None, []):
            text += " Default: {}.".format(flag.default_as_str.strip("'"))
        lines.append(flags.text_wrap(text, length=100, indent="      "))
    return "\n".join(lines)
