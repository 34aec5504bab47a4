"""Clock: where the time of a run goes."""

import contextlib
import time


class Clock:
    """Seconds by what they were spent on; of nested measurements the inner one counts.

    On a GPU a training step may return before it is computed: whoever waits for its result is charged with it.
    """

    def __init__(self):
        self._seconds, self._names, self._since = {}, [], 0.0

    @contextlib.contextmanager
    def measure(self, name):
        """Charges what happens inside to `name`."""
        self._charge()
        self._names.append(name)
        try:
            yield
        finally:
            self._charge()
            self._names.pop()

    def read(self):
        """Dict name -> seconds until now, to the millisecond."""
        self._charge()
        return {name: round(seconds, 3) for name, seconds in self._seconds.items()}

    def restart(self, seconds=()):
        """Forgets, or goes on from, what `read` gave."""
        self._charge()
        self._seconds = dict(seconds)

    def _charge(self):
        now = time.monotonic()
        if self._names:
            self._seconds[self._names[-1]] = self._seconds.get(self._names[-1], 0.0) + now - self._since
        self._since = now
