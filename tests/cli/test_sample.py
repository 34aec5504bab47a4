"""bin/sample writes the images it was asked for, by the names a person knows, and the same ones each time."""

import numpy as np
import pytest
from PIL import Image

from dgm_tf.cli import sample as sample_command
from dgm_tf.cli.sample import BATCH, find_classes, write_samples
from dgm_tf.data.arrays import Split
from dgm_tf.data.stream import Task
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.methods.dgm import DGM
from dgm_tf.methods.fine_tuning import FineTuning
from tests import hostile
from tests.in_process import give


class FakeLearner:
    """Replays images of noise around a level that tells the class."""

    class_names = ["seven", "T-shirt/top", "drei"]

    def replay(self, labels, seed=0):
        noise = np.random.default_rng(seed).integers(0, 50, [len(labels), 8, 8, 1])
        return (noise + 60 * np.reshape(labels, [-1, 1, 1, 1])).astype(np.uint8)


def untrained_learner(method, class_names=("3", "7")):
    """A learner that went through one task without training."""
    method.phases = lambda context: []
    learner = Learner(method)
    labels = np.arange(len(class_names), dtype=np.int32)
    split = Split(np.zeros((len(labels), 32, 32, 1), np.uint8), labels)
    learner.learn(Task(0, tuple(labels.tolist()), tuple(class_names), split, split, split))
    return learner


def files_in(directory):
    """Relative paths of all files, sorted."""
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*") if path.is_file())


def test_classes_go_by_name():
    names = ["seven", "T-shirt/top", "drei"]
    assert find_classes(["drei", "seven", "drei"], names) == [2, 0]
    assert find_classes(["all"], names) == [0, 1, 2]


def test_position_stands_in_for_names_that_are_no_numbers():
    assert find_classes(["1"], ["seven", "drei"]) == [1]


def test_position_never_stands_in_for_digits():
    assert find_classes(["3", "7"], ["7", "3"]) == [1, 0]
    with pytest.raises(UserError, match="got '0'. Learned: 7, 3"):
        find_classes(["0"], ["7", "3"])


@pytest.mark.parametrize("names", [["eight"], ["-1"], ["3"], ["seven", "all"], [""], []])
def test_unknown_class_lists_the_known_ones(names):
    with pytest.raises(UserError, match="Learned: seven, drei"):
        find_classes(names, ["seven", "drei"])


def test_a_folder_for_each_class_and_a_grid(tmp_path):
    write_samples(FakeLearner(), [2, 0], 3, tmp_path)
    names = [f"{name}/0000{i}.png" for name in ("drei", "seven") for i in range(3)]
    assert files_in(tmp_path) == sorted([*names, "grid.png"])
    for name, level in (("drei", 120), ("seven", 0)):
        image = np.asarray(Image.open(tmp_path / name / "00002.png"))
        assert image.shape == (8, 8) and level <= image.min() and image.max() < level + 50
    assert Image.open(tmp_path / "grid.png").size > (8, 8)


def test_names_become_folders_that_stay_inside_and_apart(tmp_path):
    learner = FakeLearner()
    learner.class_names = ["T-shirt/top", "T-shirt_top", "..", "a", "A", "n01 café"]
    folders = write_samples(learner, range(6), 1, tmp_path)
    assert list(folders) == learner.class_names
    assert len({folder.name.casefold() for folder in folders.values()}) == 6
    assert {folder.parent for folder in folders.values()} == {tmp_path}
    assert folders["n01 café"].name == "n01 café"
    assert len(files_in(tmp_path)) == 7


def test_image_depends_on_seed_and_number_alone(tmp_path):
    few, many, other = tmp_path / "few", tmp_path / "many", tmp_path / "other"
    write_samples(FakeLearner(), [1], 2, few)
    write_samples(FakeLearner(), [0, 1], BATCH + 2, many)
    write_samples(FakeLearner(), [1], 2, other, seed=1)
    name = "T-shirt_top/00001.png"
    assert (few / name).read_bytes() == (many / name).read_bytes() != (other / name).read_bytes()
    images = {(many / f"T-shirt_top/{i:05d}.png").read_bytes() for i in range(BATCH + 2)}
    assert len(images) == BATCH + 2


def test_any_name_gives_a_folder_of_its_own(tmp_path):
    learner = FakeLearner()
    learner.class_names = [*hostile.NAMES, "Dog" * 100, "dog" * 101]
    folders = write_samples(learner, range(len(learner.class_names)), 1, tmp_path / "out")
    assert len({str(folder).casefold() for folder in folders.values()}) == len(learner.class_names)
    assert all(folder.parent == tmp_path / "out" and files_in(folder) == ["00000.png"] for folder in folders.values())
    assert (tmp_path / "out" / "grid.png").is_file() and files_in(tmp_path)[0].startswith("out/")


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    """A run folder with a learner of the digits 3 and 7."""
    folder = tmp_path_factory.mktemp("run")
    untrained_learner(DGM()).save(folder / "memory")
    return folder


def test_command_samples_a_run(run_dir, tmp_path, capsys):
    output = tmp_path / "new" / "digits"
    assert not give(sample_command, f"--run_dir={run_dir}", "--classes=7", "--count=2", f"--output={output}")
    assert files_in(output) == ["7/00000.png", "7/00001.png", "grid.png"]
    assert Image.open(output / "7" / "00000.png").size == (32, 32)
    assert str(output) in capsys.readouterr().out


def test_command_fills_the_run_folder_where_no_output_is_named(run_dir):
    assert not give(sample_command, f"--run_dir={run_dir}", "--count=1")
    assert files_in(run_dir / "samples") == ["3/00000.png", "7/00000.png", "grid.png"]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--run_dir={run}", "--classes=9"], "Learned: 3, 7"),
        (["--run_dir={run}", "--count=0"], "--count=0"),
        (["--run_dir={run}", "--seed=-1"], "--seed=-1"),
        (["--run_dir={run}", "--count=1", "--output={run}/memory/learner.json"], "--output: cannot write"),
        (["--run_dir=/no/such/run"], "/no/such/run"),
        ([], "--run_dir"),
    ],
)
def test_command_tells_mistakes_in_one_line(run_dir, capsys, arguments, message):
    assert give(sample_command, *(argument.format(run=run_dir) for argument in arguments)) == 2
    told = capsys.readouterr().err
    assert told.startswith("error: ") and message in told and told.count("\n") == 1


def test_command_without_generative_memory(tmp_path, capsys):
    untrained_learner(FineTuning()).save(tmp_path)
    assert give(sample_command, f"--run_dir={tmp_path}") == 2
    assert "FineTuning has no generative memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "labels, count, seed, message",
    [
        ([-1], 1, 0, r"labels: expected values in \[0, 3\), got -1 to -1"),
        (["seven"], 1, 0, r"labels: expected integers \[N\], .*; class_names.index gives a name's"),
        ([0.0], 1, 0, r"labels: expected integers \[N\], .*, got \[0.0\]"),
        (None, 1, 0, r"labels: expected integers \[N\], .*, got None"),
        ([0], 0, 0, r"count: expected an integer in \[1, inf\), got 0"),
        ([0], 1.5, 0, r"count: expected an integer in \[1, inf\), got 1.5"),
        ([0], 1, -1, r"seed: expected an integer in \[0, inf\), got -1"),
    ],
)
def test_arguments_are_checked_before_anything_is_written(tmp_path, labels, count, seed, message):
    with pytest.raises(UserError, match=message):
        write_samples(FakeLearner(), labels, count, tmp_path / "samples", seed)
    assert not list(tmp_path.iterdir())


def test_a_name_may_be_given_in_another_normal_form():
    assert sample_command.find_classes(["cafe\u0301"], ["dog", "caf\u00e9"]) == [1]
