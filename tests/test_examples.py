"""The notebooks of examples/: short, without outputs, and they run as they are written."""

import json
import os
import sys

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT

NOTEBOOKS = sorted((ROOT / "examples").glob("*.ipynb"))
# Of the notebook that trains for minutes: its settings, and those of seconds in their place.
SETTINGS = '["ClassIncrementalStream.num_tasks = 3"]'
SHORT = '["ClassIncrementalStream.num_tasks = 2", "GANSettings.epochs = 2", "EvaluationSettings.gan_train_epochs = 0"]'
named = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, kind):
    """The texts of a notebook's cells of a kind, "code" or "markdown"."""
    content = json.loads(path.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def test_there_are_three():
    assert [path.stem for path in NOTEBOOKS] == ["digits", "own_method", "photos"]
    assert SETTINGS in "".join(cells(NOTEBOOKS[0], "code"))


@pytest.mark.ci
def test_without_the_extra_photos_a_line_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))
    notebook = nbformat.read(ROOT / "examples" / "photos.ipynb", as_version=4)
    hidden = 'from dgm_tf.features import efficientnet_lite\nefficientnet_lite._MODULE = "not_installed"\n'
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    code[1].source = hidden + code[1].source
    with pytest.raises(nbclient.exceptions.CellExecutionError) as caught:
        nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    told = caught.value.evalue.splitlines()[0]  # gin says below where it was called
    assert caught.value.ename == "UserError" and "pip install 'dgm_tf[photos]'" in told


@named
def test_it_is_committed_without_outputs(path):
    content = json.loads(path.read_text(encoding="utf-8"))
    assert not [cell for cell in content["cells"] if cell.get("outputs") or cell.get("execution_count")]


@named
def test_it_is_short_and_explained(path):
    assert sum(len(text.splitlines()) for text in cells(path, "code")) <= 80
    texts = cells(path, "markdown")
    assert texts[0].startswith("# ") and len(texts) >= 4


@pytest.mark.ci
@named
def test_it_runs(path, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *sys.path]))  # the kernel is another process
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        cell.source = cell.source.replace(SETTINGS, SHORT)
    nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    texts = [output["data"].get("text/plain", "") for output in outputs if "data" in output]
    assert [output for output in outputs if output.get("data", {}).get("image/png")], "a figure is shown"
    bars = [text for text in texts if "gan 100%" in text]
    assert len(bars) == (3 if path.stem == "digits" else 0), "one line for each phase, updated in place"
    assert len(outputs) < 40 and len(nbformat.writes(notebook)) < 400_000, "training does not flood the notebook"
    assert not [text for text in texts if "epoch 1/" in text], "an epoch's line is replaced by the next one's"
