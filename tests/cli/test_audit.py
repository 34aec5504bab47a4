"""bin/audit: each file counts once with its size on disk, and nothing but caches is deleted."""

import json
import os
import re
import shutil

import pytest

from dgm_tf import config
from dgm_tf.cli import audit, predict
from dgm_tf.disk import files
from dgm_tf.measures import record
from dgm_tf.measures.memorisation import Memorisation
from dgm_tf.measures.standard import descriptions
from dgm_tf.run import experiment
from tests.cli.test_forget import PARAMS
from tests.in_process import give
from tests.pictures import draw


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run of three photos of ape, twenty of bee: do not write into it."""
    top = tmp_path_factory.mktemp("audited")
    draw(top / "photos", "ape", count=3)
    draw(top / "photos", "bee", count=20, seed=1)
    given = (f"ImageFolder.directory = '{top / 'photos'}'", *PARAMS)
    files.write_atomically(top / "runs" / "run" / "config.gin", config.parse("gin/photos.gin", given))
    experiment.run_experiment(top / "runs" / "run")
    assert not give(predict, f"--run_dir={top / 'runs' / 'run'}", f"--image_dir={top / 'photos'}")
    (top / "runs" / "run" / "notes").mkdir()
    (top / "runs" / "run" / "notes" / "mine.txt").write_text("mine")
    os.symlink("mine.txt", top / "runs" / "run" / "notes" / "link")
    return top / "runs" / "run"


@pytest.fixture
def run(finished, tmp_path, clean_gin):
    """A copy of it and of its caches."""
    return shutil.copytree(finished.parent, tmp_path / "runs", symlinks=True) / "run"


def _sizes(folder):
    return {p.relative_to(folder).as_posix(): p.lstat().st_size for p in folder.rglob("*") if not p.is_dir()}


def test_bytes_are_those_on_disk_and_add_up(run, tmp_path, capsys):
    capsys.readouterr()
    before = _sizes(run)
    assert not give(audit, f"--run_dir={run}", f"--json={tmp_path / 'audit.json'}")
    told = capsys.readouterr()
    found = files.read_json(tmp_path / "audit.json")
    assert {file["path"]: file["nbytes"] for file in found["files"]} == before == _sizes(run)
    assert len(found["files"]) == len(before)
    assert found["total_bytes"] == sum(before.values()) == sum(e["bytes"] for e in found["by_kind"].values())
    kinds = {file["path"]: file["kind"] for file in found["files"]}
    assert kinds["memory/stored.npz"] == "class statistics" and kinds["memory/weights.npz"] == "weights"
    assert kinds["checkpoints/latest.npz"] == "checkpoints" and kinds["results.json"] == "results"
    assert kinds["labels.csv"] == "labels of photos" and kinds["notes/mine.txt"] == "other files"
    assert kinds["config.gin"] == "settings and commands" and kinds["figures/accuracy.png"] == "figures"
    cached = run.parent / ".cache"
    assert found["cache_bytes"] == sum(_sizes(cached).values())
    assert {cache["kind"] for cache in found["caches"]} == {"images", "features"}
    for cache in found["caches"]:
        assert cache["nbytes"] == sum(_sizes(cached / os.path.basename(cache["path"])).values())
    rows = dict(re.findall(r"^ *(\S.*?\S)  +[\d,]+ +([\d,]+) *$", told.out, re.MULTILINE))
    assert int(rows["in the run folder"].replace(",", "")) == found["total_bytes"]
    for kind, entry in found["by_kind"].items():
        assert int(rows[kind].replace(",", "")) == entry["bytes"], kind
    assert found["classes_of_few_photos"] == {"ape": 2} and "Warning" in told.out and "ape (2)" in told.out
    assert "the images themselves" in told.out and told.err == ""


def test_caches_are_deleted_when_asked_and_nothing_else(run, capsys):
    before, cached = _sizes(run), run.parent / ".cache"
    size = sum(_sizes(cached).values())
    mine = cached / "features-0123456789abcdef-0123456789abcdef"
    mine.mkdir()
    (mine / "mine.txt").touch()
    (cached / "mine.npz").touch()
    os.symlink(run, cached / "features-0123456789abcdef")
    assert size and not give(audit, f"--run_dir={run}")
    assert sum(_sizes(cached).values()) == size
    capsys.readouterr()
    assert not give(audit, f"--run_dir={run}", "--delete_caches")
    assert f"{size:,} bytes" in capsys.readouterr().out
    assert (cached / "features-0123456789abcdef").is_symlink()
    assert sorted(_sizes(cached)) == [f"{mine.name}/mine.txt", "mine.npz"] and _sizes(run) == before
    assert not give(audit, f"--run_dir={run}", "--delete_caches")


@pytest.mark.parametrize("word", [("--cache_dir={0}",), ("--cache_dir", "{0}")])
def test_caches_that_the_commands_of_a_run_named_are_found(word, run, tmp_path, capsys):
    elsewhere = (run.parent / ".cache").rename(tmp_path / "elsewhere")
    session = {
        "started": "2025-01-01T00:00:00+00:00",
        "ended": None,
        "command": [part.format(elsewhere) for part in word],
    }
    files.write_json(run / "run.json", {"format": 2, "sessions": [session]})
    assert not give(audit, f"--run_dir={run}")
    assert f"Caches: {elsewhere}" in capsys.readouterr().out
    (run / "run.json").unlink()
    assert not give(audit, f"--run_dir={run}")
    assert "Caches:" not in capsys.readouterr().out
    assert not give(audit, f"--run_dir={run}", f"--cache_dir={elsewhere}", "--delete_caches")
    assert _sizes(elsewhere) == {}


def test_a_saved_learner_alone_is_audited(tmp_path, capsys):
    from tests.methods import spaces
    from tests.methods.test_closed_form import learned

    learned(spaces.closed_form(), (0, 1)).save(tmp_path / "run" / "memory")
    assert not give(audit, f"--run_dir={tmp_path / 'run'}", f"--json={tmp_path / 'a.json'}")
    found = json.loads((tmp_path / "a.json").read_text())
    assert found["total_bytes"] == sum(_sizes(tmp_path / "run").values()) and found["caches"] == []
    assert found["classes_of_few_photos"].keys() <= {"class 0", "class 1"}


def test_no_run_is_told_in_one_line(tmp_path, capsys):
    assert give(audit, f"--run_dir={tmp_path}") == 2
    assert "expected the folder of a run" in capsys.readouterr().err
    assert give(audit) == 2 and not give(audit, "--help")
    assert "--delete_caches" in capsys.readouterr().out


def test_distances_to_the_nearest_training_image_are_shown_where_they_were_measured(run, tmp_path, capsys):
    results = record.read(run)
    last = results.task_records[-1]
    last.measured["memorisation"] = {"replayed": [0.125], "test": [None]}
    results.measures |= descriptions([Memorisation()])
    results.write(run)
    capsys.readouterr()
    assert not give(audit, f"--run_dir={run}", f"--json={tmp_path / 'audit.json'}")
    name = results.class_names[-1]
    assert f"nearest training image: {name} 0.125 (-)" in capsys.readouterr().out
    entry = files.read_json(tmp_path / "audit.json")["nearest_training_image"]
    assert entry == {name: {"replayed": 0.125, "test": None}}
