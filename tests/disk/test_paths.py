"""~ is the home directory wherever a path is given, and what is recorded is the real path."""

import pathlib
import types

import gin
import numpy as np
import pytest

import dgm_tf
from dgm_tf import config
from dgm_tf.cli import compare as suites
from dgm_tf.cli import export as exports
from dgm_tf.cli import learn, sample, train
from dgm_tf.data import TFDS, ImageArchive, ImageFolder
from dgm_tf.disk.paths import user_path
from dgm_tf.errors import UserError
from dgm_tf.export import write as writing
from dgm_tf.learner import saving
from dgm_tf.methods.networks import Networks
from dgm_tf.run import continuation, experiment
from dgm_tf.training.loop import Position
from tests.in_process import give
from tests.pictures import draw


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A home directory; another is the working directory."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


class Stop(Exception):
    """Raised in place of what would take long."""


def seen(monkeypatch, module, name):
    """The arguments with which a function of a module is called; the call ends there."""
    calls = []

    def stop(*arguments, **settings):
        calls.append((*arguments, *settings.values()))
        raise Stop

    monkeypatch.setattr(module, name, stop)
    return calls


def test_a_tilde_at_the_beginning_is_home(home):
    assert user_path("~") == home and user_path("~/a/~") == home / "a" / "~"
    assert user_path("a/~") == pathlib.Path("a/~")
    assert user_path(user_path("./~/a")) == pathlib.Path.cwd() / "~" / "a"
    assert user_path(pathlib.Path("~/a")) == home / "a"
    pathlib.Path("~nobody-here").mkdir()
    assert user_path("~nobody-here") == pathlib.Path.cwd() / "~nobody-here", "what is there is meant"


@pytest.mark.parametrize("path", ["", None, 3, b"bytes", "a\0b", "~nobody-here/a", True])
def test_what_is_no_path_is_named(home, path):
    with pytest.raises(UserError, match="^run_dir: expected a path, got"):
        user_path(path, "run_dir")


def test_sources_take_it_and_record_the_real_path(home):
    draw(home / "photos", "cat", "dog")
    np.savez(home / "a.npz", images=np.arange(4 * 64).reshape(4, 8, 8).astype(np.uint8), labels=[0, 0, 1, 1])
    source = ImageFolder("~/photos", size=16, cache_dir="~/cache")
    source.load()
    assert source.report["directory"] == str(home / "photos") and list((home / "cache").iterdir())
    assert ImageFolder("../home/photos").load().class_names == ("cat", "dog"), "relative paths stay as they were"
    assert ImageArchive("~/a.npz", memory_limit=0, cache_dir="~/other").load().class_names == ("0", "1")
    assert list((home / "other").iterdir())
    assert not list(pathlib.Path().iterdir()), "no folder of that name here"


def test_tfds_takes_it_by_argument_and_by_environment(home, monkeypatch):
    monkeypatch.setenv("TFDS_DATA_DIR", "~/tfds")
    for settings, folder in (({"data_dir": "~/other"}, "other"), ({}, "tfds")):
        calls = seen(monkeypatch, dgm_tf.data.sources.tfds, "_builder")
        with pytest.raises(Stop):
            TFDS("mnist", **settings).load()
        assert calls == [("mnist", str(home / folder))]


def test_learners_and_exports_take_it(home, monkeypatch):
    with pytest.raises(UserError, match=f"^{home}/memory: expected a saved learner"):
        dgm_tf.load("~/memory")
    calls = seen(monkeypatch, saving, "user_path")
    with pytest.raises(Stop):
        saving.save(None, "~/memory")
    assert calls[0][0] == "~/memory"
    learned = object.__new__(dgm_tf.Learner)
    learned.position, learned.class_names = Position(1), ["a"]
    learned.method = types.SimpleNamespace(arrays=dict, networks=Networks())
    calls = seen(monkeypatch, writing, "_check_replaceable")
    with pytest.raises(Stop):
        writing.export(learned, "~/export")
    assert calls == [(home / "export",)]
    calls = seen(monkeypatch, sample, "file_names")
    with pytest.raises(Stop):
        sample.write_samples(learned, [0], 1, "~/samples")


def test_gin_files_take_it(home, clean_gin):
    (home / "part.gin").write_text("ImageFolder.size = 16\n")
    (home / "run.gin").write_text('import dgm_tf.data\ninclude "~/part.gin"\n')
    config.parse("~/run.gin")
    assert gin.query_parameter("ImageFolder.size") == 16


@pytest.mark.parametrize("module", [train, learn, sample, exports, suites])
def test_flags_take_it(home, monkeypatch, clean_gin, module):
    """Each command is given paths with ~ and ends where the first of them is used."""
    run = home / "run"
    run.mkdir()
    (run / "config.gin").write_text("import dgm_tf.data\n")
    (run / "s.gin").write_text("")
    targets = {
        train: (train, "_run", ["--gin_file=~/run/config.gin", "--run_dir=~/other"], home / "other"),
        learn: (continuation, "Continuation", ["--run_dir=~/run", "--archive=~/a.npz", "--cache_dir=~/c"], run),
        sample: (dgm_tf.learner, "load", ["--run_dir=~/run", "--output=~/s"], run),
        exports: (dgm_tf.learner, "load", ["--run_dir=~/run", "--output=~/e"], run),
        suites: (suites.states, "plan", ["--suite=~/run/s.gin", "--run_root=~/runs", "--data_dir=~/d"], home / "runs"),
    }
    owner, name, arguments, expected = targets[module]
    calls = seen(monkeypatch, owner, name)
    if module is suites:
        from dgm_tf.compare import suite

        monkeypatch.setattr(suite, "read_suite", lambda *_: type("Suite", (), {"rows": [], "orders": []}))
    with pytest.raises(Stop):
        give(module, *arguments)
    assert expected in [getattr(value, "path", value) for value in calls[0]], calls
    if module is learn:
        assert home / "a.npz" in calls[0] and gin.query_parameter("run_experiment.cache_dir") == str(home / "c")
    if module is suites:
        assert f"--data_dir={home / 'd'}" in calls[0][-1]
    assert not list(pathlib.Path().iterdir())


def test_a_run_and_what_it_shares_take_it(home, monkeypatch):
    calls = seen(monkeypatch, experiment, "read_checkpoint")
    keeper = type("Keeper", (), {"keep_in": lambda self, folder: calls.append(folder)})
    monkeypatch.setattr(experiment, "_check_objects", lambda *_: None)
    for cache_dir, expected in (("~/cache", home / "cache"), (None, home / "runs" / ".cache")):
        calls.clear()
        with pytest.raises(Stop):
            experiment.run_experiment("~/runs/a", keeper(), keeper(), cache_dir=cache_dir)
        assert calls == [expected, expected, (home / "runs" / "a" / "checkpoints",)]
