"""bin/predict labels photos as the run would, whatever the files are called and hold, and never half."""

import csv
import json
import os
import pathlib
import signal

import numpy as np
import pytest
from PIL import Image

from dgm_tf import config
from dgm_tf.cli import predict as predict_command
from dgm_tf.data import ImageFolder
from dgm_tf.data.arrays import Split
from dgm_tf.data.sources.photos import list_photos
from dgm_tf.data.stream import Task
from dgm_tf.disk import files
from dgm_tf.errors import UserError
from dgm_tf.learner import Learner
from dgm_tf.learner.photos import decoding_for, label_photos
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.report import predictions
from dgm_tf.report.photo_table import COLUMNS
from dgm_tf.run.folder import RunFolder
from tests import fresh_process, hostile, letters, tiny_run
from tests.in_process import give
from tests.limited_files import files_of_at_most
from tests.methods import spaces, tiny


def learner_of(names, channels=1):
    """A learner of these classes that went through one task without training, its class head balanced a little."""
    method = FineTuning(discriminator=tiny.Discriminator)
    method.phases = lambda context: []
    labels = np.arange(len(names), dtype=np.int32)
    split = Split(np.zeros((len(names), 32, 32, channels), np.uint8), labels)
    learner = Learner(method)
    learner.learn(Task(0, tuple(labels.tolist()), tuple(names), split, split, split))
    for variable in method.classifier.logits.trainable_variables:
        variable.assign(np.random.default_rng(0).normal(0, 20, variable.shape))
    return learner


def run_of(folder, learner, *params):
    """A run folder with a learner and the configuration of a run on a folder of images."""
    learner.save(folder / "memory")
    params = ("ImageFolder.directory = 'photos'", *params)
    RunFolder(folder).write_config(config.config_text("gin/image_folder.gin", params))
    return folder


def rows_of(path):
    """The lines of a CSV as dicts."""
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def predict(*arguments):
    """Exit status of the command."""
    return give(predict_command, *arguments)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Letters in two folders, odd files among them, and one at the top."""
    folder = tmp_path_factory.mktemp("photos")
    letters.write_letters(folder, "ab", count=4, mode="RGB")
    letters.write_oddities(folder / "a" / "odd")
    letters.letter("c", 0, size=(60, 40), mode="RGB").save(folder / "top.png")
    return folder


@pytest.mark.parametrize("channels", [1, 3])
def test_photos_are_prepared_exactly_as_in_training(photos, tmp_path, channels):
    learner = learner_of(["ash", "birch", "cedar", "daphne"], channels)
    run = run_of(tmp_path / "run", learner, "ImageFolder.white = 1.0")  # by which levels.tiff can be read
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}")
    rows = {row["file"]: row for row in rows_of(run / "labels.csv")}
    source = ImageFolder(photos, channels=channels, white=1.0)
    arrays, seen = source.load(), set()
    for part, images in (("train", arrays.train_images), ("test", arrays.test_images)):
        shares = np.exp(learner.logits(images).astype(np.float64))
        shares /= shares.sum(axis=1, keepdims=True)
        for index, of_image in enumerate(shares):
            row = rows[arrays.place(part, index)]
            best = np.argsort(-of_image)[:3]
            assert [row["label"], row["second"], row["third"]] == [learner.class_names[i] for i in best]
            found = [float(row[name]) for name in ("probability", "second_probability", "third_probability")]
            np.testing.assert_allclose(found, of_image[best], atol=1e-5)
            assert row["error"] == ""
            seen.add(row["file"])
    assert {name for name, row in rows.items() if not row["error"]} == {
        *seen,
        "top.png",
    } and "a/odd/levels.tiff" in seen
    assert len({row["label"] for row in rows.values()}) > 1  # no constant


def test_one_line_a_file_sorted_with_the_reason_where_it_cannot_be_read(photos, tmp_path, capsys):
    run = run_of(tmp_path / "run", learner_of(["ash", "birch", "cedar"]))
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}", f"--output={tmp_path / 'new' / 'out.csv'}")
    text = (tmp_path / "new" / "out.csv").read_text(encoding="utf-8")
    assert text.splitlines()[0] == ",".join(COLUMNS)
    rows = rows_of(tmp_path / "new" / "out.csv")
    names = [row["file"] for row in rows]
    walked = [pathlib.Path(top) / name for top, _, names_there in os.walk(photos) for name in names_there]
    visible = [path.relative_to(photos).as_posix() for path in walked if not path.name.startswith(".")]
    assert names == sorted(visible) and len(text.splitlines()) == len(visible) + 1
    wrong = {row["file"].rpartition("/")[2]: row for row in rows if row["error"]}
    assert set(wrong) == set(letters.NO_IMAGES) - {".DS_Store"}
    for name, row in wrong.items():
        assert letters.NO_IMAGES[name] in row["error"]
        assert {row[column] for column in COLUMNS[1:-1]} == {""}
    printed = capsys.readouterr().out
    assert "Not read: 5 files" in printed and ".DS_Store (hidden)" in printed and "out.csv" in printed
    assert not (run / "labels.csv").exists()


def test_photos_of_no_learned_class_are_told(photos, tmp_path, capsys):
    """A method that cannot tell leaves the columns empty."""
    learner = Learner(spaces.closed_form())
    learner.learn(tiny.task(0, (0, 1)))
    run = run_of(tmp_path / "run", learner)
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}")
    rows = [row for row in rows_of(run / "labels.csv") if not row["error"]]
    assert {row["known"] for row in rows} <= {"yes", "no"} and "no" in {row["known"] for row in rows}
    assert all((float(row["score"]) >= 0) == (row["known"] == "yes") for row in rows)
    unknown = sum(row["known"] == "no" for row in rows)
    assert f"Of none of the learned classes, as it seems: {unknown}" in capsys.readouterr().out
    other = run_of(tmp_path / "other", learner_of(["ash", "birch"]))
    assert not predict(f"--run_dir={other}", f"--image_dir={photos}")
    assert {(row["known"], row["score"]) for row in rows_of(other / "labels.csv")} == {("", "")}


@pytest.mark.parametrize("names", [["only"], ["yes", "no"]])
def test_fewer_than_three_classes(photos, tmp_path, names):
    run = run_of(tmp_path / "run", learner_of(names))
    sheet = tmp_path / "sheet.html"
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}", f"--html={sheet}")
    for row in rows_of(run / "labels.csv"):
        if not row["error"]:
            guesses = [row["label"], row["second"], row["third"]]
            assert sorted(guesses) == sorted([*names, "", ""][:3])
            assert sum(float(row[f"{which}probability"] or 0) for which in ("", "second_", "third_")) > 0.999
    assert sheet.read_text(encoding="utf-8").count("<img") == 18 + 1


FORMULAS = (
    *("=1+1.png", "+1.png", "-1.png", "@A1.png", "\t=2.png", " =3.png", "\uff1d4.png", "'=5.png", 'a,b;"c".png'),
    *("\n=6.png", "<script>alert(1)<script>"),
)


def test_hostile_names_are_safe_cells_and_safe_html(tmp_path, capsys):
    folder = tmp_path / "photos"
    folder.mkdir()
    image = letters.letter("a", 0)
    names = [*FORMULAS, *(name.replace("/", "_") for name in hostile.NAMES if name != ".." and len(name) < 200)]
    for name in names:
        image.save(folder / name, "PNG")
    (folder / os.fsdecode(b"caf\xe9.png")).write_bytes(b"no image")
    classes = ["=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>", "two\nlines\r,", "-dog"]
    run = run_of(tmp_path / "run", learner_of(classes))
    assert not predict(f"--run_dir={run}", f"--image_dir={folder}", f"--html={tmp_path / 'sheet.html'}")
    data = (run / "labels.csv").read_bytes()
    text, rows = data.decode(), rows_of(run / "labels.csv")
    hidden = [name for name in names if name.startswith(".")]
    assert len(rows) == len(text.splitlines()) - 1 == len(names) + 1 - len(hidden)
    for row in rows:
        for cell in row.values():
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝")) and cell.isprintable()
    assert {row["label"] for row in rows} - {""} <= {"'=cmd|' /C calc'!A0", classes[1], "two\\nlines\\r,", "'-dog"}
    found = {row["file"] for row in rows}
    assert {"'=1+1.png", "' =3.png", "''=5.png", 'a,b;"c".png', "\\t=2.png", "caf\\udce9.png"} <= found
    page = (tmp_path / "sheet.html").read_text(encoding="utf-8")
    assert "<script" not in page and "<img src=x" not in page and "&lt;script&gt;" in page
    assert page.count("<img ") == page.count('<img alt="" src="data:image/jpeg;base64,')
    assert hostile.sends_no_commands(page) and hostile.sends_no_commands(capsys.readouterr().out)


def test_a_folder_of_damaged_files_is_labelled_as_far_as_it_can_be_read(tmp_path):
    folder, rng = tmp_path / "photos", np.random.default_rng(0)
    folder.mkdir()
    for kind in ("JPEG", "PNG", "GIF", "BMP", "WEBP", "TIFF"):
        whole = folder / f"whole.{kind.lower()}"
        Image.fromarray(rng.integers(0, 256, (60, 60, 3)).astype(np.uint8)).save(whole, kind)
        data = bytearray(whole.read_bytes())
        (folder / f"cut.{kind.lower()}").write_bytes(data[: len(data) // 3])
        for place in rng.integers(0, len(data), 200):
            data[place] = rng.integers(0, 256)
        (folder / f"changed.{kind.lower()}").write_bytes(data)
    os.mkfifo(folder / "fifo.jpg")
    (folder / "noise.jpg").write_bytes(rng.bytes(5000))
    os.symlink(folder, folder / "circle")
    os.symlink("/dev/zero", folder / "endless.png")
    run = run_of(tmp_path / "run", learner_of(["a", "b"], channels=3))
    assert not predict(f"--run_dir={run}", f"--image_dir={folder}", f"--html={tmp_path / 'sheet.html'}")
    rows = {row["file"]: row for row in rows_of(run / "labels.csv")}
    assert len(rows) == 3 * 6 + 3
    assert all(row["error"] or row["label"] for row in rows.values())
    assert all(rows[f"whole.{kind}"]["label"] in ("a", "b") for kind in ("jpeg", "png", "tiff"))
    assert "FIFO" in rows["fifo.jpg"]["error"] and "device" in rows["endless.png"]["error"]
    assert rows["noise.jpg"]["error"] and rows["cut.jpeg"]["error"]


def test_settings_of_the_run_hold_and_nothing_of_it_is_run(photos, tmp_path, capsys):
    run = run_of(tmp_path / "run", learner_of(["a", "b"]), "ImageFolder.max_pixels = 2000", "ImageFolder.white = 'x'")
    assert predict(f"--run_dir={run}", f"--image_dir={photos}") == 2
    assert "ImageFolder.white: expected" in capsys.readouterr().err
    run = run_of(tmp_path / "run", learner_of(["a", "b"]), "ImageFolder.max_pixels = 2000")
    text = RunFolder(run).config_text().replace("import dgm_tf.data\n", "import of_a_stranger\n")
    assert "of_a_stranger" in text
    RunFolder(run).write_config(text)
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}")
    rows = {row["file"]: row for row in rows_of(run / "labels.csv")}
    assert "max_pixels = 2000" in rows["top.png"]["error"] and rows["a/00.png"]["label"] in ("a", "b")


def test_a_saved_learner_alone_will_do(photos, tmp_path):
    learner = learner_of(["a", "b"])
    learner.save(tmp_path / "memory")
    assert not predict(f"--run_dir={tmp_path / 'memory'}", f"--image_dir={photos}", f"--output={tmp_path / 'x.csv'}")
    labels = [photo.guesses[0][0] for photo in label_photos(learner, photos) if not photo.error]
    assert [row["label"] for row in rows_of(tmp_path / "x.csv") if not row["error"]] == labels


@pytest.mark.parametrize("most", [0, -1, 1.5])
def test_fewer_guesses_than_one_are_refused(photos, most):
    with pytest.raises(UserError, match=r"most: expected an integer in \[1, inf\)"):
        next(label_photos(learner_of(["a", "b"]), photos, most=most))


def test_a_run_on_other_data_says_how_photos_are_prepared(photos, tmp_path, capsys):
    run = tmp_path / "run"
    learner_of(["a", "b"]).save(run / "memory")
    RunFolder(run).write_config(config.config_text("gin/quickstart.gin"))
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}")
    assert "learned images of PackagedMNIST: photos are cut and resized as those of an" in capsys.readouterr().out


def test_what_it_has_written_is_no_photo_of_the_next_time(photos, tmp_path):
    run = run_of(tmp_path / "run", learner_of(["a", "b"]))
    folder = letters.write_letters(tmp_path / "photos", "a", count=3)
    for _ in range(2):
        assert not predict(
            f"--run_dir={run}", f"--image_dir={folder}", f"--output={folder}/x.csv", f"--html={folder}/x.html"
        )
        assert [row["file"] for row in rows_of(folder / "x.csv")] == [f"a/0{i}.png" for i in range(3)]


def mistakes(run, photos, folder):
    """(arguments, a part of the message) of each."""
    (folder / "empty" / "inside").mkdir(parents=True)
    (folder / "file").touch()
    os.mkfifo(folder / "fifo")
    where, photos_there = f"--run_dir={run}", f"--image_dir={photos}"
    return [
        ([], "--run_dir: expected the folder of a run"),
        ([where], "--image_dir: expected a folder of photos, such as"),
        ([where, "--image_dir=/no/such/folder"], "which does not exist"),
        ([where, f"--image_dir={folder / 'file'}"], "which is no folder"),
        ([where, f"--image_dir={folder / 'empty'}"], "holds no files but inside/ (a folder without files)"),
        ([where, f"--image_dir={run}"], "a saved learner" if not (run / "run.json").exists() else "a run folder"),
        ([f"--run_dir={folder}", photos_there], "expected a saved learner"),
        ([where, photos_there, f"--output={folder}"], "--output: expected a file to write, got"),
        ([where, photos_there, f"--output={folder / 'fifo'}"], "a FIFO"),
        ([where, photos_there, f"--html={folder}"], "--html: expected a file to write, got"),
        ([where, photos_there, f"--output={folder}/x", f"--html={folder}/x"], "expected another file than the output"),
        ([where, photos_there, f"--output={folder / 'file'}/x.csv"], "file"),
        ([where, photos_there, "--most=3"], "most"),
    ]


def test_mistakes_are_told_in_one_line_before_anything_is_written(photos, tmp_path, capsys):
    run = tmp_path / "run"
    learner_of(["a", "b"]).save(run)
    for arguments, message in mistakes(run, photos, tmp_path):
        assert predict(*arguments) == 2, arguments
        told = capsys.readouterr().err
        assert told.startswith("error: ") and message in told and told.count("\n") == 1, told
    assert not [path for path in tmp_path.rglob("*") if path.name.endswith((".csv", ".html", ".tmp"))]


def test_help_names_the_flags(capsys):
    assert not predict("--help")
    told = capsys.readouterr().out
    assert "bin/predict --run_dir" in told and "--html" in told and "--output" in told


def _write(learner_folder, photos, output):
    from dgm_tf.learner import load

    learner = load(learner_folder)
    listed = list_photos(photos)
    return predictions.write_predictions(learner, listed, decoding_for(learner), output, output.with_suffix(".html"))


def _write_and_die(learner_folder, photos, output):
    label = predictions.label_files

    def label_a_few(*arguments):
        for number, photo in enumerate(label(*arguments)):
            if number == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            yield photo

    predictions.label_files = label_a_few
    _write(learner_folder, photos, output)


def test_killed_in_the_middle_it_leaves_the_earlier_files_and_the_next_one_tidies_up(photos, tmp_path):
    learner_of(["a", "b"]).save(tmp_path / "memory")
    output = tmp_path / "out" / "labels.csv"
    arguments = tmp_path / "memory", photos, output
    files.write_atomically(output, "earlier")
    fresh_process.call_until_killed(_write_and_die, *arguments)
    assert output.read_text() == "earlier" and not output.with_suffix(".html").exists()
    assert [path.suffix for path in output.parent.iterdir() if path != output] == [".tmp", ".tmp"]
    _write(*arguments)
    assert sorted(path.name for path in output.parent.iterdir()) == ["labels.csv", "labels.html"]
    assert len(rows_of(output)) == 24


def test_an_error_in_the_middle_leaves_nothing(photos, tmp_path, monkeypatch):
    learner_of(["a", "b"]).save(tmp_path / "memory")
    monkeypatch.setattr(Learner, "logits", lambda self, images: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        _write(tmp_path / "memory", photos, tmp_path / "out" / "labels.csv")
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.ci
def test_a_run_that_has_been_trained_labels_photos(tmp_path, clean_gin):
    run = tmp_path / "run"
    tiny_run.run_here(run, *tiny_run.SHORT)
    photos = letters.write_letters(tmp_path / "photos", "01", count=70)  # more than are read at once
    assert not predict(f"--run_dir={run}", f"--image_dir={photos}")
    rows = rows_of(run / "labels.csv")
    classes = json.loads((run / "export" / "classes.json").read_text())
    assert len(rows) == 140 and {row["label"] for row in rows} <= set(classes)


def test_it_does_not_write_through_a_link_that_the_run_folder_holds(photos, tmp_path, capsys):
    run = run_of(tmp_path / "run", learner_of(["a", "b"]))
    (tmp_path / "mine.csv").write_text("mine")
    (run / "labels.csv").symlink_to(tmp_path / "mine.csv")
    assert predict(f"--run_dir={run}", f"--image_dir={photos}") == 2
    assert "labels.csv is a link, and would be written through" in capsys.readouterr().err
    assert (tmp_path / "mine.csv").read_text() == "mine"


@pytest.mark.parametrize("size", [0, 100])
def test_a_full_disk_is_named_and_nothing_half_written_stays(photos, tmp_path, capsys, size):
    run = run_of(tmp_path / "run", learner_of(["a", "b"]))
    with files_of_at_most(size):
        assert predict(f"--run_dir={run}", f"--image_dir={photos}", f"--html={run}/sheet.html") == 2
    told = capsys.readouterr().err
    assert told.startswith(f"error: {run}/") and "File too large; allow larger files" in told and ".tmp" not in told
    assert not [path for path in run.iterdir() if path.name not in ("memory", "config.gin")]


def test_memory_holds_a_few_batches_however_many_photos_there_are(tmp_path, monkeypatch):
    """A file is decoded when its turn comes, not all of them at the beginning."""
    from dgm_tf.data.sources import store

    folder, decoded = tmp_path / "photos", []
    folder.mkdir()
    for index in range(1500):
        (folder / f"{index:04d}.png").touch()

    def decode(path, size, channels, *rest):
        decoded.append(path)
        return np.zeros((size, size, channels), np.uint8)

    monkeypatch.setattr(store, "decode", decode)
    labelled = label_photos(learner_of(["a", "b"]), folder)
    for number, photo in enumerate(labelled):
        assert photo.path.name == f"{number:04d}.png" and len(decoded) <= number + 64 * 8
    assert number == 1499
