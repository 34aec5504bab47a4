"""A run that is asked to stop while a task is evaluated ends at the next point between two parts of it, and resumes."""

import pathlib
import signal
import sys

import pytest

from dgm_tf import stopping
from dgm_tf.data import ClassIncrementalStream
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.run import experiment
from dgm_tf.stopping import Interrupted
from tests import tiny_run
from tests.disk.test_full_disk import Source
from tests.methods import tiny

SETTINGS = EvaluationSettings(
    validation_per_class=4, gan_test_per_class=6, gan_train_epochs=1, gan_train_every_task=True, judge_epochs=1
)


def run(folder):
    """Two tasks that train nothing, evaluated by all that there is."""
    method = tiny.dgm()
    method.phases = lambda context: []
    stream = ClassIncrementalStream(Source(), image_size=16)
    return experiment.run_experiment(folder, stream, method, evaluation=SETTINGS).to_json()


class Looks:
    """Notes where a run looks whether it is asked to stop, and asks it when it first looks at some place."""

    def __init__(self, monkeypatch, place=None):
        self.places, self._place, self._check = [], place, stopping.check
        monkeypatch.setattr(stopping, "check", self.look)

    def look(self):
        code = sys._getframe(1).f_code
        self.places.append(f"{pathlib.Path(code.co_filename).name}:{code.co_name}")
        if self.places[-1] == self._place:
            signal.raise_signal(signal.SIGTERM)
        self._check()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """(results of a run that nobody stopped, where it looked)."""
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        looks = Looks(patch)
        run(folder / "run")
    return tiny_run.timeless(tiny_run.read_results(folder / "run")), looks.places


PLACES = (
    "inference.py:in_batches", "recorder.py:_measure", "bounds.py:_checksum", "training.py:train_classifier",
    "loop.py:run_phase", "recorder.py:_write_figures", "write.py:_write_saved_models",
)  # fmt: skip


def test_all_that_takes_long_is_looked_between(whole):
    assert list(dict.fromkeys(whole[1])) == list(PLACES)


def test_it_ends_at_the_next_look_wherever_it_is_and_goes_on_as_if_nothing_had_been(whole, tmp_path, monkeypatch):
    for place in PLACES:
        with monkeypatch.context() as patch:
            looks = Looks(patch, place)
            with pytest.raises(Interrupted, match="SIGTERM"):
                run(tmp_path / "run")
        assert looks.places[-1] == place
    run(tmp_path / "run")
    assert tiny_run.timeless(tiny_run.read_results(tmp_path / "run")) == whole[0]
