"""Reads README, docs and their siblings: pages, code blocks, links, and the figures that name a file behind them.

A comment names the file and, line by line, the figures of it. Where a line begins with a number, the section's text has
that number; else it begins with a column of the table below, and {row} in the file's name is the row's first cell:

    <!-- figures: docs/results/quickstart.json
    97.6 = 100 * average_accuracy[-1]
    -->

Expressions see the file's keys, `rows` (a file that is a list), `row` (the cells), and the functions of `FUNCTIONS`.
A column that is aligned to the right, but for the first one, holds figures: each needs an expression.
"""

import json
import re
import statistics
from typing import NamedTuple

_UNIT = r"(?:%|ms\b|[kMG]i?B\b|[MG]FLOP|images/s|percent\b|minutes?\b|hours?\b)"
MEASURED = re.compile(rf"(?<![\w.])\d[\d,]*\.\d+|(?<![\w.,])\d[\d,]*(?= ?{_UNIT})")
VERSIONS = re.compile(r"(?:Python|TensorFlow|Keras|PyTorch|CUDA|License) \d[\d.]*|\b3\.1[123]\b|\b\d+\.\d+\.\d+\b")
_FIGURES = re.compile(r"<!-- figures: (\S+)\n(.*?)-->\n", re.DOTALL)


class Figure(NamedTuple):
    """text: as it stands in the page; file: behind it; expression: of the file's keys; row: cells, or ()."""

    text: str
    file: str
    expression: str
    row: tuple


def blocks(text, language):
    """The code blocks of a language."""
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def command_lines(text):
    """The lines of all bash blocks, continued ones as one."""
    return [line for block in blocks(text, "bash") for line in block.replace("\\\n", " ").splitlines()]


def links(text):
    """Targets of the links and pictures that are no addresses."""
    return re.findall(r"\]\((?!https?:)([^)]+)\)", without_code(text))


def anchors(text):
    """What a link may name of a page after `#`."""
    titles = re.findall(r"^#+ (.+)$", without_code(text, spans=False), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def without_code(text, spans=True):
    """The page without code blocks, comments and, if asked, spans of code."""
    text = re.sub(r"```.*?```|<!--.*?-->", "", text, flags=re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text) if spans else text


def sections(text):
    """The parts of a page between headings."""
    return re.split(r"^(?=#+ )", re.sub(r"```.*?```", "", text, flags=re.DOTALL), flags=re.MULTILINE)


def figures(section):
    """The `Figure`s that a section's comments name. Raises AssertionError where one does not stand in the text."""
    plain, found = without_code(section, spans=False), []
    for match in _FIGURES.finditer(section):
        file, entries = match[1], [line.split(" = ", 1) for line in match[2].strip().splitlines()]
        for name, expression in entries:
            if re.fullmatch(r"[\d.,]+", name):
                assert name in numbers(plain), f"{name} does not stand beside its comment"
                found.append(Figure(name, file, expression, ()))
            else:
                found += _column(section[match.end() :], file, name, expression)
    return found


def unchecked_columns(section):
    """Names of the columns of a section that hold figures and are named by no comment before their table."""
    found, position = [], 0
    for table in re.finditer(r"^\|(.*)\|\n\|([-:| ]+)\|\n", section, re.MULTILINE):
        names = [name.strip() for name in table[1].split("|")]
        right = [name for name, line in zip(names, table[2].split("|"), strict=False) if line.strip().endswith(":")]
        entries = [match[2] for match in _FIGURES.finditer(section[position : table.start()])]
        checked = {line.split(" = ", 1)[0] for entry in entries for line in entry.splitlines()}
        found += [name for name in right if name not in {names[0], *checked}]
        position = table.end()
    return found


def numbers(text):
    """All numbers of a text."""
    return re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?", text)


def measured(section):
    """Numbers that look as if somebody had measured them."""
    text = re.sub(r"\]\([^)]*\)", "]", without_code(section))
    return MEASURED.findall(VERSIONS.sub("", text))


def value(figure, root):
    """What the file says, written with the figure's decimals. root: the project's folder."""
    content = json.loads((root / figure.file).read_text(encoding="utf-8"))
    names = dict(content) if isinstance(content, dict) else {"rows": content}
    result = eval(figure.expression, {**FUNCTIONS, "row": figure.row}, names)  # of the project's own pages
    decimals = len(figure.text.partition(".")[2])
    return f"{result:,.{decimals}f}"


def _column(text, file, name, expression):
    table = re.search(r"^\|.*?(?=^(?!\|)|\Z)", text, re.MULTILINE | re.DOTALL)[0]
    head, _, *lines = [[cell.strip(" `") for cell in line.strip().strip("|").split("|")] for line in table.splitlines()]
    cells = [(tuple(row), row[head.index(name)]) for row in lines]
    return [Figure(text, file.format(row=row[0]), expression, row) for row, text in cells if text != "-"]


LEARNING = ("prepare", "checkpoints", "replay", "tracing", "gan", "classifier", "end_task")


def _learning_minutes(seconds):
    """Wall time of learning, without what only measures. seconds: that entry of a run's results."""
    return sum(task.get(part, 0) for task in seconds for part in LEARNING) / 60


def _pick(entries, **keys):
    (entry,) = [entry for entry in entries if all(entry[key] == wanted for key, wanted in keys.items())]
    return entry


FUNCTIONS = {
    "median": statistics.median, "mean": statistics.mean, "pick": _pick, "min": min, "max": max, "sum": sum, "int": int,
    "len": len, "learning_minutes": _learning_minutes,
}  # fmt: skip
