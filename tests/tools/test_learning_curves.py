"""tools/learning_curves.py: the curves it reads, and what it says of arguments that are none."""

import json

import pytest

from tests import script


def _write(folder, accuracies, classes_per_task, **more):
    folder.mkdir()
    results = {"average_accuracy": accuracies, "classes_per_task": classes_per_task, **more}
    (folder / "results.json").write_text(json.dumps(results))
    return folder


@pytest.fixture
def run_dir(tmp_path):
    bounds = {"joint training": [1.0, 0.95], "fine-tuning": [1.0, 0.5]}
    return _write(tmp_path / "run", [1.0, 0.9], [1, 2], bounds=bounds)


@pytest.fixture
def learning_curves(tmp_path):
    def run(*arguments):
        return script.give("learning_curves.py", *arguments, f"--output={tmp_path / 'curves.png'}")

    return run


def test_folders_and_files_finished_or_not_become_one_figure(learning_curves, run_dir, tmp_path):
    begun = _write(tmp_path / "begun", [None], [1])  # without test images
    curves = (f"two seeds={run_dir / 'results.json'},{begun}", f"one={run_dir}")
    result = learning_curves(*curves, "--bounds=joint training,fine-tuning", "--lowest=40")
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}"], "{run}: expected a name, = and run folders"),
        (["a={run},"], "a={run},: expected a name, = and run folders"),
        (["a={run}/missing"], "{run}/missing: expected the folder or the results.json of a run"),
        (["a={run}", "a={run}"], "a: expected each name once"),
        (["a={run},{other}"], "a: expected runs with the same numbers of classes per task, got [1, 2] and [2, 2]"),
        (["a={run}", "--bounds=oracle"], "--bounds: expected names among ['fine-tuning', 'joint training']"),
    ],
)
def test_what_is_no_curve_is_named(learning_curves, run_dir, tmp_path, arguments, message):
    names = {"run": run_dir, "other": _write(tmp_path / "other", [1.0, 0.9], [2, 2])}
    result = learning_curves(*(argument.format(**names) for argument in arguments))
    assert result.returncode == 1 and message.format(**names) in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "curves.png").exists()


def test_a_figure_that_cannot_be_written_is_named(learning_curves, run_dir, tmp_path):
    (tmp_path / "curves.png").mkdir()
    result = learning_curves(f"a={run_dir}")
    assert result.returncode == 1 and "--output: expected a file that can be written" in result.stderr
    assert "Traceback" not in result.stderr
