"""A run folder that was deleted is told of, and not made anew by half."""

import shutil

import numpy as np
import pytest

from dgm_tf.disk import files, watched_folder
from dgm_tf.errors import UserError
from dgm_tf.report import grids
from dgm_tf.run.metrics_log import MetricsLog
from dgm_tf.run.summaries import Summaries


def deleted(run):
    shutil.rmtree(run)


def moved(run):
    run.rename(run.with_name("elsewhere"))


def replaced(run):
    moved(run)
    run.mkdir()


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    with watched_folder.watched(folder):
        yield folder


def writers(run):
    """What writes into a run folder."""
    metrics, summaries = MetricsLog(run / "metrics.jsonl"), Summaries(run)
    summaries.scalars("train", {"a": 1.0}, 1, force=True)
    return (
        lambda: files.write_atomically(run / "results.json", "{}"),
        lambda: files.write_arrays(run / "checkpoints" / "latest.npz", {}),
        lambda: grids.save_image(np.zeros((4, 4), "uint8"), run / "images" / "deeper" / "a.png"),
        lambda: metrics.write({"a": 1}),
        lambda: summaries.scalars("train", {"a": 1.0}, 2, force=True),
        lambda: summaries.scalars("eval", {"a": 1.0}, 2, force=True),
        lambda: summaries.flush(),
        lambda: MetricsLog(run / "metrics.jsonl"),
    )


@pytest.mark.parametrize("happens", [deleted, moved, replaced])
def test_every_writer_refuses_and_makes_nothing(run, happens):
    write = writers(run)
    happens(run)
    for each in write:
        with pytest.raises(UserError, match="expected the run folder to stay .* found it deleted or moved"):
            each()
    assert not run.exists() or not list(run.iterdir())


def test_a_folder_that_is_there_gets_what_is_missing_in_it(run):
    for each in writers(run):
        each()
    shutil.rmtree(run / "images")
    grids.save_image(np.zeros((4, 4), "uint8"), run / "images" / "a.png")
    files.write_atomically(run.parent / "run2" / "deeper" / "a.txt", "beside it")
    assert (run / "images" / "a.png").exists()


def test_deleted_in_the_very_moment_it_is_not_made_either(run, monkeypatch):
    monkeypatch.setattr(watched_folder, "check", lambda path: None)
    deleted(run)
    with pytest.raises(FileNotFoundError):
        files.write_atomically(run / "memory" / "weights.npz", b"")
    assert not run.exists()


def test_watching_ends_with_its_context_and_may_be_nested(tmp_path):
    (tmp_path / "run").mkdir()
    with watched_folder.watched(tmp_path / "run"):
        with watched_folder.watched(tmp_path / "run"):
            pass
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(UserError):
            watched_folder.check(tmp_path / "run" / "a")
    files.write_atomically(tmp_path / "run" / "a", "")
