"""What a person is told of a data set: twins, levels, and the numbers of images before training."""

import logging
import os
import shutil
import types

import numpy as np
import pytest
from PIL import Image

from dgm_tf.data import Arrays, ClassIncrementalStream, ImageArchive, ImageFolder, PackagedMNIST
from dgm_tf.data.fingerprints import facts_of
from dgm_tf.data.overview import overview
from dgm_tf.data.resuming import check_same_stream
from dgm_tf.data.rows import Rows
from dgm_tf.data.sources import folder
from dgm_tf.errors import UserError
from tests.pictures import draw

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (24, 16, 16, 1)).astype(np.uint8)
LABELS = np.arange(24) % 3


class Given:
    """A source of what it was given."""

    name = "given"

    def __init__(self, train=IMAGES[:18], test=IMAGES[18:], labels=LABELS, **settings):
        labels = np.resize(labels, len(train) + len(test))
        self.arrays = Arrays(train, labels[: len(train)], test, labels[len(train) :], ("a", "b", "c"), **settings)

    def load(self):
        return self.arrays


def cautions(source, **settings):
    report = ClassIncrementalStream(source, image_size=16, **settings).report
    return (report or {}).get("cautions", [])


def test_facts_are_of_each_image_alone():
    facts = facts_of(IMAGES)
    np.testing.assert_array_equal(facts["low"], IMAGES.min(axis=(1, 2, 3)))
    np.testing.assert_array_equal(facts["high"], IMAGES.max(axis=(1, 2, 3)))
    assert len(np.unique(facts["digest"])) == 24
    np.testing.assert_array_equal(facts_of(Rows([IMAGES], [5, 3])), facts[[5, 3]])
    changed = IMAGES.copy()
    changed[7, 3, 4] ^= 1
    assert (facts_of(changed)["digest"] != facts["digest"]).sum() == 1
    assert len(facts_of(np.zeros((3000, 2, 2, 1), np.uint8))) == 3000


class TestTwins:
    """Images that are there twice."""

    def test_the_same_image_in_two_classes(self):
        train = IMAGES[:18].copy()
        train[4] = train[6] = train[0]  # of the classes 1, 0 and 0
        (told,) = cautions(Given(train))
        assert told.startswith("images with the same pixels in more than one class: 3, such as training image 0 (")
        assert "training image 4 (b)" in told

    def test_the_same_image_in_training_and_test(self):
        test = IMAGES[18:].copy()
        test[3] = test[0] = IMAGES[3]
        (told,) = cautions(Given(test=test))
        assert told.startswith("test images with the same pixels as training images: 2, such as training image ")
        assert "= test image 0 (a)" in told

    def test_nothing_is_told_of_classes_that_are_not_learned_or_of_twins_within_a_part(self):
        train = IMAGES[:18].copy()
        train[3] = train[0]
        assert not cautions(Given(train))
        train[4] = train[0]
        assert cautions(Given(train)) and not cautions(Given(train), class_order=["a", "c"])

    def test_what_is_on_disk_and_of_which_nothing_is_known_is_not_read_for_it(self):
        read = []

        class OnDisk:
            shape, dtype = IMAGES[:18].shape, IMAGES.dtype

            def __len__(self):
                return 18

            def __getitem__(self, rows):
                read.extend(np.atleast_1d(rows))
                return IMAGES[0:1].repeat(len(np.atleast_1d(rows)), 0)  # all of them twins

        assert not cautions(Given(Rows([OnDisk()])))
        assert len(read) <= 6, "the first and the last of each class, by which a run knows its data again"

    def test_files_are_named_and_it_is_told_once(self, tmp_path, caplog):
        draw(tmp_path, "cat", "dog", "owl", count=6)
        shutil.copy(tmp_path / "cat" / "2.png", tmp_path / "dog" / "copy.png")
        with caplog.at_level(logging.WARNING, logger="dgm_tf"):
            for limit in (2e9, 0):
                caplog.clear()
                source = ImageFolder(tmp_path, size=16, memory_limit=limit, cache_dir=tmp_path / ".cache")
                stream = ClassIncrementalStream(source, image_size=16)
                assert "cat/2.png = dog/copy.png" in stream.report["cautions"][0]
                stream.fresh_copy().task(0)
                assert caplog.text.count("in more than one class") == 1

    def test_an_archive_on_disk_and_in_memory(self, tmp_path):
        images = IMAGES.copy()
        images[1] = images[0]
        np.savez(tmp_path / "a.npz", images=images, labels=LABELS)
        told = [cautions(ImageArchive(tmp_path / "a.npz", memory_limit=limit)) for limit in (2e9, 0)]
        assert told[0] == told[1] and "images[0] (0) = images[1] (1)" in told[0][0]

    def test_packaged_digits_have_none(self):
        assert ClassIncrementalStream(PackagedMNIST(), image_size=28).report is None


class TestLevels:
    """Levels that use a small part of their range are told, with what to do."""

    @pytest.mark.parametrize(
        ("scale", "offset", "told"), [(1 / 255, 0, "0 and 1"), (0.4, 20, "20 and 122"), (0.49, 100, "100 and 225")]
    )
    def test_of_all_images(self, scale, offset, told):
        images = (IMAGES * scale + offset).astype(np.uint8)
        (caution,) = [c for c in cautions(Given(images[:18], images[18:])) if "levels" in c]
        assert f"the levels of all images lie between {told[:3].strip()}" in caution
        assert "times 255" in caution and "ImageFolder.white" in caution

    def test_of_one_class(self):
        images = IMAGES.copy()
        images[LABELS == 1] //= 16
        (caution,) = cautions(Given(images[:18], images[18:]))
        assert caution.startswith("levels use a small part of 0 to 255 in classes b (0 to 15): ")

    def test_nothing_is_told_of_pictures(self):
        assert not cautions(Given())
        assert not cautions(Given((IMAGES // 2 + 10)[:18], (IMAGES // 2 + 10)[18:] + 20))

    def test_twelve_bits_in_sixteen_until_white_is_set(self, tmp_path):
        for name in "ab":
            (tmp_path / name).mkdir()
            for index in range(3):
                levels = RNG.integers(0, 4096, (20, 20)).astype(np.uint16)
                Image.fromarray(levels).save(tmp_path / name / f"{index}.tiff")
        (caution,) = cautions(ImageFolder(tmp_path, size=16, cache_dir=tmp_path / ".cache"))
        assert "levels of all images lie between" in caution and "15 of 255: " in caution
        assert not cautions(ImageFolder(tmp_path, size=16, cache_dir=tmp_path / ".cache", white=4095))
        assert len(list((tmp_path / ".cache").iterdir())) == 2, "another store"


class TestOverview:
    """What is printed before training."""

    def test_classes_and_their_images(self):
        lines = ClassIncrementalStream(Given(), image_size=16, validation_fraction=0.34).overview
        assert lines[0] == "3 classes, images: 12 for training, 6 for validation, 6 for test"
        assert lines[1].split() == ["training", "validation", "test"]
        assert [line.split() for line in lines[2:]] == [[name, "4", "2", "2"] for name in "abc"]

    def test_what_was_left_out_and_why(self, tmp_path):
        draw(tmp_path, "cat", "dog")
        for name in ("a.txt", "b.txt", ".hidden"):
            (tmp_path / "cat" / name).write_text("text")
        os.mkfifo(tmp_path / "dog" / "pipe")
        lines = ClassIncrementalStream(ImageFolder(tmp_path, size=16), image_size=16).overview
        assert lines[-1] == "left out: 4 (2 not an image; 1 hidden; 1 a FIFO, not a file)"

    def test_a_text_beside_every_image_does_not_fill_the_results(self, tmp_path, monkeypatch):
        monkeypatch.setattr(folder, "_REPORTED", 3)
        draw(tmp_path, "cat", "dog")
        for index in range(40):
            (tmp_path / "cat" / f"{index}.txt").write_text("text")
        (tmp_path / "dog" / ".hidden").touch()
        source = ImageFolder(tmp_path, size=16)
        lines = ClassIncrementalStream(source, image_size=16).overview
        assert lines[-1] == "left out: 41 (40 not an image; 1 hidden)"
        report = source.report
        assert len(report["skipped"]) == 3 and report["num_skipped"] == 41
        assert report["reasons"] == {"not an image": 40, "hidden": 1}

    def test_many_classes_are_summed_up(self):
        names = [f"class{i}" for i in range(1000)]
        lines = overview(names, np.column_stack([np.arange(1000) + 5, np.ones(1000), np.full(1000, 2)]))
        assert lines == [
            "1000 classes, images: 504500 for training, 1000 for validation, 2000 for test",
            "  class0, class1, class2, ..., class998, class999",
            "  images of each class: training 5 to 1004, validation 1, test 2",
        ]

    def test_names_are_shortened_and_shown(self):
        report = {"num_skipped": 1, "reasons": {"\x1bodd": 1}}
        lines = overview(["\x1b[2Jcat", "d" * 500], [[1, 0, 1], [1, 0, 1]], report)
        assert max(map(len, lines)) < 100 and not any("\x1b" in line for line in lines)
        assert "\\x1b[2Jcat" in lines[2]


class TestResuming:
    """Only what is learned decides whether a run may go on."""

    @pytest.fixture
    def folder(self, tmp_path):
        return draw(tmp_path / "photos", "cat", "dog", count=6)

    def stream(self, folder, **settings):
        return ClassIncrementalStream(ImageFolder(folder, size=16), image_size=16, **settings)

    def results(self, stream):
        facts = {"class_names": list(stream.class_names), "data": stream.report, "excerpt": stream.excerpt}
        return types.SimpleNamespace(**facts, later=[])

    def test_files_that_are_no_images_may_come_and_go(self, folder):
        (folder / "cat" / "broken.png").write_text("text")
        begun = self.results(self.stream(folder))
        (folder / "cat" / "broken.png").unlink()
        for name in (".DS_Store", "cat/.DS_Store", "cat/Thumbs.db", "dog/notes.txt", "readme.md"):
            (folder / name).write_text("text")
        (folder / "runs" / "a").mkdir(parents=True)
        (folder / "runs" / "a" / "run.json").touch()
        os.mkfifo(folder / "dog" / "pipe")
        check_same_stream("runs/a", begun, self.stream(folder))

    def test_classes_that_are_not_learned_may_come_and_go(self, folder):
        begun = self.results(self.stream(folder, num_tasks=2))
        draw(folder, "zebra", seed=1)
        check_same_stream("runs/a", begun, self.stream(folder, num_tasks=2))
        with pytest.raises(UserError, match="expected classes cat, dog .*, got classes cat, dog, zebra"):
            check_same_stream("runs/a", begun, self.stream(folder))

    def test_images_may_not(self, folder):
        begun = self.results(self.stream(folder))
        shutil.copy(folder / "cat" / "0.png", folder / "cat" / "9.png")
        message = r"^runs/a was started with other images: expected .*\(10 and 2 images\), got others of .*\(11 and 2 "
        with pytest.raises(UserError, match=message):
            check_same_stream("runs/a", begun, self.stream(folder))
        begun.excerpt = None  # as of a run of before
        with pytest.raises(UserError, match=message):
            check_same_stream("runs/a", begun, self.stream(folder))

    def test_a_run_of_before_there_were_excerpts_and_reports_goes_on(self, folder):
        begun = self.results(self.stream(folder))
        begun.excerpt = None
        check_same_stream("runs/a", begun, self.stream(folder))
        with pytest.raises(UserError, match="was started with other images"):
            begun.class_names = ["cat"]
            check_same_stream("runs/a", begun, self.stream(folder))
        begun.class_names, begun.data = ["a", "b", "c"], None
        check_same_stream("runs/a", begun, ClassIncrementalStream(Given(), image_size=16))
