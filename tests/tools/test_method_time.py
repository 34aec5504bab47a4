"""The script that compares how long methods take, on made-up run folders."""

import json

import pytest

from tests import script


@pytest.fixture
def root(tmp_path):
    """DGMw with two seeds, fine-tuning with one, and a run that is not finished."""
    seconds = {
        "dgmw/seed0": [{"gan": 8.0, "evaluation": 50.0}, {"gan": 10.0, "evaluation": 50.0}],
        "dgmw/seed1": [{"gan": 10.0, "evaluation": 1.0}, {"gan": 12.0, "evaluation": 1.0}],
        "ft/seed0": [{"classifier": 2.0}, {"classifier": 3.0}],
        "jt/seed0": [{"classifier": 9.0}],
    }
    for name, tasks in seconds.items():
        folder = tmp_path / "runs" / name
        folder.mkdir(parents=True)
        (folder / "results.json").write_text(json.dumps({"finished": not name.startswith("jt"), "seconds": tasks}))
        (folder / "run.json").write_text(json.dumps({"machine": "Linux", "devices": ["/device:CPU:0"]}))
    (tmp_path / "runs" / "hparams").mkdir()
    return tmp_path / "runs"


def test_times_a_task_beside_those_of_dgm(root, tmp_path):
    result = script.give("method_time.py", f"--root={root}", f"--output={tmp_path / 'out' / 'time'}")
    assert result.returncode == 0, result.stderr
    ft, dgmw = json.loads((tmp_path / "out" / "time.json").read_text())
    assert (dgmw["method"], dgmw["seeds"], dgmw["tasks"], dgmw["mean"], dgmw["ratio"]) == ("dgmw", 2, [9, 11], 10, 1)
    assert (ft["mean"], ft["ratio"], ft["phases"]) == (2.5, 0.25, {"classifier": 2.5})
    table = (tmp_path / "out" / "time.md").read_text()
    assert "| ft | 1 | 2.5 | 2.0 | 3.0 | 0.25 | classifier 2.5 |" in table and table in result.stdout
    assert "Machine: Linux, /device:CPU:0" in table


@pytest.mark.parametrize(("folder", "message"), [("nowhere", "got"), (".", "found none")])
def test_without_runs_it_says_so(tmp_path, folder, message):
    result = script.give("method_time.py", f"--root={tmp_path / folder}")
    assert result.returncode == 2 and "--root: expected" in result.stderr and message in result.stderr
