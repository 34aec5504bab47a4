"""A Keras that is set up otherwise is refused in one sentence that says what to set."""

import json
import os
import subprocess
import sys

import keras
import pytest

import dgm_tf
from dgm_tf import keras_setup
from dgm_tf.errors import UserError
from dgm_tf.run import experiment
from tests.methods import tiny


@pytest.fixture
def keras_home(tmp_path, monkeypatch):
    """Function of the settings in a keras.json that is still to be read."""
    monkeypatch.delitem(sys.modules, "keras")
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))

    def write(settings):
        text = settings if isinstance(settings, str) else json.dumps({"backend": "tensorflow"} | settings)
        (tmp_path / "keras.json").write_text(text)

    return write


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"backend": "torch"}, 'expected "backend": "tensorflow", got "torch"; .*or set KERAS_BACKEND=tensorflow'),
        ({"image_data_format": "channels_first"}, '"image_data_format": "channels_last", got "channels_first"; change'),
        ({"floatx": "float16"}, 'keras.json: expected "floatx": "float32", got "float16"; change it there'),
        ({"floatx": None}, 'expected "floatx": "float32", got null'),
        ("[1]", r"expected settings such as .*, got \[1\]"),
    ],
)
def test_what_keras_would_read_is_refused_by_its_file(keras_home, settings, message):
    keras_home(settings)
    with pytest.raises(UserError, match=message):
        keras_setup.check()


@pytest.mark.parametrize("settings", [{}, {"epsilon": 1e-7, "floatx": "float32"}, "no JSON", '{"more": "later"}'])
def test_what_keras_takes_for_its_defaults_passes(keras_home, settings):
    keras_home(settings)
    keras_setup.check()


def test_the_environment_wins_over_the_file(keras_home, monkeypatch):
    keras_home({"backend": "torch"})
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    keras_setup.check()
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UserError, match="^KERAS_BACKEND: expected tensorflow, got jax; set KERAS_BACKEND=tensorflow$"):
        keras_setup.check()


@pytest.mark.parametrize(
    "name, value, default",
    [
        ("image_data_format", "channels_first", "channels_last"),
        ("floatx", "float16", "float32"),
        ("dtype_policy", "mixed_float16", "float32"),
    ],
)
def test_what_a_program_has_set_is_refused_with_the_call_that_sets_it_back(name, value, default, tmp_path):
    change = getattr(keras.config, f"set_{name}")
    message = f"got '{value}'; call keras.config.set_{name}\\('{default}'\\)"
    change(value)
    try:
        for use in (lambda: dgm_tf.Learner(tiny.dgm()), lambda: experiment.run_experiment(tmp_path, None, None)):
            with pytest.raises(UserError, match=message) as told:
                use()
            assert "\n" not in str(told.value).split("\n  In call")[0]
    finally:
        change(default)
    dgm_tf.Learner(tiny.dgm())


IMPORTS = """
import importlib, sys, types
sys.modules["tensorflow"] = types.ModuleType("tensorflow")  # takes seconds, and is not looked at
for name in ("layers", "networks", "training", "evaluation", "methods", "experiment", "learner"):
    try:
        importlib.import_module("dgm_tf." + name)
        print("imported", name)
    except ValueError as error:
        print(error)
import dgm_tf
try:
    dgm_tf.Learner
except ValueError as error:
    print(error)
print("keras" in sys.modules)
"""


def test_every_door_of_the_package_is_closed_before_keras_is_imported():
    environment = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run([sys.executable, "-c", IMPORTS], capture_output=True, text=True, env=environment, check=True)
    told = "KERAS_BACKEND: expected tensorflow, got jax; set KERAS_BACKEND=tensorflow"
    assert ran.stdout.splitlines() == [told] * 8 + ["False"], ran.stderr


def test_a_command_says_so_in_one_line(monkeypatch, capsys, keras_home):
    from dgm_tf.cli import train

    keras_home({"floatx": "float64"})
    monkeypatch.setattr(sys, "argv", ["train"])
    with pytest.raises(SystemExit) as ended:
        train.main()
    told = capsys.readouterr().err
    assert ended.value.code == 2 and told.startswith("error: ") and '"float64"' in told and told.count("\n") == 1
