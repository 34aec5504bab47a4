"""tools/repeated_runs.py: what it says of a process is of that process, and its command can be given again."""

import argparse
import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import repeated_runs


@pytest.fixture
def trains(tmp_path, monkeypatch):
    """Makes bin/train a script of these lines."""
    monkeypatch.setattr(repeated_runs, "ROOT", tmp_path)
    (tmp_path / "bin").mkdir()

    def write(*lines):
        (tmp_path / "bin" / "train").write_text("\n".join([f"#!{sys.executable}", *lines]))
        (tmp_path / "bin" / "train").chmod(0o755)

    return write


def test_the_most_memory_is_each_runs_own(trains, tmp_path):
    """In a small process, as Linux counts what a process had before it became another."""
    trains("import sys", "print(len(bytearray(200_000_000 if 'large' in sys.argv[1] else 1)), file=sys.stderr)")
    code = (
        f"import pathlib, sys; sys.path.insert(0, {str(ROOT / 'tools')!r}); import repeated_runs as r; "
        f"r.ROOT = pathlib.Path({str(tmp_path)!r}); "
        "print([r.run(f'{size}.gin', [], 'runs/x')['peak_memory_bytes'] for size in ('large', 'small')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    large, small = json.loads(done.stdout)
    assert large > 200_000_000 > 100_000_000 > small


def test_a_run_that_fails_is_told(trains):
    trains("raise SystemExit(2)")
    with pytest.raises(SystemExit, match="ended with exit status 2"):
        repeated_runs.run("x.gin", [], "runs/x")


def test_the_command_has_all_bindings_and_no_path_of_the_machine(tmp_path):
    arguments = argparse.Namespace(
        gin_file="x.gin", gin_param=["ClosedForm.head='lda'", f"ImageFolder.directory='{tmp_path}'"], vary="a.seed",
        values="0,1", json=tmp_path / "x.json",
    )  # fmt: skip
    repeated_runs.write(arguments, {}, [])
    command = json.loads((tmp_path / "x.json").read_text())["command"]
    assert """--gin_param='ClosedForm.head='"'"'lda'"'"''""" in command and str(tmp_path) not in command
