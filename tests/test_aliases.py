"""Names of earlier versions go on working, and all stand in one table."""

import importlib
import pathlib
import subprocess
import sys

import pytest

from dgm_tf import aliases, config


@pytest.mark.parametrize(("old", "new"), sorted(aliases.MODULES.items()))
def test_every_name_stands_for_a_module_that_is_there(old, new, project_root):
    path = project_root / new.replace(".", "/")
    assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
    old_path = project_root / old.replace(".", "/")
    assert not old_path.with_suffix(".py").is_file() and not (old_path / "__init__.py").is_file()


def test_a_module_is_the_same_under_both_names():
    with pytest.warns(DeprecationWarning, match="dgm_tf.benchmarks.benchmark is dgm_tf.data.stream now"):
        earlier = importlib.import_module("dgm_tf.benchmarks.benchmark")
    assert earlier is importlib.import_module("dgm_tf.data.stream")
    assert earlier.__name__ == earlier.__spec__.name == "dgm_tf.data.stream"
    assert importlib.import_module("dgm_tf.benchmarks.task") is sys.modules["dgm_tf.data.task"]


def test_so_is_a_class():
    with pytest.warns(DeprecationWarning):
        sys.modules.pop("dgm_tf.benchmarks", None)
        from dgm_tf.benchmarks import ClassIncrementalBenchmark
    assert ClassIncrementalBenchmark is importlib.import_module("dgm_tf.data").ClassIncrementalStream


def test_what_never_was_is_not_there():
    for name in ("dgm_tf.benchmarks.nothing", "dgm_tf.nothing"):
        with pytest.raises(ModuleNotFoundError, match="nothing"):
            importlib.import_module(name)


@pytest.mark.parametrize("name", ["train", "sample", "benchmark", "export", "learn"])
def test_commands_start_as_modules_under_their_earlier_names(name, project_root):
    command = [sys.executable, "-P", "-m", f"dgm_tf.{name}", "--help"]
    environment = {"PYTHONPATH": str(project_root)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert run.returncode == 0 and "Flags:" in run.stdout and "--run_" in run.stdout, run.stderr


def test_a_command_of_earlier_starts(project_root):
    text = (project_root / "bin" / "benchmark").read_text()
    assert text.endswith('exec "$(dirname "$(readlink -f "$0")")/compare" "$@"\n')


OLD = """
import dgm_tf.benchmarks
import dgm_tf.suites.suite
include "gin/benchmarks/mnist_mini.gin"
run_experiment.benchmark = @cut/ClassIncrementalBenchmark()
cut/ClassIncrementalBenchmark.num_tasks = 2
SuiteRow.params = ["ClassIncrementalBenchmark.seed = 1"]
"""


def test_gin_files_may_use_earlier_names(tmp_path, monkeypatch, clean_gin):
    monkeypatch.chdir(tmp_path)
    pathlib.Path("old.gin").write_text(OLD)
    text = config.parse("old.gin", ["ClassIncrementalBenchmark.classes_per_task = 2"])
    lines = [line for line in text.splitlines() if not line.startswith(("#", "SuiteRow.params"))]
    assert not any("enchmark" in line for line in lines)
    import gin

    assert gin.query_parameter("cut/ClassIncrementalStream.num_tasks") == 2
    assert gin.query_parameter("ClassIncrementalStream.classes_per_task") == 2


def test_names_that_only_look_alike_are_left_alone():
    texts = "a/My.ClassIncrementalBenchmarks = 1", "x = 'ClassIncrementalBenchmark'", "import dgm_tf.benchmarking"
    for text in texts:
        assert aliases.gin_text(text) == text
    assert aliases.gin_path("my/gin/benchmarks/x.gin") == "my/gin/benchmarks/x.gin"
    assert aliases.gin_path("gin/my_imagenet50_dgmw_fast.gin") == "gin/my_imagenet50_dgmw_fast.gin"


@pytest.mark.parametrize("folder", ["", "gin/", "/elsewhere/gin/"])
def test_files_of_tiny_imagenets_classes_are_found_by_their_earlier_names(folder):
    for kind in ("dgmw_fast", "dgma_fast", "dgmw_plus"):
        assert aliases.gin_path(f"{folder}imagenet50_{kind}.gin") == f"{folder}imagenet50_tiny_{kind}.gin"
        now, before = (config.config_text(f"gin/imagenet50_{tiny}{kind}.gin") for tiny in ("tiny_", ""))
        assert before == now
