"""A disk that is full from some write on: one line says so, nothing half-written stays, the run resumes to its end."""

import builtins
import contextlib
import errno
import io
import os

import numpy as np
import pytest

from dgm_tf.data import ClassIncrementalStream
from dgm_tf.data.arrays import Arrays
from dgm_tf.disk import files
from dgm_tf.errors import told
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.report import drawing
from dgm_tf.run import experiment, recorder
from tests import tiny_run


class Source:
    """Two classes of random images."""

    name = "random"

    def load(self):
        images = np.random.default_rng(0).integers(0, 255, (24, 16, 16, 1)).astype(np.uint8)
        labels = np.tile([0, 1], 12)
        return Arrays(images[:16], labels[:16], images[16:], labels[16:], ("ant", "bee"))


BUFFER = 2**16  # bytes


class Disk:
    """Counts what is written by Python, and is full after so many writes."""

    def __init__(self, room=None):
        self.writes, self._room, self._open = 0, room, io.open

    def use(self, *paths):
        """Raises if it is full; paths: as the system's call has been given some."""
        self.writes += 1
        if self._room is not None and self.writes > self._room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), *paths)

    def open(self, path, mode="r", *arguments, **options):
        """Stands for the built-in."""
        file = self._open(path, mode, *arguments, **options)
        return file if mode.startswith("r") else Written(file, self)


class Written:
    """A file on such a disk, to which a buffer is written at a time."""

    def __init__(self, file, disk):
        self._file, self._disk, self._buffered = file, disk, BUFFER

    def __getattr__(self, name):
        return getattr(self._file, name)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file.close()

    def write(self, data):
        if self._buffered + len(data) > BUFFER:
            self._disk.use()
            self._buffered = 0
        self._buffered += len(data)
        return self._file.write(data)


@contextlib.contextmanager
def on(disk):
    """What Python writes goes to this disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", disk.open)
        patch.setattr(io, "open", disk.open)
        for name in ("fsync", "replace", "mkdir"):
            patch.setattr(os, name, _counted(getattr(os, name), disk))
        yield disk


def _counted(function, disk):
    def call(place, *arguments, **options):
        disk.use(*([] if isinstance(place, int) else [str(place)]))
        return function(place, *arguments, **options)

    return call


def export(learner, directory):
    """In place of SavedModels, which take seconds."""
    files.write_atomically(directory / "classes.json", "[]")


@pytest.fixture
def cheap(monkeypatch):
    """What takes long and is written as other things are is left out."""
    monkeypatch.setattr(recorder, "export", export)
    monkeypatch.setattr(drawing.Figure, "savefig", lambda figure, buffer, **options: buffer.write(b"figure"))


def run(folder):
    """A run of two tasks that train nothing, beside the cache of those before it."""
    method = FineTuning()
    method.phases = lambda context: []
    settings = EvaluationSettings(gan_test_per_class=0, gan_train_epochs=0, judge_epochs=1, fine_tuning_epochs=0)
    stream = ClassIncrementalStream(Source(), image_size=16)
    return experiment.run_experiment(folder, stream, method, evaluation=settings).to_json()


def fails(folder, room):
    """What is told of a run on a disk with room for so many writes; None where it ends well."""
    with on(Disk(room)):
        try:
            run(folder)
        except OSError as error:
            return told(error)
    return None


def test_a_disk_that_is_full_from_any_write_on(tmp_path, cheap):
    expected, room = tiny_run.timeless(run(tmp_path / "whole")), 0
    while text := fails(tmp_path / f"run{room}", room):
        assert text.endswith("No space left on device; make room, then give the same command again"), (room, text)
        assert text.startswith(str(tmp_path)) and "\n" not in text and ".tmp" not in text
        assert not list(tmp_path.rglob("*.tmp")), room
        if room % 8 == 0:
            assert tiny_run.timeless(run(tmp_path / f"run{room}")) == expected
        room += 1
    assert room > 60


def test_a_run_goes_on_a_write_at_a_time(tmp_path, cheap):
    """Each start gets one write further than it must to be of use, and the last one ends as if there had been one."""
    run(tmp_path / "whole")
    starts = 0
    while fails(tmp_path / "run", starts):
        starts += 1
    expected, found = (tiny_run.timeless(tiny_run.read_results(tmp_path / name)) for name in ("whole", "run"))
    assert starts > 10 and found == expected
