"""Every shipped gin file runs: all of its phases, a few steps each, with its own networks and batch size."""

import re

import gin
import pytest

from dgm_tf import config, experiment
from tests import tiny_run
from tests.benchmarks import letters

FILES = sorted(config.gin_directory().glob("*.gin"))
FEW_STEPS = (
    "ClassIncrementalBenchmark.num_tasks = 2",
    "EvaluationSettings.validation_per_class = 8",
    "EvaluationSettings.gan_test_per_class = 8",
    "EvaluationSettings.judge_epochs = 1",
)
# The quickstart measures these for all of them: they are the same for every file, and cost more than its steps.
MEASURED_ONCE = ("EvaluationSettings.gan_train_epochs", "EvaluationSettings.fine_tuning_epochs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all the runs lie, since what they have in common is cached beside them."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def photos(folder):
    """A folder of letters, for the files that learn from a folder of anybody's."""
    return letters.write_letters(folder / "photos", "ab", count=20)


def _shortened(path, photos):
    """Parses the file with bindings that leave a few steps to each phase."""
    config.parse(path)
    epochs = re.findall(r"^\w+\.epochs(?= = )", gin.config_str(), re.MULTILINE)
    bindings = [*FEW_STEPS, *(f"{name} = 2" for name in epochs)]
    bindings += [f"{name} = {int(path.stem == 'quickstart')}" for name in MEASURED_ONCE]
    if "TFDS" in gin.config_str():
        bindings += ["TFDS.train_split = 'train[:1%]'", "TFDS.test_split = 'test[:3%]'"]
    if "ImageFolder" in gin.config_str():
        bindings += [f"ImageFolder.directory = '{photos}'", "GANSettings.batch_size = 8"]
    if "ClassifierSettings.closing_epochs" in gin.config_str():
        bindings.append("ClassifierSettings.closing_epochs = 1")
    config.parse(path, bindings)


def test_there_are_gin_files():
    assert "quickstart" in [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_runs_to_its_end(path, folder, photos, request, monkeypatch, clean_gin):
    _shortened(path, photos)
    if "TFDS" in gin.config_str():
        monkeypatch.setenv("TFDS_DATA_DIR", request.getfixturevalue("tfds_data_dir"))
    results = experiment.run_experiment(folder / path.stem)
    assert results["finished"] and len(results["average_accuracy"]) == 2
    assert tiny_run.read_results(folder / path.stem) == results
    assert not results.get("replay_is_frozen") or results["replay_drift"] <= 1e-6
    assert all(row["free"] > 0 for entry in results["capacity"] for row in entry["layers"].values())
