"""bin/forget on a run of DGM: the classifier is trained anew, what is left is whole, and a kill changes nothing."""

import shutil

import numpy as np
import pytest

import dgm_tf
from dgm_tf.cli import audit, forget
from dgm_tf.disk import files
from dgm_tf.learner import forgetting as learner_forgetting
from dgm_tf.measures import record
from tests import tiny_run
from tests.in_process import give


class Killed(BaseException):
    """Like SIGKILL, this passes all `except Exception`."""


@pytest.fixture
def run(finished_run, tmp_path, clean_gin):
    """A copy of a finished run of the digits 0 and 1, and of its caches."""
    return shutil.copytree(finished_run.parent, tmp_path / "copy") / "run"


def forgotten(run_dir, name):
    return give(forget, f"--run_dir={run_dir}", f"--classes={name}") or 0


def check_without_zero(run_dir):
    learner, results = dgm_tf.load(run_dir), record.read(run_dir)
    assert learner.class_names == results.class_names == ["1"] and results.finished
    for path in ("latest.npz", "task_end.npz"):
        arrays, description, notes = files.read_arrays(run_dir / "checkpoints" / path, "learner", "notes")
        assert description["class_names"] == notes["results"]["class_names"] == ["1"]
        assert not any(name.startswith("drift/") for name in arrays), "images of the class"
    assert not any((run_dir / name).exists() for name in ("forgetting.json", "images", "samples", "train", "eval"))
    assert [path.name for path in (run_dir.parent / ".cache").iterdir() if path.name.startswith("joint")] == []


def test_a_class_is_gone_from_the_run_and_a_kill_in_training_changes_nothing(run, monkeypatch, capsys):
    def killed(*arguments):
        raise Killed

    caches = [path.name for path in (run.parent / ".cache").iterdir()]
    assert any(name.startswith("joint") for name in caches), "a classifier that was trained on the class"
    learner, before = dgm_tf.load(run), {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    images = learner.replay(np.ones(3, int), seed=2)
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(learner_forgetting, "check_finite", killed)  # when all is trained
        forgotten(run, "0")
    assert {path: path.read_bytes() for path in before} == before and not (run / "forgetting.json").exists()
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(dgm_tf.Learner, "save", killed)
        forgotten(run, "0")
    assert (run / "forgetting.json").is_file() and dgm_tf.load(run).class_names == ["0", "1"]
    capsys.readouterr()
    assert forgotten(run, "0") == 0
    told = capsys.readouterr()
    assert "the other classes (1) classifier epoch 1/10" in told.out and told.err == ""
    assert "generator's weights that were trained for the forgotten tasks stay" in told.out
    check_without_zero(run)
    np.testing.assert_array_equal(dgm_tf.load(run).replay(np.zeros(3, int), seed=2), images)
    assert not give(audit, f"--run_dir={run}")
    assert tiny_run.memory(run)["generator/masked_0/task_0_bits"].any()
