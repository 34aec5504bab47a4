"""Clock: where the time of a run goes."""

import contextlib
import time

# What time is put down to, by its name in results. Phases and callbacks of one's own have names of their own.
TIMINGS = {
    "prepare": "networks are made for a new task",
    "replay": "a phase is made, and the images that it replays are generated",
    "tracing": "the first step of each phase, in which TensorFlow compiles it",
    "gan": "all other steps of the GAN's phase",
    "classifier": "all other steps of the classifier's own phase",
    "end_task": "a task is ended: a DGM reserves and grows",
    "checkpoints": "checkpoints are written",
    "callbacks": "callbacks that name nothing else",
    "evaluation": "accuracies and generated images are measured",
    "gan_train": "classifiers are trained on replay, to be tested on real images",
    "bounds": "classifiers are trained on real images, to compare with",
    "summaries": "logs, images and curves are written",
    "progress": "the bar is drawn",
    "export": "SavedModels are written",
}
NOT_LEARNING = ("evaluation", "gan_train", "bounds", "summaries", "progress")  # what a method is not to blame for


class Clock:
    """Seconds by what they were spent on; of nested measurements the inner one counts.

    On a GPU a training step may return before it is computed: whoever waits for its result is charged with it.
    """

    def __init__(self):
        self._seconds, self._names, self._since = {}, [], 0.0

    @contextlib.contextmanager
    def measure(self, name):
        """Charges what happens inside to `name`, one of `TIMINGS` or of one's own."""
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
        """Restarts from zero, or from a result of `read`."""
        self._charge()
        self._seconds = dict(seconds)

    def _charge(self):
        now = time.monotonic()
        if self._names:
            self._seconds[self._names[-1]] = self._seconds.get(self._names[-1], 0.0) + now - self._since
        self._since = now
