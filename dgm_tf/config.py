"""Configuration of gin: checked before anything runs, parsed, compared with that of a run folder.

A gin file is code: its imports run. So a file and all that it includes is first read without running it and made one
text: see `gin_files`. Of that very text, which is what gin then parses, gin's own parser lists the imports: those from
outside `dgm_tf` are refused unless the caller names their modules (`--import` of the commands). The text needs no other
file and goes into the run folder as `config.gin`.
"""

import contextlib
import difflib
import importlib
import inspect
import os
import re
import sys

import gin

from dgm_tf import aliases, gin_files
from dgm_tf.bindings import Bindings
from dgm_tf.errors import UserError


def import_modules(names):
    """Imports the user's modules, also from the working directory, so that gin knows what they register.

    Raises UserError for a module that does not exist.
    """
    folder = os.getcwd()
    if names and folder not in sys.path:
        sys.path.append(folder)  # last: what is installed goes before
    for name in names:
        _import(name, "--import")


def config_text(gin_file, params=(), modules=()):
    """Returns the whole configuration as one text: includes inlined, then `params`.

    gin_file: path, found as by `gin_files.resolve`. params: gin bindings such as "GANSettings.epochs = 3", which win.
    modules: names of modules, beside those of dgm_tf, that gin files may import.
    Raises UserError for a missing or malformed file and for an import from outside dgm_tf. Runs nothing.
    """
    return gin_files.text_of(gin_files.flatten(gin_file, params, modules))


def parse(gin_file, params=(), modules=()):
    """Replaces gin's configuration by that of `gin_file` and `params`, and returns `config_text` of it.

    Raises UserError as `config_text` does, and for unknown names and parameters.
    """
    lines = gin_files.flatten(gin_file, params, modules)
    import tensorflow  # noqa: F401 - gin must find TensorFlow imported already

    _import_modules(lines)
    gin.clear_config()
    try:
        gin.parse_config(gin_files.text_of(lines))
        gin.finalize()
    except ValueError as error:
        raise UserError(_explain(error, lines)) from error
    return gin_files.text_of(lines)


def difference(path, text):
    """Diff of the bindings of a run folder's configuration and `text`; "" if they mean the same.

    What `text` leaves open, so that it follows from the tasks, is as the run has it, and no difference. A limit
    of memory changes no result, and is none.

    Raises:
      UserError: if the file is damaged or no text.
    """
    lines = gin_files.read_own(path).split("\n")
    saved, given = (_bindings(each, str(path)).all() for each in (lines, text.split("\n")))
    if gin_files.today(lines, str(path)) != lines:
        saved = aliases.EARLIER_DEFAULTS | saved
    for name in {name for name in saved | given if name.rpartition("/")[2] in aliases.EARLIER_DEFAULTS}:
        if given.get(name) is None:
            given[name] = saved[name] = saved.get(name)
    names = sorted(
        name
        for name in saved | given
        if (name in saved, saved.get(name)) != (name in given, given.get(name)) and not name.endswith(".memory_limit")
    )
    sides = [[f"{name} = {bound[name]!r}" for name in names if name in bound] for bound in (saved, given)]
    return "\n".join(difflib.unified_diff(*sides, str(path), "this command", lineterm="", n=0))


def bindings(path):
    """`Bindings` of a run folder's configuration, of which nothing is run.

    Raises:
      UserError: if the file is damaged or no text.
    """
    return _bindings(gin_files.read_own(path).split("\n"), str(path))


def _bindings(lines, name):
    return Bindings(gin_files.statements("\n".join(gin_files.today(lines, name)), name))


@contextlib.contextmanager
def missing_told():
    """Inside this context gin's error about a missing parameter becomes a `UserError` that names it."""
    try:
        yield
    except (TypeError, RuntimeError) as error:
        missing = _missing_parameter(error)
        if missing is None:
            raise
        raise missing from error


def _missing_parameter(error):
    """Converts gin's error about a missing parameter to a `UserError`; returns None for any other error."""
    message, calls = str(error), re.findall(r"In call to configurable '(.+?)'", str(error))
    if match := re.match(r"Required bindings for `(.+)` not provided in config: \[(.+?)\]", message):
        name, parameters = match.groups()
    elif calls and (match := re.search(r"No values supplied by Gin or caller for arguments: \[(.+?)\]", message)):
        name, parameters = calls[0], match[1]
    else:
        return None
    parameters = parameters.replace("'", "").split(", ")
    return UserError(f"{name} needs a value for {', '.join(parameters)}, such as '{name}.{parameters[0]} = ...'")


def _import_modules(lines):
    for line in lines:
        if line.module:
            _import(line.module, line.where)


def _import(module, where):
    try:
        with gin.unlock_config():  # an earlier configuration of this process may be final
            importlib.import_module(module)
    except ModuleNotFoundError as error:
        if not f"{module}.".startswith(f"{error.name}."):
            raise  # the module exists, but not something that it imports itself
        raise UserError(f"{where}: there is no module {error.name}") from error


def _explain(error, lines):
    """Turns gin's message into one sentence, with its line and the names that would be right."""
    message = str(error)
    number = re.search(r"In bindings string line (\d+)", message)
    where = f"{lines[int(number[1]) - 1].where}: " if number else ""
    if match := re.match(r"Configurable '(.+)' doesn't have a parameter named '(.+)'", message):
        name, parameter = match.groups()
        return f"{where}{name} has no parameter {parameter!r}.{gin_files.suggest(parameter, _parameters(name))}"
    if match := re.match(r"No configurable matching (?:reference )?'(.+)'", message):
        return f"{where}nothing is registered as {match[1]!r}. Is the import of its module missing?"
    if match := re.match(r"No bindings specified for '(.+)/gin.macro'", message):
        return f"%{match[1]} is used but not set"
    return where + message.splitlines()[0]


def _parameters(name):
    configurable = gin.get_configurable(name)
    # gin hides a class's parameters behind its own metaclass, but not those of the constructor.
    function = configurable.__init__ if inspect.isclass(configurable) else configurable
    return [parameter for parameter in inspect.signature(function).parameters if parameter != "self"]
