"""--strategy=multi_worker: two processes on this machine learn as one, and neither is left waiting for the other."""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
import types

import numpy as np
import pytest

from dgm_tf.disk import files
from dgm_tf.learner import load
from tests.methods import tiny  # noqa: F401 - registers the networks

pytestmark = pytest.mark.ci
RUNS = "dgma", "mergan", "dgmw"
WORKER = pathlib.Path(__file__).with_name("worker.py")


def free_ports(count):
    listeners = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [listener.getsockname()[1] for listener in listeners]
    for listener in listeners:
        listener.close()
    return ports


def start(root, folder, doing):
    """Both workers, as processes; what they print goes to FOLDER/<index>.log."""
    folder.mkdir(exist_ok=True)
    addresses = [f"127.0.0.1:{port}" for port in free_ports(2)]
    processes = []
    for index in range(2):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        environment = os.environ | {
            "TF_CONFIG": json.dumps(config), "PYTHONPATH": str(root), "CUDA_VISIBLE_DEVICES": "-1",
            "TF_CPP_MIN_LOG_LEVEL": "3",
        }  # fmt: skip
        with open(folder / f"{index}.log", "a", encoding="utf-8") as log:
            command = [sys.executable, "-P", str(WORKER), str(folder), doing]
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT))
    return processes


def ends(processes):
    """For each process (exit status, seconds after the first one's end)."""
    first, ended = None, {}
    try:
        while len(ended) < len(processes) and (first is None or time.monotonic() - first < 300.0):
            for index, process in enumerate(processes):
                if index not in ended and process.poll() is not None:
                    first = first or time.monotonic()
                    ended[index] = process.returncode, time.monotonic() - first
            time.sleep(0.2)
    finally:
        for process in processes:
            process.kill()
    return [ended[index] for index in range(len(processes))]


def log_of(folder, index):
    return (folder / f"{index}.log").read_text(encoding="utf-8")


def found_by(folder, run, index):
    """(results, arrays of the learner, names of files that it has written in the folder) of a worker."""
    told = json.loads((folder / f"{run}-{index}.json").read_text(encoding="utf-8"))
    with np.load(folder / f"{run}-{index}.npz") as arrays:
        return told["results"], {name: arrays[name] for name in arrays.files}, told["written"]


@pytest.fixture(scope="module")
def history(project_root, tmp_path_factory):
    """DGMa, MeRGAN with a stop, DGMw until worker 2 is killed; then, in new processes, DGMw to its end."""
    folder = tmp_path_factory.mktemp("workers")
    first = start(project_root, folder, "dgma,mergan:stopped,dgmw:killed")
    killed = ends(first)
    logs = [log_of(folder, index) for index in range(2)]
    assert killed[1][0] == -signal.SIGKILL, logs[1][-3000:]
    second = start(project_root, folder, "dgmw")
    assert [status for status, _ in ends(second)] == [0, 0], log_of(folder, 0)[-3000:]
    others = {str(processes[1].pid) for processes in (first, second)}
    return types.SimpleNamespace(folder=folder, survivor=killed[0], logs=logs, others=others)


def test_the_other_worker_ends_soon_and_says_why(history):
    status, seconds = history.survivor
    assert status == 1 and seconds < 120.0
    last = history.logs[0].rstrip().splitlines()[-1]
    assert last.startswith("error: another worker has ended or cannot be reached") and "same command" in last
    assert "Traceback" not in history.logs[0]


@pytest.mark.parametrize("run", RUNS)
def test_both_learn_the_same(history, run):
    (results, arrays, _), (others_results, others, _) = (found_by(history.folder, run, index) for index in range(2))
    assert results == others_results
    assert arrays.keys() == others.keys() and len(results["average_accuracy"]) == 2
    assert not [name for name in arrays if not np.array_equal(arrays[name], others[name])]


@pytest.mark.parametrize("run", RUNS)
def test_the_memory_is_what_the_other_worker_has_learned_too(history, run):
    assert files.read_json(history.folder / run / "results.json")["finished"]
    saved, (_, learned, _) = load(history.folder / run).arrays(), found_by(history.folder, run, 1)
    assert saved.keys() == learned.keys()
    differ = {name.split("/")[-1] for name in saved if not np.array_equal(saved[name], learned[name])}
    assert differ <= {"embedding"}  # not kept between tasks


@pytest.mark.parametrize("run", RUNS)
def test_the_chief_alone_writes(history, run):
    _, _, written = found_by(history.folder, run, 1)
    assert written == []
    processes = {path.name.split(".")[5] for path in (history.folder / run).glob("*/events.out.tfevents.*")}
    assert processes and processes.isdisjoint(history.others)


def test_both_stop_where_one_is_told_to(history):
    told = [log.count("stopping as soon as the state is saved") for log in history.logs]
    assert told == [0, 1]
