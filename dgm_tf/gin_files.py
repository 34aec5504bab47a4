"""Gin files as one text: found, with their includes, and read without running anything.

Includes are written from the folder above `gin/`, as on the command line: `include "gin/methods/dgmw.gin"`.
"""

import difflib
import pathlib
import re
import tokenize
from typing import NamedTuple

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


class Line(NamedTuple):
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
    raise UserError(f"gin file {str(path)!r} does not exist.{suggest(str(path), available)}")


def text_of(lines):
    """The text of `Line`s."""
    return "\n".join(line.text for line in lines) + "\n"


def flatten(gin_file, params, modules):
    """`Line`s of a gin file with its includes, then of `params`; see `config.config_text`."""
    lines = _flatten_file(gin_file, including=())
    if params:
        lines.append(Line("\n# Parameters given with the command", "parameters"))
    for param in params:
        lines += _flatten_text(param, f"parameter {param!r}", including=())
    for line in lines:
        if line.module:
            _check_import(line, (PACKAGE, *modules))
    # The first of these holds two lines, and gin counts lines: one entry each.
    lines = [line._replace(text=text) for line in lines for text in line.text.split("\n")]
    _check_imports_of_all(lines, (PACKAGE, *modules))
    texts = today([line.text for line in lines], "the configuration")
    return [line._replace(text=text) for line, text in zip(lines, texts, strict=True)]


def today(lines, name):
    """The lines of a whole configuration with the names and settings of today."""
    text = aliases.gin_text("\n".join(lines) + "\n")
    found = statements(text, name)
    return aliases.gin_settings(text, found, Bindings(found)).split("\n")[:-1]


def statements(text, name):
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


def read_own(path):
    """Reads the text of a run folder's config.gin.

    Raises:
      UserError: if the file is damaged or no text.
    """
    return _read(pathlib.Path(path), path)


def _flatten_file(path, including):
    if shown(path) != str(path):
        raise UserError(f"gin file '{shown(path)}': expected a path without control characters; rename the file")
    file = resolve(path)
    if file.resolve() in including:
        raise UserError(f"gin file {path} includes itself")
    if len(including) >= MOST_INCLUDES:
        raise UserError(f"gin file {path}: expected includes within includes at most {MOST_INCLUDES} deep")
    return _flatten_text(_read(file, path, may_be_empty=True), str(path), (*including, file.resolve()))


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
    lines = [Line(line, f"{name}, line {i}") for i, line in enumerate(text.rstrip("\n").split("\n"), 1)]
    flattened, done = [], 0
    for statement in statements(text, name):
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


def _included(line, path, including):
    if not _INCLUDE.fullmatch(line.text):
        raise UserError(f'{line.where}: expected a line of its own such as include "gin/methods/dgmw.gin"')
    try:
        lines = _flatten_file(path, including)
    except UserError as error:
        raise UserError(f"{error} (included by {line.where})") from error
    return [line._replace(text=f"# {line.text.strip()}"), *lines, line._replace(text=f"# end of {path}")]


def _check_imports_of_all(lines, allowed):
    """Raises UserError if gin would import any other module in the whole text."""
    for statement in statements(text_of(lines), "the configuration"):
        line = lines[statement.location.line_num - 1]
        if isinstance(statement, config_parser.ImportStatement):
            _check_import(line._replace(module=statement.module), allowed)
        elif isinstance(statement, config_parser.IncludeStatement):
            raise UserError(f"{line.where}: '{shown(line.text)}' is refused: expected all includes to be resolved")


def _check_import(line, allowed):
    """Raises UserError unless the line imports one of the allowed modules or something inside one."""
    if not any(f"{line.module}.".startswith(f"{name}.") for name in allowed):
        raise UserError(
            f"{line.where}: '{shown(line.text.strip())}' is refused: a gin file may only import modules of {PACKAGE} "
            f"and those that the command names (--import={shown(line.module)}), since their code runs"
        )


def suggest(wrong, available):
    """End of a message on a wrong name: the nearest one that there is, and all of them."""
    close = difflib.get_close_matches(wrong, available, n=1)
    return f"{f' Did you mean {close[0]}?' if close else ''} Available: {', '.join(available) or 'none'}"
