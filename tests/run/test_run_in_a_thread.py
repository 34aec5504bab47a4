"""Runs in threads, two at a time, come to the results of the main thread's."""

import concurrent.futures
import logging
import threading

from dgm_tf.data import ClassIncrementalStream
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.methods.fine_tuning import FineTuning
from dgm_tf.run import experiment
from tests import tiny_run
from tests.disk.test_full_disk import Source


def run(folder):
    """Two tasks of fine-tuning; returns what is written, and the signals' answer."""
    settings = EvaluationSettings(judge_epochs=1, fine_tuning_epochs=0)
    stream = ClassIncrementalStream(Source(), image_size=16)
    experiment.run_experiment(folder / "run", stream, FineTuning(epochs=1, batch_size=8), evaluation=settings)
    return tiny_run.timeless(tiny_run.read_results(folder / "run"))


def test_two_runs_in_threads_end_as_the_main_threads_and_each_says_once_that_it_hears_no_signals(tmp_path, caplog):
    expected = run(tmp_path / "main")
    with caplog.at_level(logging.WARNING, "dgm_tf"), concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = list(pool.map(run, (tmp_path / "one", tmp_path / "two")))
    assert results == [expected, expected]
    told = [record for record in caplog.records if "hears no signals" in record.message]
    assert len(told) == 2 and all(record.threadName != threading.main_thread().name for record in told)
