"""Folders as people have them: what is a class, what is left out and why, each folder once."""

import logging
import os

import numpy as np
import pytest

from dgm_tf import limits
from dgm_tf.data import ClassIncrementalStream, ImageFolder
from dgm_tf.data.sources import folder_walk
from dgm_tf.data.sources.listing import list_folder
from dgm_tf.errors import UserError
from tests.pictures import draw, fill

NFC, NFD = "caf\u00e9", "cafe\u0301"


def classes(listing):
    """{class: names of its files}."""
    found = {}
    for _, name, path in listing.files:
        found.setdefault(name, []).append(path.name)
    return found


def reasons(listing):
    """{place: why it was left out}."""
    return dict(listing.skipped)


class TestFoldersOfThisProgram:
    """Runs may stand among the images."""

    @pytest.mark.parametrize("marks", [["run.json"], ["config.gin", ".lock"]])
    def test_a_run_folder_is_left_out_and_named(self, tmp_path, marks):
        fill(tmp_path, "cat", "dog")
        for run in (tmp_path / "runs" / "a", tmp_path / "b", tmp_path / "cat" / "c"):
            fill(run, "images")
            for mark in marks:
                (run / mark).touch()
        fill(tmp_path, ".cache")
        listing = list_folder(tmp_path)
        assert classes(listing).keys() == {"cat", "dog"} and len(listing.files) == 6
        run = "a run folder"
        assert reasons(listing) == {
            "runs/a/": run, "b/": run, "cat/c/": run, "runs/": "a class without files", ".cache": "hidden"
        }  # fmt: skip

    def test_so_are_a_memory_an_export_and_a_suites_table(self, tmp_path):
        fill(tmp_path, "cat")
        for name, marks in {"m": ["learner.json"], "e": ["saved_model.pb"], "s": ["table.json", "runs.csv"]}.items():
            fill(tmp_path, name)
            for mark in marks:
                (tmp_path / name / mark).touch()
        kinds = {"m/": "a saved learner", "e/": "a SavedModel", "s/": "a folder of runs"}
        assert reasons(list_folder(tmp_path)) == kinds

    def test_a_run_in_the_folder_itself_is_refused(self, tmp_path):
        (fill(tmp_path, "cat") / "run.json").touch()
        with pytest.raises(UserError, match="a run folder; if it is a run's by mistake, name another --run_dir"):
            list_folder(tmp_path)


class TestLinks:
    """They are followed, each folder once."""

    def test_a_link_to_the_folder_itself_is_no_class(self, tmp_path):
        fill(tmp_path / "photos", "cat", "dog")
        os.symlink(".", tmp_path / "photos" / "all")
        os.symlink("..", tmp_path / "photos" / "cat" / "up")
        os.symlink(tmp_path, tmp_path / "photos" / "zoo")
        listing = list_folder(tmp_path / "photos")
        assert classes(listing).keys() == {"cat", "dog"} and len(listing.files) == 6
        assert set(reasons(listing).values()) == {"a link to a folder that it lies in"}
        assert reasons(listing).keys() == {"all/", "cat/up/", "zoo/"}

    def test_a_class_owns_its_files_wherever_a_link_to_it_stands(self, tmp_path):
        fill(tmp_path, "cat", "dog")
        os.symlink("cat", tmp_path / "a_link")
        os.symlink("../dog", tmp_path / "cat" / "more")
        assert classes(list_folder(tmp_path)).keys() == {"cat", "dog"}
        seen = "a link to a folder seen before"
        assert reasons(list_folder(tmp_path)) == {"a_link/": seen, "cat/more/": seen}

    def test_links_that_go_in_circles_end(self, tmp_path):
        fill(tmp_path, "cat")
        os.symlink("b", tmp_path / "cat" / "a")
        os.symlink("a", tmp_path / "cat" / "b")
        assert len(list_folder(tmp_path).files) == 5, "two links to nothing, which are named when they are decoded"

    def test_a_test_folder_that_is_the_training_folder_is_read(self, tmp_path):
        fill(tmp_path / "train", "cat", "dog")
        os.symlink("train", tmp_path / "test")
        assert len(list_folder(tmp_path).files) == 12


class TestNames:
    """Classes are called as their folders."""

    def test_a_name_that_is_no_utf8_is_left_out_and_named(self, tmp_path):
        fill(tmp_path, "cat", os.fsdecode(b"caf\xe9"))
        listing = list_folder(tmp_path)
        assert classes(listing).keys() == {"cat"}
        assert reasons(listing) == {"caf\\udce9/": "a class's name: it is no UTF-8 text; rename it"}

    def test_files_of_such_names_are_kept(self, tmp_path):
        draw(tmp_path, "cat", "dog")
        os.rename(tmp_path / "cat" / "0.png", tmp_path / "cat" / os.fsdecode(b"\xe9.png"))
        (tmp_path / "dog" / os.fsdecode(b"\xff.txt")).touch()
        source = ImageFolder(tmp_path, size=16)
        arrays = source.load()
        assert len(arrays.train_images) + len(arrays.test_images) == 6
        assert source.report["skipped"] == [["dog/\\udcff.txt", "not an image: an empty file"]]

    def test_control_characters_are_shown(self, tmp_path):
        fill(tmp_path, "cat")
        (tmp_path / "\x1b[2Jowned").mkdir()
        assert reasons(list_folder(tmp_path)) == {"\\x1b[2Jowned/": "a class without files"}

    def test_the_same_name_in_two_normal_forms_is_one_class(self, tmp_path):
        fill(tmp_path / "train", "dog", NFD)
        fill(tmp_path / "test", "dog", NFC)
        listing = list_folder(tmp_path)
        assert {(part, name) for part, name, _ in listing.files} == {
            (part, name) for part in ("train", "test") for name in ("dog", NFD)
        }
        (note,) = listing.notes
        assert note == f"{NFD}: folders whose names are the same in two normal forms are one class"

    def test_names_that_look_alike_are_told(self, tmp_path, caplog):
        draw(tmp_path, "cat", "Cat", "cat ", "dog")
        with caplog.at_level(logging.WARNING, logger="dgm_tf"):
            stream = ClassIncrementalStream(ImageFolder(tmp_path, size=16), image_size=16)
            assert set(stream.class_names) == {"cat", "Cat", "cat ", "dog"}
        assert "names of classes that look alike are different classes: 'Cat', 'cat', 'cat '" in caplog.text

    @pytest.mark.parametrize("name", ["con", "train", "test", "a.b.", "-x", "~", "%s", "{x}", "CON.txt", "'"])
    def test_odd_names_are_names(self, tmp_path, name):
        fill(tmp_path, "cat", name)
        assert classes(list_folder(tmp_path)).keys() == {"cat", name}

    def test_train_and_test_are_classes_where_they_hold_no_folders(self, tmp_path):
        fill(tmp_path, "train", "test", "bus")
        listing = list_folder(tmp_path)
        assert not listing.is_split and classes(listing).keys() == {"train", "test", "bus"}


NUMBERS = ("1", "2", "10", "12")


@pytest.fixture(scope="module")
def numbers(tmp_path_factory):
    """A folder of classes that are numbers."""
    return draw(tmp_path_factory.mktemp("numbers"), *NUMBERS, count=2)


class TestOrder:
    """Numbers are sorted as numbers."""

    def stream(self, folder, **settings):
        return ClassIncrementalStream(ImageFolder(folder, size=16), image_size=16, **settings)

    def test_the_natural_order_is_that_of_numbers(self, numbers, tmp_path):
        assert self.stream(numbers).class_names == NUMBERS
        mixed = draw(tmp_path, "img10", "img9", "b2", "b", "10", count=2)
        assert self.stream(mixed).class_names == ("10", "b", "b2", "img9", "img10")

    def test_a_run_that_began_with_the_order_of_letters_keeps_it(self, numbers):
        letters = ("1", "10", "12", "2")
        cases = {letters: letters, letters[:2]: letters, ("1", "2"): NUMBERS, (): NUMBERS}
        for begun, order in cases.items():
            stream = self.stream(numbers)
            stream.begun_as(begun)
            assert stream.class_names == stream.fresh_copy().class_names == order

    def test_a_random_order_is_that_of_before(self, numbers):
        order = np.random.RandomState(3).permutation(4)
        assert self.stream(numbers, class_order="random", seed=3).class_names == tuple(
            np.array(["1", "10", "12", "2"])[order]
        )

    def test_numbers_are_names(self, numbers):
        assert self.stream(numbers, class_order=[2, "10"]).class_names == ("2", "10")
        with pytest.raises(UserError, match=r"such as 1, 10, 12 \(some are numbers.*\), got 0, no class"):
            self.stream(numbers, class_order=[0]).class_names  # noqa: B018

    def test_a_name_may_be_given_in_the_other_normal_form(self, tmp_path):
        draw(tmp_path, "dog", NFD, count=2)
        assert self.stream(tmp_path, class_order=[NFC, "dog"]).class_names == (NFD, "dog")


class TestOneLevelTooDeep:
    """A folder in a folder."""

    def test_it_is_asked(self, tmp_path, caplog):
        draw(tmp_path / "photos" / "photos", "cat", "dog")
        with caplog.at_level(logging.WARNING, logger="dgm_tf"):
            stream = ClassIncrementalStream(ImageFolder(tmp_path / "photos", size=16), image_size=16)
            assert stream.class_names == ("photos",)
        question = (
            "one class only, photos, which holds nothing but folders (cat, dog): did you mean "
            f"{tmp_path}/photos/photos?"
        )
        assert question in caplog.text and stream.report["cautions"] == [question]

    def test_nothing_is_asked_elsewhere(self, tmp_path):
        for names in (("a", "b/c"), ("a",), ("a", "a/b")):
            folder = fill(tmp_path / "_".join(names).replace("/", "-"), *names)
            assert not list_folder(folder).notes


class TestWhatCannotBeRead:
    """It is named."""

    def test_a_folder_without_permission(self, tmp_path, monkeypatch):
        fill(tmp_path, "cat", "dog", "dog/deep")
        scandir = os.scandir

        def refuse(path):
            if os.path.basename(path) in refused:
                raise PermissionError(13, "Permission denied", str(path))
            return scandir(path)

        monkeypatch.setattr(folder_walk.os, "scandir", refuse)
        refused = {"cat", "deep"}
        listing = list_folder(tmp_path)
        assert classes(listing).keys() == {"dog"}
        assert reasons(listing) == dict.fromkeys(("cat/", "dog/deep/"), "Permission denied")
        refused = {tmp_path.name}
        with pytest.raises(UserError, match="which cannot be read: Permission denied"):
            list_folder(tmp_path)

    def test_folders_without_end(self, tmp_path, monkeypatch):
        monkeypatch.setattr(limits, "MAX_DEPTH", 3)
        fill(tmp_path, "cat", "cat/1/2/3/4/5")
        listing = list_folder(tmp_path)
        assert len(listing.files) == 3 and reasons(listing) == {"cat/1/2/3/4/": "more than 3 folders deep"}

    def test_a_thousand_folders_deep(self, tmp_path):
        fill(tmp_path, "cat")
        deep = [tmp_path / "cat" / "/".join("d" * depth) for depth in range(1, 1100)]
        for folder in deep:
            os.mkdir(folder)
        try:
            assert len(list_folder(tmp_path).files) == 3
        finally:
            for folder in reversed(deep):  # pytest's own removal would not come so deep
                os.rmdir(folder)

    def test_an_archive_or_nothing_in_the_folders_place(self, tmp_path):
        (tmp_path / "a.npz").touch()
        with pytest.raises(UserError, match="an archive: set ClassIncrementalStream.source = @ImageArchive"):
            list_folder(tmp_path / "a.npz")
        with pytest.raises(UserError, match=r"no files in folders of classes in .*: a.npz \(in no class's folder\)"):
            list_folder(tmp_path)


def test_what_systems_leave_is_left_out(tmp_path):
    fill(tmp_path, "cat", "__MACOSX", "cat/@eaDir")
    for name in ("Thumbs.db", "cat/Thumbs.db", "cat/desktop.ini", "cat/.DS_Store", "cat/._0.png"):
        (tmp_path / name).touch()
    listing = list_folder(tmp_path)
    assert len(listing.files) == 3
    hidden = dict.fromkeys(("cat/.DS_Store", "cat/._0.png"), "hidden")
    left = ("Thumbs.db", "__MACOSX", "cat/@eaDir", "cat/Thumbs.db", "cat/desktop.ini")
    assert reasons(listing) == dict.fromkeys(left, "left by the system") | hidden


def test_what_is_no_file_and_what_vanishes_is_named(tmp_path):
    draw(tmp_path, "cat", "dog", count=4)
    os.mkfifo(tmp_path / "cat" / "pipe.png")
    source = ImageFolder(tmp_path, size=16)
    source.name  # noqa: B018 - lists the folder
    os.remove(tmp_path / "dog" / "3.png")
    arrays = source.load()
    assert len(arrays.train_images) + len(arrays.test_images) == 7
    assert source.report["skipped"] == [
        ["cat/pipe.png", "a FIFO, not a file"], ["dog/3.png", "it is gone since the folder was listed"]
    ]  # fmt: skip
