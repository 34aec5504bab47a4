"""Run folders of version 0.1.0, before modules, classes and settings were renamed: they go on."""

import pathlib
import shutil

import numpy as np
import pytest

import dgm_tf
from dgm_tf import config
from dgm_tf.run.folder import RunFolder
from tests import script, tiny_run

EARLIER = pathlib.Path(__file__).resolve().parents[1] / "earlier" / "run_0_1_0"
# As both runs were begun.
PARAMS = (
    "ImageFolder.directory='letters'", "image_size=16", "GANSettings.min_batches=1",
    "ClassifierSettings.min_replay_per_class=0", "DCGANGenerator.filters=2", "DCGANDiscriminator.filters=(2,2,4)",
    "GANSettings.batch_size=8", "EvaluationSettings.gan_test_per_class=10", "EvaluationSettings.judge_epochs=1",
    "EvaluationSettings.gan_train_epochs=1", "EvaluationSettings.fine_tuning_epochs=0", "GANSettings.epochs=2",
    "DGM.max_mask_scale=200.0", "ClassifierSettings.closing_epochs=1", "run_experiment.seed=3",
    "ClassIncrementalBenchmark.seed=1",
)  # fmt: skip
UNFINISHED = (
    *PARAMS, "GANSettings.epochs=60", "DGM.max_mask_scale=6000.0", "run_experiment.checkpoint_seconds=0.1",
)  # fmt: skip


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A copy of both runs and of what they learned, to work in."""
    shutil.copytree(EARLIER, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(name, *flags, status=0):
    """What a command printed, by its module's earlier name."""
    done = script.give_module(f"dgm_tf.{name}", *flags)
    assert done.returncode == status, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout + done.stderr


def begun(gin_file, params):
    return [f"--gin_file={gin_file}", *(f"--gin_param={param}" for param in params)]


def test_a_finished_run_is_read_sampled_exported_and_compared(place):
    learner = dgm_tf.load("finished")
    assert learner.class_names == ["a", "b"] and RunFolder("finished").is_finished
    images = learner.replay([0, 1])
    run("sample", "--run_dir=finished", "--count=2")
    assert len(list((place / "finished" / "samples").rglob("0000*.png"))) == 4
    run("export", "--run_dir=finished")
    assert (place / "finished" / "export" / "generator" / "saved_model.pb").is_file()
    assert images.shape == (2, 16, 16, 1)
    params = [param for param in PARAMS if not param.startswith("run_experiment.seed")]
    (place / "suite.gin").write_text(
        "import dgm_tf.suites.suite\nSuite.rows = [@finished/SuiteRow()]\nSuite.at = (2,)\n"
        f"SuiteRow.gin_file = 'gin/image_folder.gin'\nSuiteRow.params = {params!r}\n"
    )
    (place / "runs" / "finished").mkdir(parents=True)
    seed3 = shutil.copytree("finished", place / "runs" / "finished" / "seed3")
    lines = (seed3 / "config.gin").read_text().splitlines()[1:]  # without its seal
    lines.remove("run_experiment.seed=3")
    (seed3 / "config.gin").write_text("\n".join([*lines, "run_experiment.seed = 3"]) + "\n")  # as a suite gives it
    printed = run("benchmark", "--suite=suite.gin", "--run_root=runs", "--seeds=3", "--report_only")
    assert "finished" in printed and f"{100 * tiny_run.read_results('finished')['average_accuracy'][-1]:.1f}" in printed


def test_a_finished_run_learns_on(place):
    first = tiny_run.read_results("finished")["accuracy_matrix"][0]
    run("learn", "--run_dir=finished", "--image_dir=later")
    results = tiny_run.read_results("finished")
    assert results["class_names"] == ["a", "b", "c"] and results["finished"]
    assert results["accuracy_matrix"][0][:2] == first
    assert np.max(results["replay_drift"]) == 0.0


def test_the_command_that_began_a_finished_run_finds_it_finished(place):
    flags = begun("gin/image_folder.gin", PARAMS)
    assert "finished" in run("train", *flags, "--run_dir=finished")


def test_an_unfinished_run_is_resumed_by_its_command(place):
    before = tiny_run.read_results("unfinished")
    assert not before["finished"] and len(before["average_accuracy"]) == 1
    run("train", *begun("gin/image_folder.gin", UNFINISHED), "--run_dir=unfinished")
    after = tiny_run.read_results("unfinished")
    assert after["finished"] and len(after["average_accuracy"]) == 2
    assert after["accuracy_matrix"][0] == before["accuracy_matrix"][0]


def test_another_configuration_is_refused_in_terms_of_today(place):
    flags = begun("gin/image_folder.gin", [*UNFINISHED, "ClassIncrementalStream.seed=2"])
    printed = run("train", *flags, "--run_dir=unfinished", status=2)
    told = [line for line in printed.splitlines() if line.startswith(("-", "+")) and line[:3] not in ("---", "+++")]
    assert told == ["-ClassIncrementalStream.seed = 1", "+ClassIncrementalStream.seed = 2"]


def test_the_configurations_mean_the_same():
    text = config.config_text("gin/image_folder.gin", PARAMS)
    assert "Benchmark" not in text and not config.difference(EARLIER / "finished" / "config.gin", text)
