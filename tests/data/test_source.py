"""A data set of one's own is one file with a `Source`, of which nothing but `name` and `load` is asked."""

import json
import shlex
import sys

import gin
import numpy as np
import pytest

from dgm_tf import config
from dgm_tf.data import Arrays, ClassIncrementalStream, ImageArchive, ImageFolder, Source
from dgm_tf.errors import UserError
from tests import documents
from tests.conftest import ROOT


def test_a_data_set_is_one_file(tmp_path, monkeypatch, clean_gin):
    """The one of CONTRIBUTING, by the command that stands there."""
    section = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Add a data set")[1].split("\n## ")[0]
    (code,), (command,) = documents.blocks(section, "python"), documents.command_lines(section)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "stripes.py").write_text(code, encoding="utf-8")
    given = [word.partition("=")[::2] for word in shlex.split(command)[1:]]
    params = [value for flag, value in given if flag == "--gin_param"]
    config.import_modules([value for flag, value in given if flag == "--import"])
    config.parse("gin/quickstart.gin", params, ["stripes"])
    stream = gin.get_configurable("ClassIncrementalStream")()
    assert (stream.name, stream.class_names) == ("stripes", ("across", "down"))
    across, down = stream
    assert np.array_equal(across.train.images[0, :, :, 0], down.train.images[0, :, :, 0].T)
    assert [len(across.train), len(across.validation), len(across.test)] == [36, 4, 10]


def arrays(size):
    return Arrays(*(2 * [np.zeros((4, size, size, 1), np.uint8), np.arange(4) % 2]), ("a", "b"))


class Telling(Source):
    """It decodes images at a size of its own, tells what it left out, and keeps something."""

    name, size, folder = "telling", 16, None

    def load(self):
        self.report = {"num_skipped": 3, "reasons": {"blurred": 3}}
        return arrays(16)

    def keep_in(self, folder):
        self.folder = folder


def test_a_source_may_tell_more(tmp_path):
    source = Telling()
    with pytest.raises(UserError, match="image_size: expected 16, at which Telling .* decodes images, got 32"):
        ClassIncrementalStream(source)
    stream = ClassIncrementalStream(source, image_size=16)
    stream.keep_in(tmp_path)
    assert source.folder == tmp_path and source.report is None
    assert json.loads(json.dumps(stream.report))["num_skipped"] == 3
    assert stream.overview[-1] == "left out: 3 (3 blurred)"


def test_one_that_is_no_source_but_has_a_name_and_loads_will_do():
    class Plain:
        name, size = "plain", 28

        def load(self):
            return arrays(8)

    stream = ClassIncrementalStream(Plain(), image_size=8)
    assert stream.name == "plain" and [len(task.train) for task in stream] == [2, 2]


@pytest.mark.parametrize("make", [ImageFolder, ImageArchive])
def test_the_folder_that_a_person_names_wins(make, tmp_path):
    named, other = make("images", cache_dir=tmp_path), make("images")
    for source in (named, other):
        source.keep_in(tmp_path / "runs")
    assert (named.cache_dir, other.cache_dir) == (tmp_path, tmp_path / "runs")
