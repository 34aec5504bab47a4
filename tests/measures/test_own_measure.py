"""A measure of one's own is one file, that of CONTRIBUTING, and one entry in gin: all that shows measures shows it."""

import os
import subprocess
import sys

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from dgm_tf.measures import record
from tests import documents

pytestmark = pytest.mark.ci  # a whole comparison
RUN = """
import second_guess
include "gin/data/mnist_mini.gin"
include "gin/methods/fine_tuning.gin"
FineTuning.epochs = 1
FineTuning.batch_size = 500
ClassIncrementalStream.num_tasks = 2
EvaluationSettings.measures = [@SecondGuess()]
EvaluationSettings.fine_tuning_epochs = 0
EvaluationSettings.judge_epochs = 1
"""
SUITE = """
import dgm_tf.compare.suite
Suite.rows = [@ft/SuiteRow()]
Suite.at = (2,)
ft/SuiteRow.gin_file = "run.gin"
"""


@pytest.fixture(scope="module")
def compared(project_root, tmp_path_factory):
    """(folder of a comparison of one tiny run, what was printed)."""
    folder = tmp_path_factory.mktemp("own")
    section = (project_root / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Add a measure")[1]
    (code,) = documents.blocks(section.split("\n## ")[0], "python")
    for name, text in {"second_guess.py": code, "run.gin": RUN, "suite.gin": SUITE}.items():
        (folder / name).write_text(text)
    command = [sys.executable, "-P", "-m", "dgm_tf.cli.compare", "--suite=suite.gin", "--import=second_guess"]
    environment = os.environ | {"PYTHONPATH": str(project_root), "CUDA_VISIBLE_DEVICES": "-1"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    log = (folder / "runs" / "suite" / "ft" / "seed0.log").read_text()
    assert done.returncode == 0, done.stdout + done.stderr + log
    return folder / "runs" / "suite", done.stdout + log


def test_results_hold_it_and_say_what_it_is(compared):
    found = record.read(compared[0] / "ft" / "seed0")
    assert found.column("second_guess") == [0.0, 0.0]
    assert found.measures["second_guess"].title == "wrong twice"


def test_tensorboard_has_its_curve(compared):
    events = EventAccumulator(str(compared[0] / "ft" / "seed0" / "eval"), size_guidance={"tensors": 0})
    events.Reload()
    assert len(events.Tensors("measures/second_guess")) == 2


def test_the_runs_tables_have_it(compared):
    assert compared[1].count("wrong twice") >= 2


def test_a_comparison_has_a_column_of_it(compared):
    table = (compared[0] / "table.md").read_text()
    assert "| wrong twice ↓ |" in table
    assert "second_guess mean" in (compared[0] / "table.csv").read_text().splitlines()[0]


def test_hparams_have_it(compared):
    events = EventAccumulator(str(compared[0] / "hparams" / "ft-seed0"), size_guidance={"tensors": 0})
    events.Reload()
    assert "second_guess" in events.Tags()["tensors"]


def test_the_new_ones_among_the_standard_measures_are_there_likewise(compared):
    table = (compared[0] / "table.md").read_text()
    assert "| mean A_k ↑ |" in table and "| calibration error ↓ |" in table
    assert (compared[0] / "ft" / "seed0" / "figures" / "reliability.png").is_file()
