"""The process that judges planted faults may end: the fault is judged all the same."""

import importlib
import pathlib

import pytest

ENDS = """
import pathlib, sys
for line in sys.stdin:
    ends = pathlib.Path("ends")
    left = int(ends.read_text())
    ends.write_text(str(left - 1))
    if left > 0:
        sys.exit(1)
    print('{"outcome": "survived", "by": "", "seconds": 1.0}', flush=True)
"""


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A `Worker` without a copy of the project, whose process ends as often as a file says."""
    monkeypatch.syspath_prepend(pathlib.Path(__file__).parent)
    plant_faults = importlib.import_module("plant_faults")
    monkeypatch.setattr(plant_faults, "COPIED", ())
    script = tmp_path / "script.py"
    script.write_text(ENDS)
    (tmp_path / "a.py").write_text("x = 1\n")
    made = plant_faults.Worker(tmp_path, script)
    yield made
    made.close()


@pytest.mark.parametrize(("times", "outcome"), [(0, "survived"), (1, "survived"), (2, "killed")])
def test_a_process_that_ends_is_replaced_and_asked_once_more(worker, tmp_path, times, outcome):
    (tmp_path / "ends").write_text(str(times))
    assert worker.judge(["test"], "a.py", "x = 2\n")["outcome"] == outcome
    assert (tmp_path / "a.py").read_text() == "x = 1\n"
    (tmp_path / "ends").write_text("0")
    assert worker.judge(["test"])["outcome"] == "survived"
