"""bin/forget: what a run folder holds of a class is gone, at every moment of it the folder can be read, and it ends."""

import shutil

import numpy as np
import pytest

import dgm_tf
from dgm_tf import config
from dgm_tf.cli import export, forget, learn, predict
from dgm_tf.compare import numbers
from dgm_tf.data.sources import cache
from dgm_tf.disk import files
from dgm_tf.features import whitened_patches  # noqa: F401 - registers them
from dgm_tf.measures import record
from dgm_tf.run import experiment, forgetting, sessions
from tests import letters, tiny_run
from tests.in_process import give

PARAMS = (
    "FeatureSpace.features = @WhitenedPatches()",
    "WhitenedPatches.patch_sizes = (4,)",
    "WhitenedPatches.filters = 4",
    "WhitenedPatches.patches = 500",
    "WhitenedPatches.grid = 2",
    "image_size = 32",
)


def _run(run_dir, directory, sizes="1", *params):
    given = (f"ImageFolder.directory = '{directory}'", f"ClassIncrementalStream.classes_per_task = {sizes}")
    files.write_atomically(run_dir / "config.gin", config.parse("gin/photos.gin", (*given, *PARAMS, *params)))
    return experiment.run_experiment(run_dir)


NAMES = ("ape", "bee", "fox", "owl")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for name in NAMES:
        letters.write_letters(folder, name[0], count=10)
        (folder / name[0]).rename(folder / name)
    return folder


@pytest.fixture(scope="module")
def finished(photos, tmp_path_factory):
    """A finished run of ape, of bee and fox, and of owl: do not write into it."""
    run_dir = tmp_path_factory.mktemp("first") / "run"
    _run(run_dir, photos, "[1, 2, 1]")
    assert not give(predict, f"--run_dir={run_dir}", f"--image_dir={photos}")
    return run_dir


@pytest.fixture
def run(finished, tmp_path, clean_gin):
    """A copy of it and of its caches."""
    return shutil.copytree(finished.parent, tmp_path / "copy") / "run"


def forgotten(run_dir, *names):
    return give(forget, f"--run_dir={run_dir}", f"--classes={','.join(names)}") or 0


def holders(run_dir, name):
    """Files whose bytes hold a name."""
    return sorted(
        path.relative_to(run_dir).as_posix()
        for path in run_dir.rglob("*")
        if path.is_file() and name.encode() in path.read_bytes()
    )


def check_without_fox(run_dir):
    learner, results = dgm_tf.load(run_dir), record.read(run_dir)
    assert learner.class_names == results.class_names == ["ape", "bee", "owl"]
    assert results.tasks == [[0], [1], [2]] and results.finished and results.learned == 3
    assert learner.task_classes == [(0,), (1,), (2,)]
    assert np.shape(results.last["confusion"]) == (3, 3) and len(results.test_excerpts) == 3
    assert [len(row) for row in results.column("per_class_accuracy")] == [1, 2, 3]
    for path in ("latest.npz", "task_end.npz"):
        _, description, notes = files.read_arrays(run_dir / "checkpoints" / path, "learner", "notes")
        assert description["class_names"] == notes["results"]["class_names"] == ["ape", "bee", "owl"]
    assert not (run_dir / "forgetting.json").exists()


def test_a_class_is_gone_from_the_folder_and_the_cache(run, photos, capsys):
    cached = [path.name for path in (run.parent / ".cache").iterdir()]
    assert {name.partition("-")[0] for name in cached} == {"images", "features"}
    before, fox = record.read(run), tiny_run.memory(run)["method/sums"][2]
    session = {"started": "2025-01-01T00:00:00+00:00", "ended": None, "command": ["learn", "--classes=fox,owl", "--x"]}
    files.write_json(run / "run.json", {"format": 2, "sessions": [session]})
    (run / "notes.txt").write_text("mine")
    capsys.readouterr()
    assert forgotten(run, "fox") == 0
    told = capsys.readouterr()
    assert told.err == ""
    check_without_fox(run)
    assert holders(run, "fox") == []
    assert sessions.read_sessions(run / "run.json")[0]["command"] == ["learn", "(forgotten)", "--x"]
    assert list((run.parent / ".cache").iterdir()) == []
    assert not any((run / name).exists() for name in ("labels.csv", "metrics.jsonl", "train", "eval"))
    assert not np.isclose(tiny_run.memory(run)["method/sums"], fox).all(axis=1).any()
    for part in ("memory", "checkpoints", "results.json", "figures", "export", "labels.csv", ".cache", "notes.txt"):
        assert f"{part}: " in told.out, part
    assert "Not looked at" in told.out and "filters stay" not in told.out
    after = record.read(run)
    assert after.column("accuracy_matrix")[0] == [before.column("accuracy_matrix")[0][t] for t in range(3)]
    assert after.column("average_accuracy")[0] == before.column("average_accuracy")[0]
    each = before.column("per_class_accuracy")[-1]
    assert after.final("average_accuracy") == pytest.approx(np.mean([each[0], each[1], each[3]]))
    assert after.final("memory_bytes")["class statistics"] < before.final("memory_bytes")["class statistics"]
    assert after.cautions[-1].startswith("Classes were taken out")
    assert numbers.score_of(after, "A3") == pytest.approx(100 * after.final("average_accuracy"))
    assert numbers.kept_of_images(after) == numbers.kept_of_images(before)


def test_it_is_what_a_run_without_the_class_would_have_learned(run, photos, tmp_path):
    """But for the rounding of features, which depends on what else is in a batch."""
    assert forgotten(run, "fox") == 0
    others = shutil.copytree(photos, tmp_path / "others")
    shutil.rmtree(others / "fox")
    _run(tmp_path / "never" / "run", others)
    ours, theirs = tiny_run.memory(run), tiny_run.memory(tmp_path / "never" / "run")
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-3, atol=2e-3, err_msg=name)


STEPS = ("_rewrite_results", "_delete_curves", "_draw", "_export", "_delete_caches", "_rewrite_commands")
PLACES = [(forgetting.Forgetting, "_finish"), *((forgetting.Forgetting, step) for step in STEPS)]
PLACES += [(forgetting, "write_checkpoint"), (record.Record, "write"), (forgetting, "export"), (dgm_tf.Learner, "save")]


class Killed(BaseException):
    """Like SIGKILL, this passes all `except Exception`."""


AFTER = ("save", "write_checkpoint", "write", "_delete_caches", "_rewrite_commands")
KILLS = [(*place, False) for place in PLACES] + [(*place, True) for place in PLACES if place[1] in AFTER]


@pytest.mark.parametrize(("owner", "step", "after"), KILLS, ids=[f"{step}-{after}" for _, step, after in KILLS])
def test_killed_at_any_step_the_same_command_finishes_it(run, photos, owner, step, after, monkeypatch, capsys):
    original = getattr(owner, step)

    def killing(*arguments, **settings):
        if after:
            original(*arguments, **settings)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(owner, step, killing)
        forgotten(run, "fox")
    assert (run / "forgetting.json").is_file()
    assert "fox" not in dgm_tf.load(run).class_names or step == "save"
    assert record.read(run).finished, "the folder can be read at any moment"
    capsys.readouterr()
    assert give(learn, f"--run_dir={run}", f"--image_dir={photos}", "--classes=fox") == 2
    assert "same bin/forget command again" in capsys.readouterr().err
    assert forgotten(run, "owl") == 2
    assert "the forgetting of 'fox'" in capsys.readouterr().err
    assert forgotten(run, "fox") == 0
    check_without_fox(run)
    assert holders(run, "fox") == [] and list((run.parent / ".cache").iterdir()) == []


def test_the_class_can_be_learned_again_and_the_run_goes_on(run, photos):
    assert forgotten(run, "fox") == 0
    assert not give(predict, f"--run_dir={run}", f"--image_dir={photos}")
    assert "fox" not in {line.split(",")[1] for line in (run / "labels.csv").read_text().splitlines()}
    assert give(learn, f"--run_dir={run}", f"--image_dir={photos}", "--classes=fox") == 0
    results = record.read(run)
    assert results.class_names == ["ape", "bee", "owl", "fox"] == dgm_tf.load(run).class_names
    assert results.finished and results.learned == 4 and results.final("average_accuracy") is not None
    assert not give(export, f"--run_dir={run}")
    assert forgotten(run, "fox", "ape") == 0, "what was learned later, too"
    results = record.read(run)
    assert results.class_names == ["bee", "owl"] and results.later == [] and results.tasks == [[0], [1]]
    assert give(learn, f"--run_dir={run}", f"--image_dir={photos}", "--classes=fox,ape", "--classes_per_task=2") == 0
    assert forgotten(run, "ape") == 0
    (later,) = record.read(run).later
    assert later["first_task"] == 2 and later["class_names"] == ["fox"] and later["classes_per_task"] == [1]
    assert dgm_tf.load(run).class_names == ["bee", "owl", "fox"]


def test_what_python_has_taken_out_of_the_memory_is_taken_out_of_the_rest(run, capsys):
    learner = dgm_tf.load(run)
    learner.forget(["fox"])
    learner.save(run / "memory")
    assert forgotten(run, "owl") == 2 and "the forgetting of 'fox'" in capsys.readouterr().err
    assert forgotten(run, "fox") == 0
    check_without_fox(run)
    assert holders(run, "fox") == []


def test_what_stays_of_the_first_task_is_said(run, capsys):
    assert forgotten(run, "ape") == 0
    assert "filters stay" in capsys.readouterr().out


def test_what_cannot_be_forgotten_is_told_in_one_line(run, photos, tmp_path, capsys):
    def complaint(*arguments):
        capsys.readouterr()
        assert give(forget, *arguments) == 2
        told = capsys.readouterr()
        assert told.out == "" and told.err.count("\n") == 1
        return told.err

    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file() and path.name != ".lock"}
    place = f"--run_dir={run}"
    assert "expected the folder of a finished run" in complaint("--classes=fox")
    assert "expected names of classes to forget" in complaint(place)
    assert "got 'cat'. Learned: ape, bee, fox, owl" in complaint(place, "--classes=cat")
    assert "got all of them" in complaint(place, f"--classes={','.join(NAMES)}")
    assert "holds no config.gin" in complaint(f"--run_dir={photos}", "--classes=fox")
    assert {path: path.read_bytes() for path in before} == before and not (photos / ".lock").exists()
    (run / "memory").rename(run / "other")
    (run / "memory").symlink_to(run / "other")
    assert "is a link" in complaint(place, "--classes=fox")
    (run / "memory").unlink()
    (run / "other").rename(run / "memory")
    results = record.read(run)
    results.finished = False
    results.write(run)
    assert "has not finished" in complaint(place, "--classes=fox")
    assert not (run / "forgetting.json").exists()


def test_other_statistics_are_refused_and_nothing_is_changed(photos, tmp_path, capsys, clean_gin):
    _run(tmp_path / "run", photos, "2", "ClosedForm.per_class = False")
    capsys.readouterr()
    assert forgotten(tmp_path / "run", "fox") == 2
    assert "expected ClosedForm.per_class = True" in capsys.readouterr().err
    assert dgm_tf.load(tmp_path / "run").class_names == list(NAMES)
    assert not (tmp_path / "run" / "forgetting.json").exists() and list((tmp_path / ".cache").iterdir())


def test_only_caches_are_deleted(run, tmp_path):
    mine = run.parent / ".cache" / "images-0123456789abcdef"
    mine.mkdir()
    (mine / "holiday.png").touch()
    assert forgotten(run, "fox") == 0
    assert (mine / "holiday.png").exists() and cache.DIGESTS not in [path.name for path in mine.iterdir()]


def test_help_says_what_it_does(capsys):
    assert not give(forget, "--help")
    told = capsys.readouterr().out
    assert "bin/forget --run_dir" in told and "--classes" in told and "docs/forgetting.md" in told
