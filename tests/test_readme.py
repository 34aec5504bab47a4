"""The README's promises: its commands exist, its Python runs as written."""

import json
import re
import shlex
import subprocess
import sys

import pytest


@pytest.fixture(scope="module")
def readme(project_root):
    return (project_root / "README.md").read_text(encoding="utf-8")


def _blocks(text, language):
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_file_that_is_named_exists(readme, project_root):
    named = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)) | set(re.findall(r"gin/(?:suites/)?\w+\.gin", readme))
    assert named
    for path in named:
        assert (project_root / path).exists(), path


def test_every_shipped_experiment_is_in_the_table(readme, project_root):
    for file in (project_root / "gin").glob("*.gin"):
        family = "gin/fashion_mnist_*.gin" if file.name.startswith("fashion_mnist_") else f"gin/{file.name}"
        assert family in readme, file.name


def test_every_flag_of_the_commands_exists(readme, project_root):
    commands = {name: [] for name in ("bin/train", "bin/learn", "bin/benchmark", "bin/export", "bin/sample")}
    for block in _blocks(readme, "bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] in commands:
                commands[words[0]] += words[1:]
    for name, words in commands.items():
        command = [sys.executable, "-m", f"dgm_tf.{name.removeprefix('bin/')}", "--help"]
        help_text = subprocess.run(command, capture_output=True, text=True, cwd=project_root, check=True).stdout
        assert words, f"the README shows {name} with flags"
        for word in words:
            assert word.split("=")[0] in help_text, f"{name} {word}"


def test_every_flag_of_the_scripts_in_readme_and_docs_exists(project_root):
    flags = {}
    for document in (project_root / "README.md", *(project_root / "docs").rglob("*.md")):
        for block in _blocks(document.read_text(encoding="utf-8"), "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if words[:1] == ["python"]:
                    names = (word.strip("[]").split("=")[0] for word in words[2:] if word.strip("[]").startswith("--"))
                    flags.setdefault(words[1], set()).update(names)
    assert "benchmarks/learning_curves.py" in flags
    for script, names in flags.items():
        command = [sys.executable, script, "--help"]
        # No check of the exit status: absl's is 1 after --help.
        help_text = subprocess.run(command, capture_output=True, text=True, cwd=project_root).stdout
        for name in names:
            assert name in help_text or f"--[no]{name[2:]}" in help_text, f"{script} {name}"


def test_the_python_of_the_api_runs_as_written(readme, project_root, tmp_path):
    (code,) = [block for block in _blocks(readme, "python") if "dgm_tf.Learner" in block]
    check = "assert len(labels) == len(task.test.images) and replayed.shape == (3, 32, 32, 1)\n"
    command = [sys.executable, "-c", code + check]
    environment = {"PYTHONPATH": str(project_root), "TF_CPP_MIN_LOG_LEVEL": "2", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr


def test_the_method_and_the_suite_of_ones_own_run_as_written(readme, project_root, tmp_path):
    (method,) = [block for block in _blocks(readme, "python") if "class Rehearsal" in block]
    (suite,) = _blocks(readme, "gin")
    (command,) = [line for block in _blocks(readme, "bash") for line in block.splitlines() if "rehearsal.gin" in line]
    (tmp_path / "rehearsal.py").write_text(method)
    (tmp_path / "rehearsal.gin").write_text(suite)
    flags = [word for word in shlex.split(command)[1:] if not word.startswith(("--seeds", "--jobs"))]
    two_tasks = ["ClassIncrementalBenchmark.num_tasks = 2", "EvaluationSettings.fine_tuning_epochs = 0"]
    short = [f"--gin_param=Suite.params = {two_tasks}", "--gin_param=Suite.at = (2,)", "--methods=ten"]
    environment = {"PYTHONPATH": str(project_root), "TF_CPP_MIN_LOG_LEVEL": "2", "PATH": "/usr/bin:/bin"}
    run = [sys.executable, "-P", "-m", "dgm_tf.benchmark", *flags, *short]
    result = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
    results = json.loads((tmp_path / "runs" / "rehearsal" / "ten" / "seed0" / "results.json").read_text())
    assert results["memory_bytes"][-1] == {"images": 2 * 10 * 32 * 32}
    assert results["average_accuracy"][1] > 0.6, "ten stored images keep the first class from being forgotten"
