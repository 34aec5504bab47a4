"""A command in a folder of its own: started, killed after some processor time, started again, let come to its end."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

_ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PYTHONPATH": str(_ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1",
    "TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1",
}  # fmt: skip
_TICKS = os.sysconf("SC_CLK_TCK")


class Life:
    """A folder in which a subject's command is given, and what each start of it printed.

    Args:
      subject: of `subjects`.
      folder: made anew.

    Attributes:
      status: exit status of the last start, None before and after a kill; log: file with all that was printed.
    """

    def __init__(self, subject, folder):
        self.subject, self.folder, self.log, self.status = subject, folder, folder.with_suffix(".log"), None
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        subject.begin(folder)

    def _start(self):
        """The command as a process of its own, which a terminal's Ctrl-C does not reach."""
        with open(self.log, "ab") as log:
            return subprocess.Popen(
                self.subject.command(self.folder), cwd=self.folder.parent, env=os.environ | ENVIRONMENT, stdout=log,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def end(self):
        """Lets it come to its end; returns the seconds of processor time."""
        process = self._start()
        _, status, usage = os.wait4(process.pid, 0)
        self.status = process.returncode = os.waitstatus_to_exitcode(status)
        return usage.ru_utime + usage.ru_stime

    def kill_after(self, seconds, from_start, with_children):
        """Kills it after so much processor time; returns where it was, or None if it had come to its end before.

        Args:
          seconds: of processor time, its children's included.
          from_start: whether they count from the start of Python, and not from where the run begins.
          with_children: whether its processes are killed, too, such as a suite's runs.
        """
        self.status, before = None, self.subject.sessions(self.folder)
        process, begun = self._start(), 0.0 if from_start else None
        while process.poll() is None:
            used = _processor_seconds(process.pid)
            if begun is None and self.subject.sessions(self.folder) > before:
                begun = used
            if begun is not None and used - begun >= seconds:
                for pid in _family(process.pid) if with_children else [process.pid]:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                process.wait()
                return self.subject.position(self.folder, before)
            time.sleep(0.02)
        self.status = process.returncode
        return None


def _family(pid):
    """Ids of a process and its descendants."""
    try:
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:  # it has ended
        children = []
    return [pid, *(member for child in children for member in _family(int(child)))]


def _processor_seconds(pid):
    """Of a process and its descendants, those that have ended included."""
    ticks = 0
    for member in _family(pid):
        with contextlib.suppress(OSError):  # it has ended
            fields = pathlib.Path(f"/proc/{member}/stat").read_text().rsplit(") ", 1)[1].split()
            ticks += sum(map(int, fields[11:15]))
    return ticks / _TICKS
