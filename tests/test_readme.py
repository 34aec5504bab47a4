"""The README's promises: its commands exist, its Python runs as written."""

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
    named = set(re.findall(r"\]\((?!https?:)([^)#]+)\)", readme)) | set(re.findall(r"gin/\w+\.gin", readme))
    assert named
    for path in named:
        assert (project_root / path).exists(), path


def test_every_shipped_experiment_is_in_the_table(readme, project_root):
    for file in (project_root / "gin").glob("*.gin"):
        family = "gin/fashion_mnist_*.gin" if file.name.startswith("fashion_mnist_") else f"gin/{file.name}"
        assert family in readme, file.name


def test_every_flag_of_the_commands_exists(readme, project_root):
    for block in _blocks(readme, "bash"):
        for line in block.splitlines():
            words = shlex.split(line, comments=True)
            if words and words[0] in ("bin/train", "bin/export", "bin/sample"):
                module = f"dgm_tf.{words[0].removeprefix('bin/')}"
                command = [sys.executable, "-m", module, "--help"]
                help_text = subprocess.run(command, capture_output=True, text=True, cwd=project_root, check=True).stdout
                for word in words[1:]:
                    assert word.split("=")[0] in help_text, line


def test_the_python_of_the_api_runs_as_written(readme, project_root, tmp_path):
    (code,) = [block for block in _blocks(readme, "python") if "dgm_tf.Learner" in block]
    check = "assert len(labels) == len(task.test.images) and replayed.shape == (3, 32, 32, 1)\n"
    command = [sys.executable, "-c", code + check]
    environment = {"PYTHONPATH": str(project_root), "TF_CPP_MIN_LOG_LEVEL": "2", "PATH": "/usr/bin:/bin"}
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
    assert result.returncode == 0, result.stderr
