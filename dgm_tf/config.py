"""Reading of gin files: found from anywhere, checked before anything runs, flattened to one text.

A gin file is code: its imports run. So a file and all that it includes is first read without running it and made one
text. Of that very text, which is what gin then parses, gin's own parser lists the imports: those from outside `dgm_tf`
are refused unless the caller names their modules (`--import` of the commands). The text needs no other file and goes
into the run folder as `config.gin`.

Includes are written from the folder above `gin/`, as on the command line: `include "gin/methods/dgmw.gin"`.
"""

import contextlib
import difflib
import importlib
import inspect
import os
import pathlib
import re
import sys
import tokenize
from typing import NamedTuple

import gin
from gin import config_parser

from dgm_tf import aliases
from dgm_tf.bindings import Bindings, References
from dgm_tf.disk import sealed_text
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.text import shown

PACKAGE = "dgm_tf"
MOST_BYTES = 10_000_000  # of a gin file
MOST_INCLUDES = 50
_INCLUDE = re.compile(r"""\s*include\s+(["'])[^"']*\1\s*(#.*)?""")


class _Line(NamedTuple):
    """A line of the flattened configuration; where is "FILE, line N"; module is set for imports."""

    text: str
    where: str
    module: str | None = None


def gin_directory():
    """The folder of the shipped gin files: inside the installed package, else beside it in the checkout."""
    package = pathlib.Path(__file__).resolve().parent
    # In this order: beside an installed package, "gin" is the gin-config library.
    packaged = package / "gin"
    return packaged if packaged.is_dir() else package.parent / "gin"


def resolve(path):
    """Finds the file of `path`: as given, else from the folder above `gin/`, else from `gin/`.

    Raises UserError, listing the shipped files, if there is none.
    """
    shipped, path = gin_directory(), user_path(path, "gin file")
    for name in (path, aliases.gin_path(str(path))):
        for folder in (pathlib.Path(), shipped.parent, shipped):
            if (folder / name).is_file():
                return folder / name
    available = sorted(f"gin/{file.name}" for file in shipped.glob("*.gin"))
    raise UserError(f"gin file {str(path)!r} does not exist.{_suggest(str(path), available)}")


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

    gin_file: path, found as by `resolve`. params: gin bindings such as "GANSettings.epochs = 3", which win.
    modules: names of modules, beside those of dgm_tf, that gin files may import.
    Raises UserError for a missing or malformed file and for an import from outside dgm_tf. Runs nothing.
    """
    return _text(_flatten(gin_file, params, modules))


def parse(gin_file, params=(), modules=()):
    """Replaces gin's configuration by that of `gin_file` and `params`, and returns `config_text` of it.

    Raises UserError as `config_text` does, and for unknown names and parameters.
    """
    lines = _flatten(gin_file, params, modules)
    import tensorflow  # noqa: F401 - gin must find TensorFlow imported already

    _import_modules(lines)
    gin.clear_config()
    try:
        gin.parse_config(_text(lines))
        gin.finalize()
    except ValueError as error:
        raise UserError(_explain(error, lines)) from error
    return _text(lines)


def difference(path, text):
    """Diff of the bindings of a run folder's configuration and `text`; "" if they mean the same.

    What `text` leaves open, so that it follows from the tasks, is as the run has it, and no difference.

    Raises:
      UserError: if the file is damaged or no text.
    """
    lines = read_own(path).split("\n")
    saved, given = (_bindings(each, str(path)).all() for each in (lines, text.split("\n")))
    if _today(lines, str(path)) != lines:
        saved = aliases.EARLIER_DEFAULTS | saved
    for name in {name for name in saved | given if name.rpartition("/")[2] in aliases.EARLIER_DEFAULTS}:
        if given.get(name) is None:
            given[name] = saved[name] = saved.get(name)
    names = sorted(
        name for name in saved | given if (name in saved, saved.get(name)) != (name in given, given.get(name))
    )
    sides = [[f"{name} = {bound[name]!r}" for name in names if name in bound] for bound in (saved, given)]
    return "\n".join(difflib.unified_diff(*sides, str(path), "this command", lineterm="", n=0))


def bindings(path):
    """`Bindings` of a run folder's configuration, of which nothing is run.

    Raises:
      UserError: if the file is damaged or no text.
    """
    return _bindings(read_own(path).split("\n"), str(path))


def _bindings(lines, name):
    return Bindings(_statements("\n".join(_today(lines, name)), name))


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


def _text(lines):
    return "\n".join(line.text for line in lines) + "\n"


def _flatten(gin_file, params, modules):
    lines = _flatten_file(gin_file, including=())
    if params:
        lines.append(_Line("\n# Parameters given with the command", "parameters"))
    for param in params:
        lines += _flatten_text(param, f"parameter {param!r}", including=())
    for line in lines:
        if line.module:
            _check_import(line, (PACKAGE, *modules))
    # The first of these holds two lines, and gin counts lines: one entry each.
    lines = [line._replace(text=text) for line in lines for text in line.text.split("\n")]
    _check_imports_of_all(lines, (PACKAGE, *modules))
    texts = _today([line.text for line in lines], "the configuration")
    return [line._replace(text=text) for line, text in zip(lines, texts, strict=True)]


def _today(lines, name):
    """The lines of a whole configuration with the names and settings of today."""
    text = aliases.gin_text("\n".join(lines) + "\n")
    statements = _statements(text, name)
    return aliases.gin_settings(text, statements, Bindings(statements)).split("\n")[:-1]


def _check_imports_of_all(lines, allowed):
    """Raises UserError if gin would import any other module in the whole text."""
    for statement in _statements(_text(lines), "the configuration"):
        line = lines[statement.location.line_num - 1]
        if isinstance(statement, config_parser.ImportStatement):
            _check_import(line._replace(module=statement.module), allowed)
        elif isinstance(statement, config_parser.IncludeStatement):
            raise UserError(f"{line.where}: '{shown(line.text)}' is refused: expected all includes to be resolved")


def _flatten_file(path, including):
    if shown(path) != str(path):
        raise UserError(f"gin file '{shown(path)}': expected a path without control characters; rename the file")
    file = resolve(path)
    if file.resolve() in including:
        raise UserError(f"gin file {path} includes itself")
    if len(including) >= MOST_INCLUDES:
        raise UserError(f"gin file {path}: expected includes within includes at most {MOST_INCLUDES} deep")
    return _flatten_text(_read(file, path, may_be_empty=True), str(path), (*including, file.resolve()))


def read_own(path):
    """Reads the text of a run folder's config.gin.

    Raises:
      UserError: if the file is damaged or no text.
    """
    return _read(pathlib.Path(path), path)


def _read(file, path, may_be_empty=False):
    """Reads the text of a gin file. path: as the user wrote it, for messages."""
    try:
        if file.stat().st_size > MOST_BYTES:
            raise UserError(f"gin file {path}: expected at most {MOST_BYTES} bytes, got {file.stat().st_size}")
        return sealed_text.read(file, "utf-8-sig", may_be_empty)
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"gin file {path} cannot be read: {error}") from error


def _flatten_text(text, name, including):
    """Returns the lines of `text`, with each include replaced by the lines of its file."""
    text = aliases.gin_text(text)
    lines = [_Line(line, f"{name}, line {i}") for i, line in enumerate(text.rstrip("\n").split("\n"), 1)]
    flattened, done = [], 0
    for statement in _statements(text, name):
        if not isinstance(statement, (config_parser.ImportStatement, config_parser.IncludeStatement)):
            continue
        index = statement.location.line_num - 1
        flattened += lines[done:index]
        done = index + 1
        if isinstance(statement, config_parser.ImportStatement):
            flattened.append(lines[index]._replace(module=statement.module))
        else:
            flattened += _included(lines[index], statement.filename, including)
    return flattened + lines[done:]


def _statements(text, name):
    """Parses `text` with gin's own parser; raises UserError if it is malformed."""
    try:
        return list(config_parser.ConfigParser(text, References()))
    except SyntaxError as error:
        raise UserError(f"{name}, line {error.lineno}: {error.msg.splitlines()[-1].strip()}") from error
    except tokenize.TokenError as error:
        message, (line, _) = error.args
        raise UserError(f"{name}, line {line}: {message}") from error
    except (ValueError, RecursionError, MemoryError) as error:  # the latter of what is nested too deeply
        raise UserError(f"{name}: {error or type(error).__name__}") from error


def _check_import(line, allowed):
    """Raises UserError unless the line imports one of the allowed modules or something inside one."""
    if not any(f"{line.module}.".startswith(f"{name}.") for name in allowed):
        raise UserError(
            f"{line.where}: '{shown(line.text.strip())}' is refused: a gin file may only import modules of {PACKAGE} "
            f"and those that the command names (--import={shown(line.module)}), since their code runs"
        )


def _included(line, path, including):
    if not _INCLUDE.fullmatch(line.text):
        raise UserError(f'{line.where}: expected a line of its own such as include "gin/methods/dgmw.gin"')
    try:
        lines = _flatten_file(path, including)
    except UserError as error:
        raise UserError(f"{error} (included by {line.where})") from error
    return [line._replace(text=f"# {line.text.strip()}"), *lines, line._replace(text=f"# end of {path}")]


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
        return f"{where}{name} has no parameter {parameter!r}.{_suggest(parameter, _parameters(name))}"
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


def _suggest(wrong, available):
    close = difflib.get_close_matches(wrong, available, n=1)
    return f"{f' Did you mean {close[0]}?' if close else ''} Available: {', '.join(available) or 'none'}"
