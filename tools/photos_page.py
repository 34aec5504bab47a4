r"""Writes the page of what commands on a folder of photos show, from the JSON of tools/photos_walk.py.

  python tools/photos_page.py --json=docs/results/photos_walk.json --json=docs/results/photos_walk_dgm.json \\
    --page=docs/results/photos_walk.md
"""

import argparse
import json
import pathlib
import textwrap

WIDTH = 98  # columns of the page
SHOWN = 40  # lines of a screen's text; of a longer one the first and the last

TITLES = {
    "bin/train": "Train on five classes",
    "bin/learn": "Learn a sixth class",
    "bin/export": "Export",
    "bin/audit": "What is kept",
    "bin/forget": "Forget the sixth class",
}


def page(walks):
    """The page's text. walks: {name of the file: what it holds}."""
    parts = [_HEAD]
    for file, found in walks.items():
        parts.append(_walk(file, found))
    return "\n".join(parts)


_HEAD = """\
# Photos, from the first training to forgetting a class

Written by `tools/photos_page.py` from what `tools/photos_walk.py` has recorded. The photos are
TrashNet's, in one folder for each class. Five classes are learned first, *trash* later. Twenty of
its photos are never learned: they are labelled before, after, and when the class is forgotten.
Photos of trash look much like those of the other classes: many are not told as unknown.
"""


def _walk(file, found):
    steps, name = found["steps"], found["steps"][0]["line"].split("--gin_file=")[1].split()[0]
    rows = [
        f"| {position} | `{step['command']}` | {_what(step)} | {step['seconds']} |"
        for position, step in enumerate(steps, start=1)
    ]
    figures = [f"<!-- figures: docs/results/{file}", 'seconds = steps[int(row[0]) - 1]["seconds"]', "-->"]
    table = ["| step | command | what | seconds |", "|---|---|---|---:|", *rows]
    about = f"{found['machine']}, {found['date']}; all of it is in `{file}`."
    head = [f"## {name}", "", about, "", *figures, "", *table, ""]
    return "\n".join([*head, *(_step(step, position) for position, step in enumerate(steps, start=1))])


def _what(step):
    if step["command"] == "bin/predict":
        folder = step["line"].split("--image_dir=")[1].split()[0]
        return (
            "label photos of all classes"
            if folder == "all"
            else f"label {sum(step['labels'].values())} photos of *trash*"
        )
    return TITLES[step["command"]].lower()


def _step(step, position):
    lines = [part for line in step["screen"].rstrip().split("\n") for part in _broken(line.rstrip())]
    if len(lines) > SHOWN:
        lines = [*lines[: SHOWN // 2], "...", *lines[-SHOWN // 2 :]]
    what = _what(step)
    counted = [f"{count} times *{label}*" for label, count in step.get("labels", {}).items()]
    told = [*textwrap.wrap(f"Labels: {', '.join(counted)}.", WIDTH), ""] if counted else []
    command = " \\\n    ".join(step["line"].split())
    title = f"### {position}. {what[0].upper()}{what[1:]}"
    return "\n".join([title, "", *told, "```text", f"$ {command}", *lines, "```", ""])


def _broken(line):
    """A line in parts that fit the page."""
    return [line[start : start + WIDTH] for start in range(0, len(line), WIDTH)] or [""]


def main():
    """Writes the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", required=True, action="append", type=pathlib.Path)
    parser.add_argument("--page", required=True, type=pathlib.Path)
    arguments = parser.parse_args()
    walks = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in arguments.json}
    arguments.page.write_text(page(walks), encoding="utf-8")


if __name__ == "__main__":
    main()
