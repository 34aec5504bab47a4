"""tools/run_time.py: sums and shares, from lines that a run writes."""

import json

import pytest

from tests import script


@pytest.fixture
def run_dir(tmp_path):
    rows = [
        {"kind": "train", "global_step": 5, "task": 0},
        {"kind": "time", "global_step": 10.5, "task": 1, "seconds": {"gan": 60.0, "tracing": 10.0, "bounds": 20.0}},
        {"kind": "time", "global_step": 20.5, "task": 2, "seconds": {"gan": 90.0, "classifier": 20.0}},
    ]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return tmp_path


def test_kinds_are_summed_over_tasks_and_shares_are_of_the_steps(run_dir):
    result = script.give("run_time.py", run_dir, f"--json={run_dir / 'out.json'}")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads((run_dir / "out.json").read_text()).values()
    assert row["seconds"] == {"gan": 150.0, "tracing": 10.0, "bounds": 20.0, "classifier": 20.0}
    assert row["step_shares"] == pytest.approx({"of all": 170 / 200, "without measuring": 170 / 180})
    assert "| gan | 150.0 | 75.0% |" in result.stdout


def test_a_folder_without_a_run_is_named(tmp_path):
    result = script.give("run_time.py", tmp_path)
    assert result.returncode != 0 and f"{tmp_path}: expected a run folder" in result.stderr
    assert "Traceback" not in result.stderr
