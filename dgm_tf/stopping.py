"""Stop signals: noted when they arrive, obeyed where nothing is lost.

A run is inside `StopSignals`: it looks at them after each training step, and what takes long in between calls `check`
again and again, which ends the run once all that was learned is on disk. A command is inside `ending_at_once`: before
and after the run a signal ends it where it stands.
"""

import contextlib
import logging
import os
import select
import signal
import threading
import time

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE = 5.0  # seconds that a training step may take until its state is saved; then the last checkpoint has to do
PATIENCE = 8.0  # seconds after which a command whose main thread answers to nothing is ended from outside
SECOND_PATIENCE = 1.5  # the same after a second signal

_log = logging.getLogger("dgm_tf")
_here = threading.local()  # .signals: the thread's innermost `StopSignals`
_command = None  # of the `ending_at_once` in force
_descriptor = 2  # of standard error
_main = None  # the main thread's innermost `StopSignals`
_left = 0.0  # when the main thread left the last one that was to stop


class Interrupted(Exception):
    """Raised when a run was asked to stop and everything to resume from is on disk.

    Attributes:
      signum: the signal's number.
      together: whether all workers have agreed to stop here; else this one leaves the others.
    """

    def __init__(self, signum, together=False):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum, self.together = signum, together


class Ended(KeyboardInterrupt):
    """Raised when a signal ends a command at once. `signum`: the signal's number."""

    def __init__(self, signum):
        super().__init__(f"stopped by {signal.Signals(signum).name}")
        self.signum = signum


class StopSignals:
    """Notes SIGINT, SIGTERM and SIGHUP inside this context. A second signal ends the process.

    SIGHUP stays ignored where it was, as under `nohup`. In a thread no signals are heard, and the log says so.

    Args:
      patient: whether what is to be done after a signal may take long, such as waiting for other processes.

    Attributes:
      received: number of the first signal, or None.
      unsaved: whether something is learned that a signal would lose: `check` then leaves it to the one who saves.
      writing: future of what is being written, or None.
      answered: whether the signal has been seen by who acts upon it.
    """

    def __init__(self, patient=False):
        self.received, self.unsaved, self.writing = None, False, None
        self.answered, self._since = patient, 0.0

    def __enter__(self):
        global _main
        self._outer, _here.signals = getattr(_here, "signals", None), self
        self._previous = {}
        if not _in_main_thread():
            _log.warning("a run in a thread hears no signals: it ends where its process ends, and resumes from there")
            return self
        _main, self._outer_main = self, _main
        self._previous = _handle(self.note)
        if _command is not None and _command.signum is not None:  # it came, and whoever was interrupted went on
            self.note(_command.signum)
        return self

    def note(self, signum, frame=None):
        """Notes a signal. A second one raises `Ended`."""
        if self.received is not None:
            raise Ended(signum)
        self.received, self._since = signum, time.monotonic()
        if signum == signal.SIGPIPE:
            tell("standard output is closed: stopping as soon as the state is saved")
        else:
            tell("\nstopping as soon as the state is saved; once more stops at once")

    def check(self):
        """Raises `Interrupted` after a signal, unless it comes within seconds to where more can be saved."""
        if self.received is None or (self.unsaved and time.monotonic() - self._since < GRACE):
            return
        self.answered = True
        raise Interrupted(self.received)

    def __exit__(self, *_):
        global _left, _main
        _here.signals = self._outer
        if _in_main_thread():
            _left = time.monotonic() if self.received is not None else _left  # first: another thread looks at both
            _main = self._outer_main
        _restore(self._previous)

    @property
    def _is_stuck(self):
        """Whether the process can be ended now without loss."""
        return not (self.answered or self.unsaved or (self.writing is not None and not self.writing.done()))


def check():
    """Raises `Interrupted` if this thread's run was asked to stop and nothing is lost."""
    signals = getattr(_here, "signals", None)
    if signals is not None:
        signals.check()


def request(signum):
    """Asks the main thread's run, or the next one, to stop as by a signal. A second request has no effect."""
    if _main is None:
        if _command is not None:
            _command.signum = signum
    elif _main.received is None:
        _main.note(signum)


def ended():
    """Returns the `Ended` that a signal raised in this command, even if a library hides it, or None."""
    return None if _command is None else _command.ended


@contextlib.contextmanager
def held():
    """Delays signals until the end of this short context, which must not be interrupted."""
    waiting = []
    previous = _handle(lambda signum, frame: waiting.append(signum)) if _in_main_thread() else {}
    try:
        yield
    finally:
        _restore(previous)
        for signum in waiting:
            signal.raise_signal(signum)


@contextlib.contextmanager
def ending_at_once():
    """Makes signals raise `Ended` inside this context of a command, unless `StopSignals` notes them.

    Where the main thread does not come to act upon a signal, as in a library's call that takes minutes, and where
    nothing is lost by it, the process is ended by another thread.
    """
    if not _in_main_thread():
        yield
        return
    global _command
    _command = unanswered = _Unanswered()
    previous = _handle(unanswered.end)
    unanswered.start()
    try:
        yield
    finally:
        unanswered.close()
        _restore(previous)
        _command = None


class _Unanswered:
    """Watchdog: ends the process if the main thread does not answer to a signal."""

    def __init__(self):
        self.signum = self.ended = None
        self._closed = threading.Event()

    def end(self, signum, frame=None):
        """Signal handler while no run is active."""
        self.signum = signum
        self.ended = Ended(signum)
        raise self.ended

    def start(self):
        """Python's own handlers wait for the main thread; what the interpreter writes into a pipe does not."""
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)
        self._before = signal.set_wakeup_fd(self._writer, warn_on_full_buffer=False)
        threading.Thread(target=self._wait, name="signals", daemon=True).start()

    def close(self):
        """Lets signals go unanswered again."""
        self._closed.set()
        signal.set_wakeup_fd(self._before)
        os.close(self._writer)

    def _wait(self):
        times: list[tuple[float, int]] = []
        while not self._closed.is_set():
            if select.select([self._reader], [], [], 0.2 if times else None)[0]:
                came = [byte for byte in os.read(self._reader, 512) if byte in SIGNALS]
                times += [(time.monotonic(), signum) for signum in came]
                if not came and not times:
                    continue
            if times and not self._closed.is_set() and _is_late(times, time.monotonic()):
                _end_process(times[0][1])
        os.close(self._reader)


def _is_late(times, now):
    """Whether the process is to be ended: times are those of the signals, with their numbers."""
    if len(times) > 1 and now - times[1][0] > SECOND_PATIENCE:
        return True
    since = max(times[0][0], _left)  # saving may have taken longer, and the end of a run takes a moment, too
    return now - since > PATIENCE and (_main is None or _main._is_stuck)


def _end_process(signum):
    show_cursor = "\x1b[?25h" if os.isatty(2) else ""
    tell(f"{show_cursor}stopped by {signal.Signals(signum).name}: all that was saved is on disk")
    os._exit(128 + signum)


def _in_main_thread():
    return threading.current_thread() is threading.main_thread()


def _handle(handler):
    """Sets the handler of all signals except an ignored SIGHUP; returns the state for `_restore`."""
    heard = [s for s in SIGNALS if s != signal.SIGHUP or signal.getsignal(s) != signal.SIG_IGN]
    return {s: signal.signal(s, handler) for s in heard}


def _restore(previous):
    for signum, handler in previous.items():
        signal.signal(signum, signal.SIG_DFL if handler is None else handler)


def tell_to(descriptor):
    """Redirects this module's messages. Default: standard error."""
    global _descriptor
    _descriptor = descriptor


def tell(text):
    """Writes a line to standard error without Python's buffers, which a handler may have interrupted."""
    with contextlib.suppress(OSError):
        os.write(_descriptor, f"{text}\n".encode())
