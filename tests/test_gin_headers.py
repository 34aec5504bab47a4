"""Every gin file that people run begins with what it is, the command that runs it and what to expect of it."""

import json
import re

import pytest

from dgm_tf import gin_files
from tests.conftest import ROOT

RUNS = sorted(gin_files.gin_directory().glob("*.gin"))
SUITES = sorted((gin_files.gin_directory() / "compare").glob("*.gin"))
FILES = pytest.mark.parametrize("path", [*RUNS, *SUITES], ids=lambda path: path.stem)
KEYS = {"GAN-test": "gan_test", "GAN-train": "gan_train", "top-5": "top5_average_accuracy"}


def header(path):
    """The comment at the beginning of a gin file, without the marks of comments."""
    return re.match(r"(?:#.*\n)+", path.read_text(encoding="utf-8"))[0].replace("# ", "").replace("#\n", "\n")


@FILES
def test_its_header_tells_what_it_is_and_the_command(path):
    lines = header(path).splitlines()
    assert len(lines) >= 3 and lines[0].endswith("."), "a sentence on what it is comes first"
    command = "bin/train --gin_file=gin/" if path in RUNS else "bin/compare --suite=gin/compare/"
    assert command + path.name in "\n".join(lines)


@FILES
def test_its_header_is_short_and_tells_how_long_it_takes(path):
    text = header(path)
    assert re.search(r"(?i)\btime: |\bminutes?\b|\bhours?\b|not measured", text.replace("\n", " "))
    assert max(map(len, text.splitlines())) <= 110 and len(text.splitlines()) <= 22


def _percent(results, stem, name):
    """A figure of a results file in percent: of a run, or of the row of a comparison that ran the gin file."""
    if "rows" in results:
        (row,) = [row for row in results["rows"] if row["gin_file"] == f"gin/{stem}.gin"][:1]
        return row["gan_test_A10" if name == "GAN-test" else name]
    if "over_runs" in results:  # of `tools/repeated_runs.py`
        return 100 * results["over_runs"]["average_accuracy"]["mean"][-1]
    if name in ("joint training", "fine-tuning"):
        return 100 * results["bounds"][name][-1]
    if name in KEYS:
        return 100 * results[KEYS[name]][-1]
    return 100 * results["average_accuracy"][int(name[1:]) // results["classes_per_task"][0] - 1]


EXPECTED = r"Expected: ([^()]+)\((docs/results/\w+\.json)\)"


@pytest.mark.parametrize("path", [path for path in RUNS if "Expected:" in header(path)], ids=lambda path: path.stem)
def test_what_is_expected_was_measured(path):
    figures, file = re.search(EXPECTED, header(path).replace("\n", " ")).groups()
    results = json.loads((ROOT / file).read_text(encoding="utf-8"))
    for figure in figures.strip().split(", "):
        name, value = figure.rsplit(" ", 1)
        assert f"{_percent(results, path.stem, name):.2f}" == value, figure


def test_expectations_are_found():
    assert len([path for path in RUNS if re.search(EXPECTED, header(path).replace("\n", " "))]) >= 20


@pytest.mark.parametrize("path", [path for path in RUNS if "Published" in header(path)], ids=lambda path: path.stem)
def test_what_is_published_is_that_of_the_paper(path):
    published = json.loads((ROOT / "docs/results/published.json").read_text(encoding="utf-8"))["rows"]
    (row,) = [row for row in published if row["gin_file"] == f"gin/{path.name.replace('_fast', '')}"]
    (figures,) = re.findall(r"Published[^:]*: ((?:A\d+ [\d.]+\d(?:, )?)+)", header(path).replace("\n", " "))
    for figure in figures.removesuffix(", ").split(", "):
        name, value = figure.split(" ")
        assert row[name] == float(value), figure
