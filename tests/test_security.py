"""Each sentence of docs/security.md; what a memory may be is tested in test_saved_learner.py as well."""

import ast
import io
import json
import os
import pathlib
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

import dgm_tf
from dgm_tf import config, registry
from dgm_tf.cli import export, sample
from dgm_tf.data import TFDS, ImageArchive, ImageFolder
from dgm_tf.disk import files, lock
from dgm_tf.errors import Damaged, UserError
from dgm_tf.export.write import _json
from dgm_tf.learner import Learner
from dgm_tf.measures import record
from dgm_tf.run.checkpoints import read_checkpoint
from tests.faults.commands import give
from tests.methods import tiny


@pytest.fixture(scope="module")
def learner():
    learner = Learner(tiny.dgm())
    learner.learn(tiny.task(0, (0, 1)))
    return learner


def forged(folder, change):
    """Rewrites learner.json and its checksum."""
    description = json.loads((folder / "learner.json").read_text())
    del description["sha256"]
    change(description)
    files.write_json(folder / "learner.json", description)


def test_nothing_is_called_before_all_settings_are_right(learner, tmp_path, monkeypatch):
    """The last setting is wrong: the objects before it must not have been made."""
    learner.save(tmp_path)
    forged(tmp_path, lambda d: d["method"]["settings"].update(distillation="x"))
    made = []
    monkeypatch.setattr(type(tiny.GAN), "__post_init__", lambda self: made.append(self))
    with pytest.raises(UserError, match="distillation: expected Distillation or None, got 'x'"):
        dgm_tf.load(tmp_path)
    assert not made


def test_no_array_is_unpacked_before_all_have_been_compared(learner, tmp_path, monkeypatch):
    learner.save(tmp_path)
    forged(tmp_path, lambda d: d["networks"]["discriminator"]["config"].update(filters=[2, 4, 600]))
    monkeypatch.setattr("dgm_tf.disk.npz.Archive.read", lambda *_: pytest.fail("an array was unpacked"))
    with pytest.raises(UserError, match="weights.npz is damaged: expected discriminator"):
        dgm_tf.load(tmp_path)


def test_a_checkpoint_is_read_as_a_memory_is(learner, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    description = learner.description()
    description["method"] = {"new": "os:system", "settings": {"command": "touch ran"}}
    files.write_arrays(tmp_path / "latest.npz", learner.arrays(), learner=description, notes={})
    with pytest.raises(UserError):
        saved = read_checkpoint(tmp_path)
        arrays, description = saved.arrays, saved.learner
        Learner.from_state(description, arrays)
    assert not pathlib.Path("ran").exists()


@pytest.mark.parametrize("name", ["metrics.jsonl", "memory", "checkpoints", ".lock", "train"])
def test_a_run_folder_is_not_written_through_its_links(tmp_path, name):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).symlink_to(tmp_path / "mine")
    with pytest.raises(UserError, match=f"{name} is a link"), lock.locked(tmp_path / "run", "run_dir", "x"):
        pass
    assert (tmp_path / "mine").read_text() == "precious"


def test_files_that_are_replaced_replace_a_link_and_not_what_it_leads_to(tmp_path):
    (tmp_path / "mine").write_text("precious")
    (tmp_path / "results.json").symlink_to(tmp_path / "mine")
    files.write_json(tmp_path / "results.json", {"format": 2})
    assert (tmp_path / "mine").read_text() == "precious" and not (tmp_path / "results.json").is_symlink()


def test_formats_that_are_programs_are_no_images(tmp_path):
    (tmp_path / "photos" / "cat").mkdir(parents=True)
    for index in range(2):
        Image.new("RGB", (32, 32)).save(tmp_path / "photos" / "cat" / f"{index}.png")
    postscript = tmp_path / "photos" / "cat" / "program.eps"
    Image.new("RGB", (32, 32)).save(postscript)
    os.mkfifo(tmp_path / "photos" / "cat" / "pipe.png")
    source = ImageFolder(tmp_path / "photos")
    source.load()
    assert {pathlib.Path(name).name for name, _ in source.report["skipped"]} == {"program.eps", "pipe.png"}


class Bomb:
    def __reduce__(self):
        return (os.system, ("touch ran",))


def test_objects_in_an_archive_are_never_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.zeros((4, 16, 16), np.uint8)
    np.savez("a.npz", images=images, labels=np.arange(4) // 2, class_names=np.array([Bomb(), Bomb()], object))
    with pytest.raises(UserError):
        ImageArchive("a.npz").load()
    assert not pathlib.Path("ran").exists()


def test_declared_sizes_take_no_memory(tmp_path):
    np.savez(tmp_path / "a.npz", images=np.zeros((4, 16, 16), np.uint8), labels=np.arange(4) // 2)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (10**13,)})
    with zipfile.ZipFile(tmp_path / "a.npz", "a") as archive:
        archive.writestr("class_names.npy", header.getvalue() + bytes(8))
    with pytest.raises(UserError, match="declares"):
        ImageArchive(tmp_path / "a.npz").load()


@pytest.mark.parametrize("text", ["import os", "import dgm_tfx", "from os import system", "x = @os.system()"])
def test_a_gin_file_has_nothing_but_registered_names(tmp_path, text):
    (tmp_path / "a.gin").write_text(text + "\n")
    with pytest.raises(UserError):
        config.parse(tmp_path / "a.gin")


def test_a_class_of_somebodys_own_needs_its_module(learner, tmp_path):
    learner.save(tmp_path)
    forged(tmp_path, lambda d: d["networks"]["generator"].update({"class": "somebody/Net"}))
    with pytest.raises(UserError, match="if you trust it"):
        dgm_tf.load(tmp_path)


RUNNING = re.compile(r"saved_model\.load|load_model|pickle\.loads?|eval|exec|compile|yaml\.load|__import__")


def test_no_command_loads_a_program(project_root):
    """No module loads a SavedModel, a .keras file, a pickle, or text as code."""
    found = []
    for path in (project_root / "dgm_tf").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call):
                name = ast.unparse(node.func)
                if RUNNING.fullmatch(name) or name.endswith(("saved_model.load", ".load_model")):
                    found.append((path.name, name))
                pickles = {k.arg: k.value for k in node.keywords}.get("allow_pickle")
                if pickles is not None and ast.unparse(pickles) != "False":
                    found.append((path.name, "allow_pickle"))
    assert found == []


def test_communities_data_sets_are_refused():
    with pytest.raises(UserError, match="would run its code"):
        TFDS("somebody:data")


def test_a_checksum_tells_no_malice(learner, tmp_path):
    """A limit that the page names: whoever rewrites the checksums is believed, as long as all fits."""
    learner.save(tmp_path)
    forged(tmp_path, lambda d: d["class_names"].reverse())
    assert dgm_tf.load(tmp_path).class_names == learner.class_names[::-1]


def test_the_table_is_closed(learner):
    """It holds methods, settings and networks; none of them is a function."""
    with pytest.raises(UserError, match="is no registered class of dgm_tf; known: ") as refused:
        registry.find("Nothing")
    names = str(refused.value).split("known: ")[1].split(", ")
    assert {"DGM", "GANSettings", "DCGANGenerator"} <= set(names)
    assert all(isinstance(registry.find(name), type) for name in names)


@pytest.mark.parametrize(
    ("command", "link", "target"),
    [(sample, "samples", "."), (sample, "samples/class 0", "."), (sample, "samples", "none"), (export, "export", ".")],
)
def test_no_command_writes_through_a_link_that_a_run_folder_holds(learner, tmp_path, command, link, target):
    learner.save(tmp_path / "run" / "memory")
    (tmp_path / "mine").mkdir()
    (tmp_path / "run" / link).parent.mkdir(exist_ok=True)
    (tmp_path / "run" / link).symlink_to(tmp_path / "mine" / target)
    outcome = give(command, f"--run_dir={tmp_path / 'run'}", "--import=tests.methods.tiny")
    assert outcome.ended == 2 and "is a link, and would be written through" in outcome.complaints
    assert not list((tmp_path / "mine").iterdir())


@pytest.mark.parametrize("name", ["metrics.jsonl", ".lock"])
def test_a_run_folder_with_a_fifo_waits_for_nobody(tmp_path, name):
    os.mkfifo(tmp_path / name)
    with pytest.raises(UserError, match=f"{name}: expected a file"), lock.locked(tmp_path, "run_dir", "x"):
        pass


@pytest.mark.parametrize(
    ("entry", "value"),
    [("tasks", ["x"]), ("tasks", [[0], "x"]), ("later", [3]), ("accuracy_matrix", [0.5])],
)
def test_results_of_a_stranger_with_other_entries_are_told_in_one_line(tmp_path, entry, value):
    files.write_json(tmp_path / "results.json", {"format": 2, "class_names": ["a", "b"], entry: value})
    with pytest.raises(Damaged, match=f"{entry}: expected") as caught:
        record.read(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_missing_entry_is_told_wherever_it_is_missed(tmp_path):
    told = "an entry is missing or of another kind \\(KeyError: 'protocol'\\)"
    with pytest.raises(Damaged, match=told), record.entries_told(tmp_path):
        raise KeyError("protocol")


def test_a_name_that_is_no_text_is_exported_as_an_escape():
    assert json.loads(_json(["caf\udce9", "b"])) == ["caf\udce9", "b"] and "\\udce9" in _json(["\udce9"])
