"""Every shipped gin file runs: all of its phases, a few steps each, with its own networks and batch size."""

import re

import gin
import pytest

from dgm_tf import config
from dgm_tf.run import experiment
from tests import letters, tiny_run

FILES = sorted(config.gin_directory().glob("*.gin"))
# Splits for the data sets that are read: a few images of each class that is learned.
SPLITS = {
    "svhn_cropped": ("train", "test"),  # written by the test, and small
    "imagenet_resized/32x32": ("train[:3%]", "validation[:20%]"),
}
FEW_STEPS = (
    "ClassIncrementalStream.num_tasks = 2",
    "EvaluationSettings.validation_per_class = 8",
    "EvaluationSettings.gan_test_per_class = 8",
    "EvaluationSettings.judge_epochs = 1",
)
# DGM's ResNet pair is the exception: its steps take minutes at full width, and long to trace at any. One file is run
# with all of it, one with two tasks; the others, which differ in numbers, with its generator, and end after a task.
NARROW = ("ResNetGenerator.filters = 2", "ResNetDiscriminator.filters = 2", "ResNetDiscriminator.blocks = 1")
OTHER_CRITIC = ("DGM.discriminator = @DCGANDiscriminator", "DCGANDiscriminator.filters = (4, 4, 8)")
ONE_TASK = ("ClassIncrementalStream.num_tasks = 1",)
RESNET = {"cifar10_dgmw_fast": (*NARROW, *ONE_TASK), "imagenet50_dgmw_fast": (*NARROW, *OTHER_CRITIC)}
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
        train, test = SPLITS.get(_data_set(), ("train[:1%]", "test[:3%]"))
        bindings += [f"TFDS.train_split = '{train}'", f"TFDS.test_split = '{test}'"]
    if "ImageFolder" in gin.config_str():
        bindings += [f"ImageFolder.directory = '{photos}'", "GANSettings.batch_size = 8"]
    if "ResNetGenerator" in gin.config_str():
        bindings += RESNET.get(path.stem, (*NARROW, *OTHER_CRITIC, *ONE_TASK))
    if "ClassifierSettings.closing_epochs" in gin.config_str():
        bindings += ["ClassifierSettings.closing_epochs = 1", "ClassifierSettings.min_replay_per_class = 0"]
        bindings.append("GANSettings.min_batches = 1")
    config.parse(path, bindings)


def _data_set():
    return gin.query_parameter("TFDS.name")


def test_there_are_gin_files():
    assert "quickstart" in [path.stem for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_it_runs_to_its_end(path, folder, photos, request, monkeypatch, clean_gin):
    _shortened(path, photos)
    if "TFDS" in gin.config_str():
        fixture = "svhn_data_dir" if _data_set() == "svhn_cropped" else "tfds_data_dir"
        monkeypatch.setenv("TFDS_DATA_DIR", request.getfixturevalue(fixture))
    results = experiment.run_experiment(folder / path.stem).to_json()
    num_tasks = gin.query_parameter("ClassIncrementalStream.num_tasks")
    assert results["finished"] and len(results["average_accuracy"]) == num_tasks
    assert tiny_run.read_results(folder / path.stem) == results
    assert not results.get("replay_is_frozen") or results["replay_drift"] <= 1e-6
    assert all(row["free"] > 0 for entry in results["capacity"] for row in entry["layers"].values())
