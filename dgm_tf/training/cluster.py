"""Cluster of --strategy=multi_worker: its workers, waiting for all of them, noticing a lost one."""

import contextlib
import dataclasses
import json
import os
import socket
import threading
import time

from dgm_tf import output, stopping
from dgm_tf.errors import UserError

EXAMPLE = (
    'TF_CONFIG=\'{"cluster": {"worker": ["host1:2222", "host2:2222"]}, "task": {"type": "worker", "index": 0}}\', '
    "with index 1 in the second process"
)
WAIT_SECONDS = 600.0  # that a worker waits for the others
GONE_SECONDS = 60.0  # for which nobody answers at an address until its worker counts as ended
LOST_STATUS = 1  # exit status of a worker that another one has left
PROBE_SECONDS = 5.0
_RELEASE_SECONDS = 10.0  # that the process which had this worker's port before may take to end


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers in order, the chief first.

    Attributes:
      addresses: tuple of "host:port".
      index: this process's position in it.
    """

    addresses: tuple
    index: int

    @property
    def others(self):
        """Positions of all workers but this one."""
        return [i for i in range(len(self.addresses)) if i != self.index]

    def name(self, index):
        """Such as "worker 2 of 2 (host2:2222)"."""
        return f"worker {index + 1} of {len(self.addresses)} ({self.addresses[index]})"

    def names(self, indices):
        """The names of several."""
        return ", ".join(map(self.name, indices))


def cluster_of_environment():
    """The `Cluster` that the environment variable TF_CONFIG describes; None where it names no worker.

    Raises:
      UserError: it cannot be understood, or names other kinds of processes than workers.
    """
    text = os.environ.get("TF_CONFIG", "")
    try:
        config = json.loads(text or "{}")
        jobs, task = config.get("cluster") or {}, config.get("task") or {}
        addresses = {kind: [_checked(address) for address in jobs[kind]] for kind in jobs}
        kind, index = task.get("type"), task.get("index")
    except (ValueError, AttributeError, TypeError) as error:
        raise _misunderstood(f"got {text!r}") from error
    if not addresses:
        return None
    if set(addresses) - {"chief", "worker"}:
        raise _misunderstood(f"got processes of the kinds {', '.join(addresses)}; only chief and worker take part")
    if kind not in addresses or not isinstance(index, int) or not 0 <= index < len(addresses[kind]):
        raise _misunderstood(f"got the task {kind!r} {index!r}, which its cluster does not hold")
    chiefs = addresses.get("chief", [])
    everyone = (*chiefs, *addresses.get("worker", []))
    if len(set(everyone)) < len(everyone):
        raise _misunderstood(f"got an address twice: {', '.join(everyone)}")
    return Cluster(everyone, index if kind == "chief" else index + len(chiefs))


def _checked(address):
    host, _, port = address.rpartition(":")
    if not host or not 0 < int(port) < 2**16:
        raise ValueError(address)
    return address


def _misunderstood(found):
    return UserError(f"TF_CONFIG: expected the workers and this one's place, such as {EXAMPLE}; {found}")


def wait_for_all(cluster, seconds):
    """Waits until the addresses of all workers answer. Prints which workers it waits for.

    TensorFlow would wait in C++, without a word, deaf to signals and for ever.

    Raises:
      UserError: this worker's port is in use by another process, or a worker is missing after so many seconds.
    """
    missing, until = set(cluster.others), time.monotonic() + seconds
    with _listening(cluster):
        told = False
        while missing := {i for i in missing if not _answers(cluster.addresses[i], 1.0)}:
            if not told:
                names = cluster.names(sorted(missing))
                output.say(f"{_own(cluster)} waits for {names}, {seconds:.0f} seconds at most")
                told = True
            if time.monotonic() > until:
                raise UserError(
                    f"--strategy=multi_worker: {_own(cluster)} has waited {seconds:.0f} seconds for "
                    f"{cluster.names(sorted(missing))}: start each worker with its TF_CONFIG and the same command, at "
                    "addresses that the others can reach; --wait_for_workers changes the time"
                )
            time.sleep(0.5)


def _own(cluster):
    return f"worker {cluster.index + 1} of {len(cluster.addresses)}"


@contextlib.contextmanager
def _listening(cluster):
    """Makes this worker's port answer inside this context. TensorFlow takes the port afterwards."""
    port = _parts(cluster.addresses[cluster.index])[1]
    until = time.monotonic() + _RELEASE_SECONDS
    while True:
        try:
            listener = socket.create_server(("", port), backlog=128)
            break
        except OSError as error:
            if time.monotonic() > until:
                raise UserError(
                    f"TF_CONFIG: expected a free port for {cluster.name(cluster.index)}, got one that cannot be had "
                    f"({error.strerror}): name another, or end the process that has it"
                ) from error
            time.sleep(0.5)
    with listener:
        yield


def _parts(address):
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def _answers(address, timeout):
    try:
        socket.create_connection(_parts(address), timeout).close()
    except OSError:
        return False
    return True


class Watch:
    """Inside this context, the process ends soon after another worker has ended.

    TensorFlow itself mostly notices within some ten seconds, and the operation in hand fails. This is for the rest: a
    process that waits in C++, or computes for long without needing the others, whose work would be lost at the next
    step. What is on disk is whole, as files are renamed when they are complete.

    Args:
      cluster: `Cluster`.
      probe_seconds, gone_seconds: between two looks, and without an answer until a worker counts as ended.
    """

    def __init__(self, cluster, probe_seconds=PROBE_SECONDS, gone_seconds=GONE_SECONDS):
        self._cluster, self._probe_seconds, self._gone_seconds = cluster, probe_seconds, gone_seconds
        self._over = threading.Event()

    def __enter__(self):
        self._thread = threading.Thread(target=self._look, name="workers", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        if kind is None or not issubclass(kind, WorkerLost):  # else TensorFlow might still wait for the lost one
            self._over.set()

    def _look(self):
        answered = dict.fromkeys(self._cluster.others, time.monotonic())
        while not self._over.wait(self._probe_seconds):
            for index in answered:
                if _answers(self._cluster.addresses[index], self._probe_seconds):
                    answered[index] = time.monotonic()
            gone = [index for index, since in answered.items() if time.monotonic() - since > self._gone_seconds]
            if gone and not self._over.is_set():
                stopping.tell(f"\nerror: {WorkerLost(self._cluster.names(gone))}")
                os._exit(LOST_STATUS)


class WorkerLost(Exception):
    """Raised if another worker has ended: this one cannot continue alone. signum: the signal sent to this one, or None.

    names: of the lost workers, if known.
    """

    def __init__(self, names="another worker", signum=None):
        super().__init__(
            f"{names} has ended or cannot be reached, and this one cannot continue alone; the last checkpoint is "
            "intact: start all workers again with the same command"
        )
        self.signum = signum
