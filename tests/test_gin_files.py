"""Every shipped gin file reads its data and runs: all phases, a few steps each, its own networks and batch size."""

import re

import gin
import pytest
import tensorflow as tf

from dgm_tf import config, gin_files
from dgm_tf.methods import selection
from dgm_tf.run import experiment
from tests import letters, small_tfds, tiny_run

FILES = sorted(gin_files.gin_directory().glob("*.gin"))
# Run every day: whatever any file chooses, a method, a network or a setting, one of these does. CI runs the others.
EVERY_DAY = (
    "quickstart", "image_folder", "mnist_dgmw_real", "fashion_mnist_dgma_plus", "svhn_dgma",
    "imagenet50_tiny_dgmw_plus", "imagenet50_tiny_dgmw_fast", "imagenet50_tiny_dgma_fast", "cifar10_dgmw_fast",
    "mnist_dgmw", "mnist_dgma", "imagenet50_dgmw", "mnist_dgr", "mnist_ewc_m",
    "mnist_mergan_jtr", "mnist_mergan_ra", "mnist_ft", "mnist_jt", "mnist_icarl", "mnist_ewc_s", "mnist_pi_s",
    "mnist_rwalk_s", "mnist_closed_form", "cifar10_closed_form_small", "photos", "photos_joint", "photos_ft",
    "photos_icarl", "photos_gaussian", "photos_dgm", "cifar10_dgmw_features",
)  # fmt: skip
# As a person runs it; for the others a few steps are not worth tracing. DGR's export needs its functions' graphs.
TRACED = ("quickstart", "mnist_dgr", "mnist_dgr_fast")
# What tells data sets apart, which `test_its_data_are_read` reads for every file.
OF_DATA = ("TFDS.name", "TFDS.test_split", "ClassIncrementalStream.class_order")
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
RESNET = {"cifar10_dgmw_fast": (*NARROW, *ONE_TASK), "imagenet50_tiny_dgmw_fast": (*NARROW, *OTHER_CRITIC)}
# Of settings that make features many or long to find, as far as a file sets them.
FEW_FEATURES = {
    "WhitenedPatches.filters": 4, "WhitenedPatches.grid_filters": 2, "WhitenedPatches.second_filters": 4,
    "WhitenedPatches.second_grid_filters": 2, "WhitenedPatches.second_components": 4, "WhitenedPatches.patches": 500,
    "WhitenedPatches.iterations": 1, "ClosedForm.random_features": 16, "image_size": 96,
}  # fmt: skip
# The quickstart measures these for all of them: they are the same for every file, and cost more than its steps.
MEASURED_ONCE = ("EvaluationSettings.gan_train_epochs", "EvaluationSettings.fine_tuning_epochs")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where all the runs lie, since what they have in common is cached beside them."""
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(autouse=True)
def traced_again():
    """Functions are traced in other tests."""
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture(scope="module")
def photos(folder):
    """A folder of letters, for the files that learn from a folder of anybody's."""
    return letters.write_letters(folder / "photos", "ab", count=20)


def _shortened(path, photos):
    """Parses the file with bindings that leave a few steps to each phase."""
    config.parse(path)
    epochs = re.findall(r"^\w+\.epochs(?= = )", gin.config_str(), re.MULTILINE)
    bindings = [*FEW_STEPS, *(f"{name} = 2" for name in epochs), *_data_bindings(photos)]
    bindings += [f"{name} = {int(path.stem == 'quickstart')}" for name in MEASURED_ONCE]
    if "ImageFolder" in gin.config_str() and "GANSettings" in gin.config_str():
        bindings.append("GANSettings.batch_size = 8")
    if "FeatureSpace" in gin.config_str():
        bindings += _few_features()
    if "@Backbone()" in gin.config_str():
        bindings.append("Backbone.levels = 0")
    if "ResNetGenerator" in gin.config_str():
        bindings += RESNET.get(path.stem, (*NARROW, *OTHER_CRITIC, *ONE_TASK))
    if "GANSettings.critic_steps" in gin.config_str():
        bindings.append("GANSettings.critic_steps = 2")
    if "EWCM" in gin.config_str():
        bindings.append("EWCM.fisher_samples = 4")
    if "ClassifierSettings.closing_epochs" in gin.config_str():
        bindings += ["ClassifierSettings.closing_epochs = 1", "ClassifierSettings.min_replay_per_class = 0"]
        bindings.append("GANSettings.min_batches = 1")
    config.parse(path, bindings)


def _data_bindings(photos):
    """For the file that gin has parsed: as many images as the twins have, also of the data sets themselves."""
    if "ImageFolder" in gin.config_str():
        return [f"ImageFolder.directory = '{photos}'"]
    if "TFDS" not in gin.config_str():
        return []
    (train, most_train), (test, most_test), *_ = small_tfds.SPLITS[gin.query_parameter("TFDS.name")].items()
    return [f"TFDS.train_split = '{train}[:{most_train}]'", f"TFDS.test_split = '{test}[:{most_test}]'"]


def _few_features():
    """`FEW_FEATURES`, for the file that gin has parsed: what it sets to more, and what is more by default."""
    said = {name: re.search(rf"^{name} = ([1-9][\d_]*)$", gin.config_str(), re.MULTILINE) for name in FEW_FEATURES}
    by_default = ("filters", "patches", "iterations") if "WhitenedPatches" in gin.config_str() else ()
    by_default += ("second_components",) if said["WhitenedPatches.second_filters"] else ()
    always = {f"WhitenedPatches.{name}" for name in by_default}
    return [f"{name} = {few}" for name, few in FEW_FEATURES.items() if said[name] or name in always]


def _choices(path):
    """What a file chooses and no number says: {(binding, value)}."""
    config.parse(path)
    bindings = re.findall(r"^([\w./]+) = (.+(?:\n    .+)*)", gin.config_str(max_line_length=1000), re.MULTILINE)
    return {(name, value) for name, value in bindings if re.search("[@%a-zA-Z]", value) and name not in OF_DATA}


@pytest.fixture
def data_dir(tfds_data_dir, monkeypatch):
    """Where the files' data sets are found, without a flag."""
    monkeypatch.setenv("TFDS_DATA_DIR", tfds_data_dir)


def test_whatever_a_file_chooses_is_run_every_day(clean_gin):
    choices = {path.stem: _choices(path) for path in FILES}
    seen = set().union(*(choices[name] for name in EVERY_DAY))
    missing = {name: sorted(chosen - seen) for name, chosen in choices.items() if chosen - seen}
    assert not missing, f"add some of these files to EVERY_DAY: {missing}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_its_data_are_read(path, photos, data_dir, clean_gin):
    config.parse(path)
    config.parse(path, _data_bindings(photos))
    stream = gin.get_configurable("ClassIncrementalStream")()
    first = stream.task(0)
    (side,) = re.findall(r"^image_size = (\d+)$", gin.config_str(), re.MULTILINE) or ["32"]
    assert stream.image_shape[:2] == (int(side), int(side)) and len(first.class_names) == len(first.classes) > 0
    for label in first.classes:
        assert first.num_trained(label) > 0 and len(first.test.of_class(label)) > 0


@pytest.mark.parametrize(
    "path", [path if path.stem in EVERY_DAY else pytest.param(path, marks=pytest.mark.ci) for path in FILES],
    ids=lambda path: path.stem,
)  # fmt: skip
def test_it_runs_to_its_end(path, folder, photos, data_dir, monkeypatch, clean_gin):
    monkeypatch.setattr(selection, "ROUNDS", 1)  # DGR's solver has learned too little to find more in ten
    _shortened(path, photos)
    tf.config.run_functions_eagerly(path.stem not in TRACED)
    results = experiment.run_experiment(folder / path.stem).to_json()
    num_tasks = gin.query_parameter("ClassIncrementalStream.num_tasks")
    assert results["finished"] and len(results["average_accuracy"]) == num_tasks
    assert tiny_run.read_results(folder / path.stem) == results
    assert not results.get("replay_is_frozen") or results["replay_drift"] <= 1e-6
    assert all(row["free"] > 0 for entry in results["capacity"] for row in entry["layers"].values())


def _classes(name):
    config.parse(f"gin/{name}.gin")
    return gin.query_parameter("ClassIncrementalStream.class_order")


def test_imagenet_50_has_the_classes_of_the_published_experiments(tfds_data_dir, clean_gin):
    import tensorflow_datasets as tfds

    all_names = sorted(tfds.builder("imagenet_resized/32x32", data_dir=tfds_data_dir).info.features["label"].names)
    places = [i + 100 * t for t in range(5) for i in (1, 15, 29, 45, 59, 65, 81, 89, 90, 99)]
    assert len(all_names) == 1000
    for name in ("imagenet50_dgmw", "imagenet50_dgma"):
        assert list(_classes(name)) == [all_names[i] for i in places]
        assert gin.query_parameter("ClassIncrementalStream.classes_per_task") == 10


def test_files_of_tiny_imagenets_classes_say_so_in_their_names(clean_gin):
    tiny = _classes("data/imagenet_50_tiny")
    found = {path.stem: _classes(path.stem) == tiny for path in FILES if path.stem.startswith("imagenet50")}
    assert found == {name: name.startswith("imagenet50_tiny") for name in found} and any(found.values())
