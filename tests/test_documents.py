"""The promises of README and docs: links lead somewhere, code runs as written, figures are those of files."""

import importlib
import json
import re
import shlex
import subprocess
import sys

import pytest

from dgm_tf import aliases, config, limits
from tests import documents, test_floors
from tests.conftest import ROOT

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("*.md"), *sorted((ROOT / "docs").rglob("*.md")))
}
SECTIONS = [(name, section) for name, text in PAGES.items() for section in documents.sections(text)]
COMMANDS = tuple(
    f"bin/{name}" for name in ("train", "learn", "forget", "audit", "compare", "export", "sample", "predict")
)


def test_the_readme_is_short():
    assert len(PAGES["README.md"].encode()) <= 14_000


@pytest.mark.parametrize("page", PAGES)
def test_no_line_is_longer_than_100_columns(page):
    assert [line for line in PAGES[page].splitlines() if len(line) > 100] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page):
    for target in documents.links(PAGES[page]):
        name, _, anchor = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        assert not anchor or anchor in documents.anchors(path.read_text(encoding="utf-8")), target


def test_every_page_can_be_reached_from_the_readme():
    reached, new = set(), ["README.md"]
    while new:
        page = new.pop()
        reached.add(page)
        targets = [target.partition("#")[0] for target in documents.links(PAGES[page])]
        paths = [((ROOT / page).parent / name).resolve() for name in targets if name.endswith(".md")]
        new += {path.relative_to(ROOT).as_posix() for path in paths} - reached - set(new)
    assert set(PAGES) - reached == set()


def test_every_gin_file_that_is_named_exists_and_every_shipped_one_is_named():
    named = {name for text in PAGES.values() for name in re.findall(r"\bgin/(?:\w+/)*\w+\.gin", text)}
    assert [name for name in named if not (ROOT / name).is_file()] == []
    for file in (*(ROOT / "gin").glob("*.gin"), *(ROOT / "gin" / "compare").glob("*.gin")):
        family = "fashion_mnist_*.gin" if file.name.startswith("fashion_mnist_") else file.name
        assert f"/{family}`" in PAGES["docs/methods.md"], file.name


def test_an_example_is_as_short_as_is_said():
    rows = re.findall(r"^\|.*\]\((\S+)\) \| (\d+) lines \|$", PAGES["CONTRIBUTING.md"], re.MULTILINE)
    assert len(rows) >= 6
    for path, limit in rows:
        assert len((ROOT / path).read_text(encoding="utf-8").splitlines()) < int(limit), path


def test_the_drawing_of_the_architecture_has_every_floor_from_the_top():
    (drawing,) = documents.blocks(PAGES["docs/architecture.md"], "text")
    drawn = [tuple(re.sub(r"\(.*\)", "", line[:26]).split()) for line in drawing.splitlines()]
    assert drawn == [tuple(folder for folder in floor if folder) for floor in test_floors.FLOORS]


def test_the_limits_are_those_of_the_code():
    rows = re.findall(r"^\| `([A-Z_]+)` \| ([\d,]+) \|", PAGES["docs/limits.md"], re.MULTILINE)
    assert len(rows) >= 14
    for name, value in rows:
        assert getattr(limits, name) == int(value.replace(",", "")), name


def test_every_earlier_name_of_the_changelog_is_known():
    (table,) = re.findall(r"^  \| earlier.*?(?=^$)", PAGES["CHANGELOG.md"], re.MULTILINE | re.DOTALL)
    known = {*aliases.MODULES, *aliases.GIN_NAMES, *(f"{folder}/" for folder in aliases.GIN_FOLDERS)}
    earlier = [line.split("|")[1] for line in table.splitlines()[2:]]
    for names in earlier:
        first, *more = re.findall(r"`([^`]+)`", names)
        package = first.rpartition(".")[0]
        for name in (first, *(package + other for other in more if other.startswith("."))):
            assert name in known or not name.startswith(("dgm_tf", "gin", "run_")), name


def test_every_key_of_the_results_is_explained():
    shown = re.findall(r"`(\w+)", PAGES["docs/measures.md"])
    for file in (ROOT / "docs" / "results").glob("mnist_dgm*.json"):
        missing = set(json.loads(file.read_text(encoding="utf-8"))) - set(shown)
        assert not missing - {"seconds_bounds"}, file.name


@pytest.mark.parametrize(("page", "section"), SECTIONS, ids=[f"{p}:{s[:30].split(chr(10))[0]}" for p, s in SECTIONS])
def test_every_figure_is_that_of_a_file(page, section):
    figures = documents.figures(section)
    for figure in figures:
        assert documents.value(figure, ROOT) == figure.text, figure
    unexplained = set(documents.measured(section)) - {figure.text for figure in figures}
    assert not unexplained, f"{page} gives figures that no file has: {unexplained}"
    columns = documents.unchecked_columns(section)
    assert not columns, f"{page} has columns of figures that no comment explains: {columns}"


def test_figures_are_found_and_compared():
    named = [figure for _, section in SECTIONS for figure in documents.figures(section)]
    assert len([figure for figure in named if figure.row]) > 100 and len([f for f in named if not f.row]) >= 5
    comment = "<!-- figures: docs/results/quickstart.json\n98.0 = 100 * average_accuracy[-1]\n-->\n"
    (right,) = documents.figures("It reaches 98.0 %.\n" + comment)
    assert documents.value(right, ROOT) == "98.0" != documents.value(right._replace(text="98.00"), ROOT)
    assert documents.measured("It reaches 97.6 % in 12 minutes with `0.5`, Python 3.12 and 3 epochs.") == ["97.6", "12"]
    table = "| run | A5 | A10 |\n|---|---:|---:|\n| `a` | 97.6 | 90.0 |\n"
    explained = "<!-- figures: docs/results/{row}.json\nA5 = average_accuracy[4]\n-->\n" + table
    assert documents.unchecked_columns(explained + "\n" + table) == ["A10", "A5", "A10"]
    with pytest.raises(AssertionError, match="does not stand"):
        documents.figures("It reaches 98.6 %.\n" + comment)


def _flags(command):
    """Names of the flags that a command or script defines; a script's are read from its source."""
    if command in COMMANDS:
        flags = importlib.import_module(f"dgm_tf.cli.{command.removeprefix('bin/')}").FLAGS
        return {*flags, *(f"no{name}" for name in flags if flags[name].flag_type() == "bool")}
    source = (ROOT / command).read_text(encoding="utf-8")
    switches = re.findall(r'DEFINE_bool(?:ean)?\(\s*"(\w+)"', source)
    others = re.findall(r'(?:DEFINE_\w+\(|add_argument\()\s*"-{0,2}(\w+)"', source)
    return {*others, *(f"no{name}" for name in switches)}


def test_every_flag_of_every_command_and_script_exists():
    given = {}
    for text in PAGES.values():
        for line in documents.command_lines(text):
            words = shlex.split(line, comments=True)
            script = words[1:2] if words[:1] == ["python"] and words[1].endswith(".py") else words[:1]
            if script and (script[0] in COMMANDS or script[0].endswith(".py")):
                given.setdefault(script[0], set()).update(word.strip("[]") for word in words)
    assert {*COMMANDS, "tools/learning_curves.py"} <= set(given)
    for command, words in given.items():
        names = {word.removeprefix("--").split("=")[0] for word in words if word.startswith("--")}
        assert names - _flags(command) == set(), command


def _run(command, folder):
    environment = {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2", "PATH": "/usr/bin:/bin"}
    run = [sys.executable, "-P", *command]
    result = subprocess.run(run, capture_output=True, text=True, cwd=folder, env=environment)
    assert result.returncode == 0, result.stderr


@pytest.mark.ci
def test_the_python_of_all_pages_runs_as_written(tmp_path):
    """In one process, the README's first; then what other pages read is made: an export, results of many classes."""
    code = {name: documents.blocks(text, "python") for name, text in PAGES.items()}
    code["docs/methods.md"].remove(_rehearsal())  # another test runs it
    (api,) = code.pop("README.md")
    between = """
assert len(labels) == len(task.test.images) and replayed.shape == (3, 32, 32, 1)
from dgm_tf.export import export
import os, shutil
from PIL import Image
export(learner, "runs/quickstart/export", ["saved_model", "litert", "onnx"])
shutil.copytree("memory", "runs/quickstart/memory")
os.mkdir("new_photos")
Image.radial_gradient("L").save("new_photos/photo.jpg")
shutil.copy("new_photos/photo.jpg", "photo.jpg")
from dgm_tf.measures import record as records
names = [str(number) for number in range(records.MANY_CLASSES + 1)]
shares = [[0.5] * len(names)]
large = {"per_class_accuracy": shares, "fidelity": [{"recall": shares[0]}], "confusion": [[1]]}
entries = {"class_names": names, "average_accuracy": [0.5], **large}
records.Record.from_json(entries, "results.json").write("runs/imagenet")
"""
    code["docs/exporting.md"].append("assert images.shape == (3, 32, 32, 1) and label.shape == (1,)\n")
    code["docs/serving.md"].append("assert photo.guesses and images.shape == (1, 32, 32, 1) and shares.shape == (3,)\n")
    after = """
assert accuracies.shape == recalls.shape == (1, 101) and confusion.shape == (1, 1)
(stripes,) = ClassIncrementalStream(Stripes(), classes_per_task=2)
assert stripes.class_names == ("across", "down")
"""
    others = [block for blocks in code.values() for block in blocks]
    assert len(others) >= 3
    _run(["-c", "\n".join([api, between, *others, after])], tmp_path)


def test_the_gin_of_all_pages_is_understood(tmp_path, clean_gin):
    snippets = [block for text in PAGES.values() for block in documents.blocks(text, "gin")]
    snippets = [snippet for snippet in snippets if "import rehearsal" not in snippet]  # another test runs it
    assert snippets
    for index, snippet in enumerate(snippets):
        path = tmp_path / f"snippet{index}.gin"
        path.write_text(snippet)
        config.parse(path)


def _rehearsal():
    (method,) = [block for block in documents.blocks(PAGES["docs/methods.md"], "python") if "class Rehearsal" in block]
    return method


@pytest.mark.ci
def test_the_method_and_the_suite_of_ones_own_run_as_written(tmp_path):
    page = PAGES["docs/methods.md"]
    (suite,) = documents.blocks(page, "gin")
    (command,) = [line for line in documents.command_lines(page) if "rehearsal.gin" in line]
    (tmp_path / "rehearsal.py").write_text(_rehearsal())
    (tmp_path / "rehearsal.gin").write_text(suite)
    flags = [word for word in shlex.split(command)[1:] if not word.startswith(("--seeds", "--jobs"))]
    two_tasks = ["ClassIncrementalStream.num_tasks = 2", "EvaluationSettings.fine_tuning_epochs = 0"]
    short = [f"--gin_param=Suite.params = {two_tasks}", "--gin_param=Suite.at = (2,)", "--methods=ten"]
    _run(["-m", "dgm_tf.cli.compare", *flags, *short], tmp_path)
    results = json.loads((tmp_path / "runs" / "rehearsal" / "ten" / "seed0" / "results.json").read_text())
    assert results["memory_bytes"][-1] == {"images": 2 * 10 * 32 * 32}
    assert results["average_accuracy"][1] > 0.6, "ten stored images keep the first class from being forgotten"
