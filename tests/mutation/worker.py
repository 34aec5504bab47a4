"""Runs the tests of one planted fault after the other, each in a fork that finds TensorFlow imported.

Started by plant_faults.py in a copy of the project. It reads a JSON list of tests a line and answers with an object,
{"outcome": "survived", "killed" or "timeout", "by": what failed first, "seconds": of the processor}. Nothing of the
project is imported before the fork, and no TensorFlow operation is run: threads would not survive it.
"""

import ctypes
import json
import os
import pathlib
import re
import resource
import signal
import sys
import time

LOG = pathlib.Path("planted_fault.log")
# What the tests of a module may take, of the processor and by the clock: without a fault the longest take a third.
PROCESSOR_SECONDS, SECONDS = 300, 3600


def die_with_parent():
    """Has the kernel kill this process when the one that started it is gone, whatever ended that one."""
    set_parent_death_signal = 1
    ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)


def import_libraries():
    """What all tests import, but for the project."""
    import gin  # noqa: F401
    import keras  # noqa: F401
    import matplotlib.figure  # noqa: F401
    import pytest  # noqa: F401
    import tensorboard  # noqa: F401
    import tensorflow  # noqa: F401

    if any(name.split(".")[0] in ("dgm_tf", "tests") for name in sys.modules):
        raise AssertionError("expected nothing of the project to be imported, got some")


def run_tests(tests):
    """In the fork: the exit status of pytest, its output in a file."""
    import pytest

    os.setpgid(0, 0)
    die_with_parent()
    resource.setrlimit(resource.RLIMIT_CPU, (PROCESSOR_SECONDS, PROCESSOR_SECONDS + 5))
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(log, 1)
    os.dup2(log, 2)
    sys.path.insert(0, os.getcwd())
    return pytest.main(["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=line", *tests])


def wait_for(child):
    """(exit status or None where it took too long, seconds of the processor)."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until:
        done, status, used = os.wait4(child, os.WNOHANG)
        if done:
            status = os.waitstatus_to_exitcode(status)
            return None if status == -signal.SIGXCPU else status, used.ru_utime + used.ru_stime
        time.sleep(0.02)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return None, SECONDS


def judge(tests):
    """The answer to a request."""
    child = os.fork()
    if not child:
        try:
            os._exit(int(run_tests(tests)))
        except BaseException:
            os._exit(70)
    status, seconds = wait_for(child)
    log = LOG.read_text(errors="replace") if LOG.is_file() else ""
    first = re.search(r"^(?:FAILED|ERROR) (.+?)(?: - .*)?$", log, re.MULTILINE)
    # 0: all passed; 1: a test failed; 2 and above: not even collected; negative: a crash.
    return {
        "outcome": {0: "survived", None: "timeout"}.get(status, "killed"),
        "by": first[1] if first else f"exit status {status}",
        "seconds": round(seconds, 2),
    }


def main():
    """Serves until its input ends."""
    die_with_parent()
    sys.dont_write_bytecode = True  # a fault may have the size and the second of the file before it
    import_libraries()
    for line in sys.stdin:
        print(json.dumps(judge(json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
