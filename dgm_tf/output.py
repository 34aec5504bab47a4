"""Printing that may fail: no run ends because a terminal, a pipe or a log's disk is gone."""

import contextlib
import logging
import os
import sys

from dgm_tf.text import shown


class LastingStream:
    """Wrapper of a stream: drops output that cannot be written, and escapes characters that it cannot encode.

    Args:
      stream: text stream, or None: nothing is written.
      on_broken: function called once, when nobody reads what is written any more.
      on_failure: function of the first other `OSError`, called once.
    """

    def __init__(self, stream, on_broken=None, on_failure=None):
        self._stream, self._on_broken, self._on_failure = stream, on_broken, on_failure
        self.is_broken = False

    def __getattr__(self, name):
        return getattr(self._stream, name)

    @property
    def encoding(self):
        """The stream's encoding. `rich` draws plain boxes if it cannot encode others."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self):
        """Whether the stream is a terminal."""
        try:
            return bool(self._stream.isatty())
        except (AttributeError, OSError, ValueError):  # none, closed
            return False

    def write(self, text):
        """Writes as much as possible; returns the length of the text."""
        if self._stream is None or self.is_broken:
            return len(text)
        with self._forgiving():
            try:
                self._stream.write(text)
            except UnicodeEncodeError:
                encoding = self.encoding
                self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        return len(text)

    def writelines(self, lines):
        """Writes line after line."""
        for line in lines:
            self.write(line)

    def flush(self):
        """Flushes as far as possible."""
        if self._stream is not None and not self.is_broken:
            with self._forgiving():
                self._stream.flush()

    def finish(self):
        """Flushes, and drops what cannot be flushed: the interpreter's own last flush would fail."""
        self.flush()
        if self._stream is None:
            return
        try:
            self._stream.flush()
        except (OSError, ValueError):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                send_to_nothing(self._stream.fileno())
                self._stream.flush()

    @contextlib.contextmanager
    def _forgiving(self):
        try:
            yield
        except BrokenPipeError:
            self.is_broken = True
            if self._on_broken is not None:
                self._on_broken()
        except (OSError, ValueError) as error:  # ValueError: it was closed
            tell, self._on_failure = self._on_failure, None
            if tell is not None:
                tell(error)


def send_to_nothing(descriptor):
    """Redirects a file descriptor to nothing."""
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, descriptor)
    os.close(nothing)


def lasting(stream):
    """Wraps a stream so that it never fails."""
    return stream if isinstance(stream, LastingStream) else LastingStream(stream)


def say(text=""):
    """Prints to standard output."""
    print(text, file=lasting(sys.stdout), flush=True)


def complain(text):
    """Prints to standard error."""
    print(text, file=lasting(sys.stderr), flush=True)


def warn(text):
    """Prints a warning of one line to standard error."""
    complain(f"warning: {shown(text)}")


def console(stream=None, **options):
    """Makes a `rich` console that prints plain text, without markup or emoji codes. Default: standard output."""
    from rich.console import Console

    stream = lasting(sys.stdout if stream is None else stream)
    return Console(file=stream, **{"markup": False, "emoji": False, "highlight": False} | options)


@contextlib.contextmanager
def lasting_standard_streams(on_broken=None):
    """Makes standard output and standard error of a command never fail inside this context; yields the former.

    Args:
      on_broken: function called once, when nobody reads standard output any more.
    """
    _open_closed_descriptors()
    before = sys.stdout, sys.stderr, logging.raiseExceptions
    sys.stdout = LastingStream(_inner(sys.stdout), on_broken, _tell_failure)
    sys.stderr = LastingStream(_inner(sys.stderr))
    logging.raiseExceptions = False  # a log that cannot be written would print a stack trace for each line
    try:
        yield sys.stdout
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.finish()
        sys.stdout, sys.stderr, logging.raiseExceptions = before


def _open_closed_descriptors():
    """Opens closed descriptors 0 to 2. Otherwise the next file would get a library's output."""
    for descriptor, flags in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(descriptor)
        except OSError:
            opened = os.open(os.devnull, flags)  # gets the lowest free number: this one
            os.set_inheritable(opened, True)


def _inner(stream):
    return stream._stream if isinstance(stream, LastingStream) else stream


def _tell_failure(error):
    reason = getattr(error, "strerror", None) or error
    complain(f"standard output cannot be written to ({shown(reason)}): what is printed there is lost")
