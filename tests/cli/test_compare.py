"""The command that compares methods: a real suite of two tiny runs, and what is refused."""

import csv
import json
import re
import shutil
import subprocess
import sys

import pytest

from dgm_tf.cli import compare
from dgm_tf.disk import lock
from tests import in_process, tiny_run

SUITE = """
import dgm_tf.compare.suite

Suite.rows = [@ft/SuiteRow(), @dgmw/SuiteRow()]
Suite.at = (1, 2)
Suite.title = "Two digits"
Suite.params = [
    "ClassIncrementalStream.num_tasks = 2",
    "EvaluationSettings.fine_tuning_epochs = 0",
    "EvaluationSettings.gan_train_epochs = 0",
    "EvaluationSettings.judge_epochs = 1",
    "EvaluationSettings.gan_test_per_class = 20",
    "DCGANDiscriminator.filters = (4, 4, 8)",
]

ft/SuiteRow.gin_file = "ft.gin"
ft/SuiteRow.label = "FT"

dgmw/SuiteRow.gin_file = "gin/quickstart.gin"
dgmw/SuiteRow.label = "DGMw"
dgmw/SuiteRow.params = [
    "DCGANGenerator.filters = 2",
    "GANSettings.epochs = 1",
    "ClassifierSettings.closing_epochs = 1",
]
dgmw/SuiteRow.published = {"A2": 99.0}
dgmw/SuiteRow.metric = "gan_test"
"""
FT = """
include "gin/data/mnist_mini.gin"
import dgm_tf.methods.fine_tuning
import dgm_tf.networks.dcgan

run_experiment.method = @FineTuning()
FineTuning.epochs = 1
FineTuning.discriminator = @DCGANDiscriminator
"""


whole = pytest.mark.ci  # a suite of two runs, three processes in all


def start(root, folder, *arguments):
    """The command as a person would give it, in a folder of its own."""
    command = [sys.executable, "-P", "-m", "dgm_tf.cli.compare", *arguments]
    environment = {"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "CUDA_VISIBLE_DEVICES": "-1",
                   "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1"}  # fmt: skip
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.fixture(scope="module")
def finished_suite(project_root, tmp_path_factory):
    """(folder, output, error output) of a suite that was run to its end."""
    folder = tmp_path_factory.mktemp("suite")
    (folder / "suite.gin").write_text(SUITE)
    (folder / "ft.gin").write_text(FT)
    process = start(project_root, folder, "--suite=suite.gin", "--jobs=2")
    printed, complaints = process.communicate()
    assert process.returncode == 0, complaints
    return folder, printed, complaints


@pytest.fixture
def command(capsys, clean_gin):
    """Gives the command in this process; returns (exit status, standard output, standard error)."""

    def give(*arguments):
        return in_process.give(compare, *arguments), *capsys.readouterr()

    return give


@whole
def test_each_run_is_an_ordinary_run_folder(finished_suite):
    root = finished_suite[0] / "runs" / "suite"
    for name in ("ft", "dgmw"):
        run_dir = root / name / "seed0"
        assert tiny_run.read_results(run_dir)["finished"] and (run_dir / "export" / "classifier").is_dir()
        assert "After task 2" in run_dir.with_name("seed0.log").read_text()
    assert [path.suffix for path in (root / ".cache").iterdir()] == [".npz"]  # one judge for both


@whole
def test_it_tells_each_change_and_the_table(finished_suite):
    _, printed, complaints = finished_suite
    assert "ft seed 0: running" in printed and "dgmw seed 0: finished, task 2/2 learned, A " in printed
    assert "Two digits" in printed and "runs/suite/table.md" in printed
    assert complaints == ""


@whole
def test_the_table_holds_what_the_runs_measured(finished_suite):
    root = finished_suite[0] / "runs" / "suite"
    ft, dgmw = csv.DictReader((root / "table.csv").read_text().splitlines())
    results = tiny_run.read_results(root / "dgmw" / "seed0")
    assert float(dgmw["A2 mean"]) == pytest.approx(100 * results["average_accuracy"][1])
    assert float(dgmw["A2 as published mean"]) == pytest.approx(100 * results["gan_test"][1])
    assert float(dgmw["memory_bytes"]) == sum(results["memory_bytes"][-1].values()) > float(ft["memory_bytes"]) == 0
    parameters = results["parameters"][-1]
    assert float(dgmw["parameters"]) == sum(parameters.values()) and set(parameters) == {"generator", "discriminator"}
    assert "| FT | 1 | 100.00 |" in (root / "table.md").read_text()


@whole
def test_a_finished_suite_is_not_run_again(finished_suite, command, monkeypatch, tmp_path):
    monkeypatch.chdir(finished_suite[0])
    monkeypatch.setattr("dgm_tf.compare.launcher.start_process", lambda *_: pytest.fail("started something"))
    status, printed, _ = command("--suite=suite.gin", f"--output={tmp_path}")
    assert status == 0 and "running" not in printed and "table.md" in printed


@whole
def test_what_another_command_has_run_meanwhile_is_not_run_again(finished_suite, command, monkeypatch, tmp_path):
    monkeypatch.chdir(finished_suite[0])
    root, held = tmp_path / "runs", lock.locked

    def locked(*args):
        shutil.copytree(finished_suite[0] / "runs" / "suite", root)
        return held(*args)

    monkeypatch.setattr(lock, "locked", locked)
    monkeypatch.setattr("dgm_tf.compare.launcher.start_process", lambda *_: pytest.fail("started something"))
    assert command("--suite=suite.gin", f"--run_root={root}")[0] == 0


@whole
def test_dry_run_lists_how_the_runs_stand(finished_suite, command, monkeypatch):
    monkeypatch.chdir(finished_suite[0])
    status, printed, _ = command("--suite=suite.gin", "--seeds=0-1", "--dry_run")
    assert status == 0
    assert [line.split() for line in printed.splitlines()] == [
        [name, "seed", seed, state, f"runs/suite/{name}/seed{seed}"]
        for seed, state in (("0", "finished"), ("1", "new")) for name in ("ft", "dgmw")
    ]  # fmt: skip


@whole
def test_a_report_alone_runs_nothing_and_may_go_elsewhere(finished_suite, command, monkeypatch, tmp_path):
    monkeypatch.chdir(finished_suite[0])
    monkeypatch.setattr("dgm_tf.compare.launcher.start_process", lambda *_: pytest.fail("started something"))
    status, printed, _ = command("--suite=suite.gin", "--report_only", "--methods=dgmw", f"--output={tmp_path}")
    assert status == 0 and "DGMw" in printed
    rows = json.loads((tmp_path / "table.json").read_text())["rows"]
    assert [row["name"] for row in rows] == ["dgmw"] and rows[0]["seeds"] == [0]


@whole
def test_a_changed_suite_does_not_take_old_runs_for_its_own(finished_suite, command, monkeypatch, tmp_path):
    monkeypatch.chdir(finished_suite[0])
    changed = "ft/SuiteRow.params = ['FineTuning.epochs = 2']"
    output = f"--output={tmp_path}"
    status, _, complaints = command("--suite=suite.gin", "--methods=ft", f"--gin_param={changed}", output)
    assert status == 1
    assert "ft seed 0 was not run" in complaints and "+FineTuning.epochs = 2" in complaints


def test_a_run_param_wins_in_every_row(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.gin").write_text(SUITE)
    (tmp_path / "ft.gin").write_text(FT)
    given, started = "DCGANDiscriminator.filters = (8, 8, 8)", []
    monkeypatch.setattr(compare, "_run", lambda suite, runs, root: started.extend(runs))
    command("--suite=suite.gin", f"--run_param={given}", "--run_param=GANSettings.epochs = 3", "--methods=dgmw")
    (run,) = started
    assert "GANSettings.epochs = 3\n" in run.text.partition("GANSettings.epochs = 1\n")[2]
    assert f"--gin_param={given}" in run.command and given in run.text


def test_a_run_that_fails_is_told_with_the_end_of_its_log(command, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.gin").write_text(SUITE)
    (tmp_path / "ft.gin").write_text(FT + "FineTuning.batch_size = 0\n")
    status, _, complaints = command("--suite=suite.gin", "--methods=ft")
    assert status == 1
    assert "ft seed 0 failed: exit status 2. The end of runs/suite/ft/seed0.log:" in complaints
    assert "  | error: FineTuning.batch_size: expected an integer in [1, inf), got 0" in complaints
    assert "| FT [1] | 0 |" in (tmp_path / "runs" / "suite" / "table.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--suite: expected a suite's gin file, such as gin/compare/smoke.gin, got none"),
        (["--suite=gin/compare/nothing.gin"], "gin file 'gin/compare/nothing.gin' does not exist"),
        (["--suite=gin/quickstart.gin"], "'Suite'|Suite needs a value for rows"),
        (["--suite=suite.gin", "--seeds=1,1"], "--seeds: expected each seed once, got 1 twice"),
        (["--suite=suite.gin", "--seeds=a"], "--seeds: expected seeds such as 0,1,2 or a range such as 0-4, got 'a'"),
        (["--suite=suite.gin", "--methods=dgr"], "--methods: expected some of ft, dgmw, got 'dgr'"),
        (["--suite=suite.gin", "--jobs=0"], "flag --jobs=0"),
        (["--suite=suite.gin", "--launcher=slurm"], "flag --launcher=slurm"),
        (["--suite=suite.gin", "--import=nowhere"], "--import: there is no module nowhere"),
        (["--suite=suite.gin", "--gin_param=Suite.row = []"], "Suite has no parameter 'row'"),
        (["--suite=suite.gin", "--run_root=ft.gin"], "--run_root: expected a folder or a place for one, got ft.gin"),
    ],
)
def test_mistakes_are_told_in_one_line(command, monkeypatch, tmp_path, arguments, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "suite.gin").write_text(SUITE)
    (tmp_path / "ft.gin").write_text(FT)
    status, printed, complaints = command(*arguments)
    assert (status, printed) == (2, "")
    assert complaints.startswith("error: ") and complaints.count("\n") == 1
    assert re.search(message, complaints)
