"""Signals are noted where something would be lost, and act at once where nothing is."""

import concurrent.futures
import contextlib
import logging
import signal
import subprocess
import sys
import threading
import time

import pytest

from dgm_tf import stopping
from dgm_tf.stopping import Ended, Interrupted, StopSignals


@pytest.fixture
def hangup():
    """The handler of SIGHUP comes back after the test."""
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.parametrize("signum", stopping.SIGNALS)
def test_a_run_hears_every_signal_and_ends_at_a_point_of_its_own(signum):
    with StopSignals() as signals:
        stopping.check()
        signal.raise_signal(signum)
        assert signals.received == signum
        with pytest.raises(Interrupted, match=signal.Signals(signum).name) as interrupt:
            stopping.check()
        assert interrupt.value.signum == signum
    stopping.check()  # outside it means nothing


def test_under_nohup_a_hangup_stays_ignored(hangup):
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with StopSignals() as signals:
        signal.raise_signal(signal.SIGHUP)
        assert signals.received is None
    with stopping.ending_at_once():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_what_is_unsaved_is_left_to_who_saves_it_for_some_seconds(monkeypatch):
    with StopSignals() as signals:
        signals.unsaved = True
        signals.note(signal.SIGTERM)
        stopping.check()
        monkeypatch.setattr(stopping, "GRACE", -1.0)
        with pytest.raises(Interrupted):
            stopping.check()


def test_the_inner_context_hears_and_the_outer_one_again_after_it():
    with StopSignals() as outer:
        with StopSignals() as inner:
            signal.raise_signal(signal.SIGTERM)
        assert (outer.received, inner.received) == (None, signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
        assert outer.received == signal.SIGTERM


def test_a_handler_may_come_while_standard_error_is_written(capfd):
    """Python refuses to write into a buffer that it is writing into: the message goes past it."""

    class Interrupting:
        def __str__(self):
            signal.raise_signal(signal.SIGTERM)
            return "text"

    with StopSignals() as signals:
        print(Interrupting(), file=sys.stderr, flush=True)
    assert signals.received == signal.SIGTERM and "stopping as soon as" in capfd.readouterr().err


def test_in_a_thread_nothing_is_heard_and_the_log_says_so_once(caplog):
    heard = []

    def run():
        with StopSignals() as signals:
            stopping.check()
            heard.append(signals.received)

    before = signal.getsignal(signal.SIGTERM)
    with caplog.at_level(logging.WARNING, "dgm_tf"):
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    assert heard == [None] and len(caplog.records) == 1 and "hears no signals" in caplog.text
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_run_in_a_thread_is_not_ended_by_the_main_threads_signal():
    with StopSignals() as signals:
        signals.note(signal.SIGTERM)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            pool.submit(stopping.check).result()


@pytest.mark.parametrize("signum", stopping.SIGNALS)
def test_a_command_outside_of_a_run_ends_where_it_stands(signum):
    handlers = [signal.getsignal(s) for s in stopping.SIGNALS]
    with pytest.raises(Ended) as ended, stopping.ending_at_once():
        signal.raise_signal(signum)
    assert ended.value.signum == signum and isinstance(ended.value, KeyboardInterrupt)
    assert [signal.getsignal(s) for s in stopping.SIGNALS] == handlers


def test_a_run_begun_after_a_signal_that_a_library_swallowed_hears_of_it():
    with stopping.ending_at_once():
        with contextlib.suppress(BaseException):
            signal.raise_signal(signal.SIGTERM)
        with StopSignals() as signals:
            assert signals.received == signal.SIGTERM


def test_a_reader_that_is_gone_asks_the_next_run_to_stop():
    with stopping.ending_at_once():
        stopping.request(signal.SIGPIPE)
        with StopSignals() as signals:
            stopping.request(signal.SIGPIPE)
            assert signals.received == signal.SIGPIPE


def test_what_must_not_be_half_done_is_finished_first():
    done = []
    with pytest.raises(Ended), stopping.ending_at_once(), stopping.held():
        signal.raise_signal(signal.SIGTERM)
        done.append(True)
    assert done == [True]


STUCK = """
import sys, time
from dgm_tf import stopping
stopping.PATIENCE, stopping.SECOND_PATIENCE = map(float, sys.argv[2:4])
with stopping.ending_at_once(), stopping.StopSignals() as signals:
    signals.unsaved = sys.argv[1] == "unsaved"
    print("ready", flush=True)
    while True:  # as a library that takes minutes and lets nothing through
        try: time.sleep(60)
        except BaseException: pass
"""


SLOW = """
import time
from dgm_tf import stopping
stopping.PATIENCE = 0.5
with stopping.ending_at_once():
    with stopping.StopSignals() as signals:
        print("ready", flush=True)
        while signals.received is None:
            time.sleep(0.02)
        signals.answered = True
        time.sleep(1.0)  # it saves
    time.sleep(0.3)  # it says so, and notes when it ended
    print("tidied", flush=True)
"""


def test_a_run_that_took_long_to_save_has_the_time_to_end():
    process = subprocess.Popen([sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "tidied\n")


def _stuck(state, patience, second=60.0):
    command = [sys.executable, "-c", STUCK, state, str(patience), str(second)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    return process


def test_a_command_that_answers_to_nothing_is_ended_all_the_same():
    process = _stuck("saved", 0.3)
    process.send_signal(signal.SIGHUP)
    assert process.wait(20) == 128 + signal.SIGHUP
    assert "stopped by SIGHUP" in process.stderr.read()


def test_a_command_with_something_to_save_is_not_ended_but_by_a_second_signal():
    process = _stuck("unsaved", 0.0, second=0.2)
    process.send_signal(signal.SIGTERM)
    time.sleep(1.0)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 128 + signal.SIGTERM
