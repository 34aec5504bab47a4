"""bin/compare --launcher=ray, as a person would use it: a suite, Ctrl-C, and the same command again."""

import os
import signal
import subprocess
import sys
import time

import pytest

from dgm_tf.disk import files
from tests import tiny_run
from tests.cli import test_compare
from tests.compare.test_launcher import processes_of

pytestmark = pytest.mark.ci
SUITE = test_compare.SUITE.replace('"GANSettings.epochs = 1"', '"GANSettings.epochs = 6"')


def _start(project_root, folder):
    """In a process group of its own, as a terminal does it."""
    command = [sys.executable, "-P", "-m", "dgm_tf.cli.compare", "--suite=suite.gin", "--jobs=2", "--launcher=ray"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "TF_NUM"))}
    environment |= {"PYTHONPATH": str(project_root), "CUDA_VISIBLE_DEVICES": "-1", "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, start_new_session=True)  # fmt: skip


def _runs(folder):
    return [folder / "runs" / "suite" / name / "seed0" for name in ("ft", "dgmw")]


def test_ctrl_c_saves_and_the_same_command_again_finishes_the_suite(project_root, tmp_path):
    (tmp_path / "suite.gin").write_text(SUITE)
    (tmp_path / "ft.gin").write_text(test_compare.FT)
    first = _start(project_root, tmp_path)
    ft, dgmw = _runs(tmp_path)
    until = time.monotonic() + 300
    while tiny_run.position(dgmw)["task"] < 0 and time.monotonic() < until and first.poll() is None:
        time.sleep(0.1)
    os.killpg(first.pid, signal.SIGINT)
    printed, complaints = first.communicate(timeout=600)
    assert first.returncode == 128 + signal.SIGINT, printed + complaints
    assert "stopped; all runs have saved. Run the same command again to resume." in printed
    assert not processes_of(tmp_path / "runs")

    second = _start(project_root, tmp_path)
    printed, complaints = second.communicate(timeout=600)
    assert second.returncode == 0, printed + complaints
    for run_dir in (ft, dgmw):
        assert tiny_run.read_results(run_dir)["finished"]
    assert (tmp_path / "runs" / "suite" / "table.md").exists()
    sessions = files.read_json(dgmw / "run.json")["sessions"]
    assert len(sessions) == 2
    assert dgmw.with_name("seed0.log").read_text().count("task 1/2 (0) gan epoch 1/6 ") == 1  # resumed, not begun again
