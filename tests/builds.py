"""Builds the project as a release does: a source archive, and the wheel from it."""

import os
import shutil
import subprocess
import sys

# What is copied where git cannot tell what belongs to the project, as in an unpacked source archive.
NAMES = (
    ".ci", ".github", ".gitignore", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "MANIFEST.in", "README.md",
    "tools", "bin", "dgm_tf", "docs", "examples", "gin", "pyproject.toml", "requirements", "setup.py", "tests",
)  # fmt: skip


def copy_project(root, folder):
    """Copies what belongs to the project, and nothing that was made in the checkout."""
    for path in _files(root):
        target = folder / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)


def _files(root):
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=root, capture_output=True, text=True)
    if (root / ".git").exists() and tracked.returncode == 0:
        return [root / name for name in tracked.stdout.split("\0") if name and (root / name).exists()]
    below = [path for name in NAMES for path in ((root / name).rglob("*") if (root / name).is_dir() else [root / name])]
    return [path for path in below if path.is_file() and "__pycache__" not in path.parts]


def build(source, output):
    """Returns (wheel, source archive); the environment's own setuptools does it, so that nothing is fetched."""
    command = [sys.executable, "-P", "-m", "build", "--no-isolation", "--outdir", str(output), str(source)]
    run = subprocess.run(command, cwd=output.parent, env=environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    return next(output.glob("*.whl")), next(output.glob("*.tar.gz"))


def environment():
    """This process's variables but for those that let Python find a checkout."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
