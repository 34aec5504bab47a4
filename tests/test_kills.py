"""The slow command that kills runs at random moments, and that what it compares is not equal by chance."""

import shutil

import numpy as np
import pytest

from dgm_tf.disk import files
from tests.kills.__main__ import main
from tests.kills.comparison import differences


@pytest.fixture
def life(tmp_path):
    """A folder with what looks like a run's."""
    run_dir = tmp_path / "life" / "run"
    for name in ("weights", "masks", "stored"):
        files.write_arrays(run_dir / "memory" / f"{name}.npz", {name: np.arange(3, dtype=np.float32)})
    files.write_json(run_dir / "results.json", {"average_accuracy": [0.5], "seconds": [{"gan": 1.0}]})
    (run_dir / "metrics.jsonl").write_text('{"global_step": 1, "kind": "eval", "accuracy": 0.5}\n')
    for folder, name in (("images", "a.png"), ("export", "classes.json"), ("figures", "b.png")):
        (run_dir / folder).mkdir()
        (run_dir / folder / name).write_bytes(b"as it was")
    (run_dir / ".lock").touch()
    return tmp_path / "life"


def test_a_copy_differs_in_nothing_but_its_times(life, tmp_path):
    copy = shutil.copytree(life, tmp_path / "copy")
    files.write_json(copy / "run" / "results.json", {"average_accuracy": [0.5], "seconds": [{"gan": 2.0}]})
    (copy / "run" / "figures" / "b.png").write_bytes(b"with other times in it")
    assert differences(copy, life, ["run"]) == []


CHANGES = {
    "run: memory: masks": lambda run: files.write_arrays(run / "memory" / "masks.npz", {"masks": np.ones(3)}),
    "run: results: average_accuracy": lambda run: files.write_json(run / "results.json", {"average_accuracy": [0.6]}),
    "run: curves: twice": lambda run: (run / "metrics.jsonl").write_text((run / "metrics.jsonl").read_text() * 2),
    "run: files: images/a.png": lambda run: (run / "images" / "a.png").write_bytes(b"another"),
    "run: files: figures/b.png": lambda run: (run / "figures" / "b.png").unlink(),
    "left behind: run/.x.1.tmp": lambda run: (run / ".x.1.tmp").touch(),
    "left behind: run/memory/.masks.npz.next": lambda run: (run / "memory" / ".masks.npz.next").touch(),
}


@pytest.mark.parametrize("found", CHANGES)
def test_whatever_else_differs_is_named(life, tmp_path, found):
    copy = shutil.copytree(life, tmp_path / "copy")
    CHANGES[found](copy / "run")
    assert found in differences(copy, life, ["run"])


@pytest.mark.slow
def test_a_hundred_kills_change_nothing(tmp_path):
    assert main(["--kills=100", f"--folder={tmp_path}"]) == 0
