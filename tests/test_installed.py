"""An installed copy: the wheel in an environment of its own, its commands from a folder elsewhere."""

import json
import shutil
import subprocess
import sys
import venv

import pytest

from tests import builds, letters, tiny_run

pytestmark = pytest.mark.ci

RUN = "--run_dir=runs/tiny"


@pytest.fixture(scope="module")
def installed(project_root, tmp_path_factory):
    """Function that runs an installed command in a folder outside the checkout."""
    root = tmp_path_factory.mktemp("installed")
    builds.copy_project(project_root, root / "source")
    wheel, _ = builds.build(root / "source", root / "dist")
    commands = _environment_with(wheel, root / "environment") / "bin"
    elsewhere = root / "elsewhere"
    elsewhere.mkdir()

    def run(name, *arguments):
        process = subprocess.run(
            [commands / name, *arguments], cwd=elsewhere, capture_output=True, text=True,
            env=builds.environment() | {"CUDA_VISIBLE_DEVICES": "-1"},
        )  # fmt: skip
        assert process.returncode == 0, process.stdout[-2000:] + process.stderr[-4000:]
        return process.stdout

    run.folder = elsewhere
    return run


def _environment_with(wheel, folder):
    """An environment that holds the wheel; what this depends on is this process's."""
    venv.create(folder, symlinks=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    dependencies = [path for path in sys.path if path.endswith("-packages")]
    (packages / "dependencies.pth").write_text("\n".join(dependencies))
    pip = [sys.executable, "-m", "pip", "--python", str(folder / "bin" / "python")]
    command = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    run = subprocess.run(command, env=builds.environment(), capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def trained(installed):
    """The run folder of two tiny tasks, and what the command printed."""
    params = [f"--gin_param={param}" for param in tiny_run.SHORT]
    return installed.folder / "runs" / "tiny", installed("dgm-train", RUN, *params)


def test_it_is_the_wheel_that_runs(installed, project_root):
    where = "import dgm_tf, dgm_tf.methods; print(dgm_tf.__file__, dgm_tf.methods.__file__)"
    package, methods = installed("python", "-c", where).split()
    home = str(installed.folder.parent / "environment" / "lib")
    assert package.startswith(home) and methods.startswith(home) and str(project_root) not in package + methods


def test_dgm_train_learns_two_tasks_by_a_gin_file_of_its_own(trained):
    run_dir, printed = trained
    results = tiny_run.read_results(run_dir)
    assert results["finished"] and len(results["average_accuracy"]) == 2 and "After task 2" in printed
    assert json.loads((run_dir / "run.json").read_text())["sessions"][0]["command"][0].endswith("bin/dgm-train")


def test_dgm_sample_writes_images(installed, trained):
    installed("dgm-sample", RUN, "--count=3", "--output=samples")
    images = sorted(str(path.relative_to(installed.folder)) for path in (installed.folder / "samples").rglob("0*.png"))
    assert images == [f"samples/{digit}/0000{index}.png" for digit in (0, 1) for index in range(3)]


def test_dgm_predict_labels_photos(installed, trained):
    letters.write_letters(installed.folder / "photos", "01", count=3)
    printed = installed("dgm-predict", RUN, "--image_dir=photos", "--output=labels.csv", "--html=labels.html")
    lines = (installed.folder / "labels.csv").read_text().splitlines()
    assert len(lines) == 7 and lines[1].startswith("0/00.png,") and "labels.html" in printed


def test_dgm_export_writes_models_that_need_tensorflow_alone(installed, trained):
    shutil.rmtree(trained[0] / "export")
    installed("dgm-export", RUN)
    code = (
        "import sys, tensorflow as tf\n"
        "model = tf.saved_model.load('runs/tiny/export/generator')\n"
        "images = model.sample(labels=[0, 1], seed=[1, 2])\n"
        "assert 'dgm_tf' not in sys.modules\n"
        "print(images.shape)"
    )
    assert installed("python", "-c", code).split() == ["(2,", "32,", "32,", "1)"]


@pytest.mark.parametrize(("command", "name"), [("learn", "learn"), ("compare", "compare"), ("benchmark", "compare")])
def test_the_other_commands_start(installed, command, name):
    assert f"bin/{name}" in installed(f"dgm-{command}", "--help")


def test_dgm_compare_finds_the_suites(installed):
    planned = installed("dgm-compare", "--suite=gin/compare/smoke.gin", "--dry_run")
    assert len(planned.splitlines()) > 10 and "dgmw" in planned
