"""The processes of --strategy=multi_worker: TF_CONFIG is understood or refused, nobody waits in silence or for ever."""

import json
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

from dgm_tf.errors import UserError
from dgm_tf.training import cluster
from dgm_tf.training.cluster import Cluster, cluster_of_environment, wait_for_all

PAIR = {"worker": ["a:1", "b:2"]}


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


@pytest.fixture
def free_address():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return address_of(server)


def address_of(server):
    return f"127.0.0.1:{server.getsockname()[1]}"


def environment(monkeypatch, jobs, kind, index):
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": jobs, "task": {"type": kind, "index": index}}))


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "expected"),
    [
        (PAIR, "worker", 1, Cluster(("a:1", "b:2"), 1)),
        ({"worker": ["b:2"], "chief": ["a:1"]}, "worker", 0, Cluster(("a:1", "b:2"), 1)),
        ({"worker": ["b:2"], "chief": ["a:1"]}, "chief", 0, Cluster(("a:1", "b:2"), 0)),
        ({"worker": ["[::1]:2222"]}, "worker", 0, Cluster(("[::1]:2222",), 0)),
    ],
)
def test_the_chief_is_the_first_worker(monkeypatch, jobs, kind, index, expected):
    environment(monkeypatch, jobs, kind, index)
    assert cluster_of_environment() == expected


@pytest.mark.parametrize("text", ["", "{}", '{"cluster": {}}', '{"cluster": null, "task": null}'])
def test_without_workers_there_is_no_cluster(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    assert cluster_of_environment() is None
    monkeypatch.delenv("TF_CONFIG")
    assert cluster_of_environment() is None


@pytest.mark.parametrize(
    "text",
    [
        "worker", "[]", '{"cluster": ["a:1"]}', '{"cluster": {"worker": "a:1"}}', '{"cluster": {"worker": [1]}}',
        '{"cluster": {"worker": ["a"]}}', '{"cluster": {"worker": [":1"]}}',
        '{"cluster": {"worker": ["a:0"]}}', '{"cluster": {"worker": ["a:99999"]}}',
        '{"cluster": {"worker": ["a:1"]}, "task": 3}',
    ],
)  # fmt: skip
def test_what_is_no_cluster_is_refused(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match="^TF_CONFIG: expected the workers .* such as TF_CONFIG=.*; got"):
        cluster_of_environment()


@pytest.mark.parametrize(
    ("jobs", "kind", "index", "found"),
    [
        (PAIR, "worker", 2, "got the task 'worker' 2"),
        (PAIR, "chief", 0, "got the task 'chief' 0"),
        (PAIR, "worker", "0", "got the task 'worker' '0'"),
        (PAIR | {"ps": ["c:3"]}, "worker", 0, "got processes of the kinds worker, ps"),
        ({"worker": ["a:1", "a:1"]}, "worker", 0, "got an address twice: a:1, a:1"),
    ],
)
def test_a_place_that_the_cluster_does_not_hold_is_refused(monkeypatch, jobs, kind, index, found):
    environment(monkeypatch, jobs, kind, index)
    with pytest.raises(UserError, match=found):
        cluster_of_environment()


def test_a_lone_worker_says_for_whom_it_waits_and_gives_up(capsys, free_address):
    others = Cluster((free_address, "127.0.0.1:1", "127.0.0.1:2"), 0)
    named = r"worker 2 of 3 \(127.0.0.1:1\), worker 3 of 3 \(127.0.0.1:2\)"
    with pytest.raises(UserError, match=rf"worker 1 of 3 has waited 0 seconds for {named}: .*--wait_for_workers"):
        wait_for_all(others, 0.2)
    assert capsys.readouterr().out.startswith("worker 1 of 3 waits for worker 2 of 3 (127.0.0.1:1), worker 3 of 3")


def test_a_worker_goes_on_when_the_others_answer(listener, free_address):
    late = free_address
    starter = threading.Timer(0.3, lambda: socket.create_server(("127.0.0.1", int(late.rpartition(":")[2]))).accept())
    starter.daemon = True
    starter.start()
    wait_for_all(Cluster(("127.0.0.1:0", address_of(listener), late), 0), 20.0)


def test_it_answers_while_it_waits(free_address):
    waiting = threading.Thread(target=lambda: pytest.raises(UserError, wait_for_all, pair, 3.0))
    pair = Cluster((free_address, "127.0.0.1:1"), 0)
    waiting.start()
    wait_for_all(Cluster(("127.0.0.1:0", free_address), 0), 20.0)
    waiting.join()


def test_a_port_that_is_taken_is_named(monkeypatch, listener):
    monkeypatch.setattr(cluster, "_RELEASE_SECONDS", 0.0)
    address = address_of(listener)
    with pytest.raises(UserError, match=rf"a free port for worker 1 of 2 \({address}\)"):
        wait_for_all(Cluster((address, "127.0.0.1:1"), 0), 5.0)


WAIT = """
from dgm_tf.cli import command
from dgm_tf.training.cluster import Cluster, wait_for_all
command.run(lambda: wait_for_all(Cluster(({!r}, "127.0.0.1:1"), 0), 600.0), "", command.define())
"""


@pytest.mark.parametrize("signum", [signal.SIGTERM, signal.SIGINT])
def test_a_waiting_worker_hears_signals(project_root, free_address, signum):
    command = [sys.executable, "-c", WAIT.format(free_address)]
    with subprocess.Popen(command, cwd=project_root, stdout=subprocess.PIPE, text=True) as process:
        assert "waits for worker 2 of 2" in process.stdout.readline()  # at once, into a pipe too
        since = time.monotonic()
        process.send_signal(signum)
        assert process.wait(20) == 128 + signum and time.monotonic() - since < 10


WATCH = """
import sys, time
from dgm_tf.training.cluster import Cluster, Watch
with Watch(Cluster(("127.0.0.1:1", {!r}), 0), 0.05, 0.3):
    time.sleep(0.6)
    print("both are here", flush=True)
    time.sleep(60)
"""


def test_a_process_that_waits_in_vain_is_ended(project_root, listener):
    command = [sys.executable, "-c", WATCH.format(address_of(listener))]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, cwd=project_root, text=True, **pipes) as process:
        assert process.stdout.readline() == "both are here\n"
        listener.close()
        assert process.wait(20) == cluster.LOST_STATUS
        told = process.stderr.read().strip()
    assert told.startswith(f"error: worker 2 of 2 ({address_of_closed(command)}) has ended or cannot be reached")
    assert "start all workers again with the same command" in told and len(told.splitlines()) == 1


def address_of_closed(command):
    return command[-1].split("'")[1]


def test_a_watch_that_is_over_ends_nothing():
    before = set(threading.enumerate())
    with cluster.Watch(Cluster(("127.0.0.1:1", "127.0.0.1:2"), 0), 0.01, 30.0):
        time.sleep(0.05)
        (thread,) = set(threading.enumerate()) - before
    thread.join(10)
    assert not thread.is_alive()


def test_a_watch_does_not_keep_a_process_from_ending():
    before = set(threading.enumerate())
    with cluster.Watch(Cluster(("127.0.0.1:1",), 0), 0.01, 30.0):
        (thread,) = set(threading.enumerate()) - before
        assert thread.daemon


def test_who_was_sent_a_signal_tells_which_beside_the_lost_worker():
    lost = cluster.WorkerLost("worker 2 of 2 (b:2)", signal.SIGTERM)
    assert lost.signum == signal.SIGTERM and str(lost).startswith("worker 2 of 2 (b:2) has ended or cannot be reached")
    assert cluster.WorkerLost().signum is None


def test_a_port_that_is_given_back_in_time_is_taken(listener):
    address = address_of(listener)
    threading.Timer(0.3, listener.close).start()
    cluster.wait_for_all(Cluster((address,), 0), 5.0)


@pytest.mark.parametrize(("error", "is_over"), [(KeyError, True), (cluster.WorkerLost, False)])
def test_a_watch_is_over_after_an_error_unless_another_worker_is_lost(error, is_over):
    before = set(threading.enumerate())
    with pytest.raises(error), cluster.Watch(Cluster(("127.0.0.1:1",), 0), 0.01, 30.0) as watch:
        (thread,) = set(threading.enumerate()) - before
        raise error
    thread.join(0.5)
    assert thread.is_alive() != is_over
    watch.__exit__(None)
    thread.join(10)


def test_a_worker_waits_ten_minutes_for_others_and_ends_within_two_when_it_is_left():
    """As docs/running.md says; ten looks are the least until a worker counts as ended."""
    assert cluster.WAIT_SECONDS == 600.0
    assert 10 * cluster.PROBE_SECONDS <= cluster.GONE_SECONDS < 120.0 - 2 * cluster.PROBE_SECONDS
