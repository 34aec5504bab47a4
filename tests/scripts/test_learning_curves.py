"""benchmarks/learning_curves.py: the curves it reads, and what it says of arguments that are none."""

import json
import subprocess
import sys

import pytest


@pytest.fixture
def run_dir(tmp_path):
    bounds = {"joint training": [1.0, 0.95], "fine-tuning": [1.0, 0.5]}
    results = {"average_accuracy": [1.0, 0.9], "classes_per_task": [1, 2], "bounds": bounds}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "results.json").write_text(json.dumps(results))
    return tmp_path / "run"


@pytest.fixture
def learning_curves(project_root):
    def run(*arguments):
        command = [sys.executable, str(project_root / "benchmarks" / "learning_curves.py"), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, text=True)

    return run


def test_folders_and_files_become_one_figure(learning_curves, run_dir, tmp_path):
    path = tmp_path / "docs" / "curves.png"
    flags = ("--bounds=joint training,fine-tuning", "--lowest=40", f"--output={path}")
    result = learning_curves(f"two seeds={run_dir},{run_dir / 'results.json'}", f"one={run_dir}", *flags)
    assert result.returncode == 0, result.stderr
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("{run}", "expected a name, = and run folders"),
        ("a={run}/missing", "expected the folder or the results.json of a run"),
        ("a={run},", "expected the folder or the results.json of a run"),
    ],
)
def test_what_is_no_curve_is_named(learning_curves, run_dir, argument, message):
    result = learning_curves(argument.format(run=run_dir), f"--output={run_dir / 'curves.png'}")
    assert result.returncode == 1 and message in result.stderr and "Traceback" not in result.stderr
    assert not (run_dir / "curves.png").exists()


def test_a_bound_that_the_runs_lack_is_named(learning_curves, run_dir):
    result = learning_curves(f"a={run_dir}", "--bounds=oracle", f"--output={run_dir / 'curves.png'}")
    assert result.returncode == 1 and "expected some of fine-tuning, joint training, got oracle" in result.stderr
