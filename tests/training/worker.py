"""One of two workers: runs tiny experiments and keeps what it has learned, for test_workers.py to compare.

Usage: worker.py FOLDER DOING, with TF_CONFIG. FOLDER is shared by both; what this worker found goes to
FOLDER/<run>-<index>.npz and .json. DOING: runs separated by commas, "dgmw", "dgma" or "mergan"; "dgmw:killed"
kills worker 2 in the midst of the second task; "mergan:stopped" sends it SIGTERM in the midst of the first one and
resumes in the same processes.
"""

import dataclasses
import json
import os
import pathlib
import signal
import sys

import numpy as np

from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder

KILLED_AT, STOPPED_AT = 7, 2  # steps since the first task began


def main():
    folder, doing = pathlib.Path(sys.argv[1]), sys.argv[2].split(",")
    sys.exit(sessions.run_session(RunFolder(folder / "session"), "multi_worker", lambda: run_all(folder, doing)))


def run_all(folder, doing):
    from dgm_tf.training.agreement import place
    from tests.tiny_run import timeless

    index = place()[0]
    written = watch_writes(folder) if index else []
    for each in doing:
        name, _, end = each.partition(":")
        results, learned = run(folder / name, name, end)
        told = {"results": timeless(results), "written": list(written)}
        np.savez(folder / f"{name}-{index}.npz", **learned)
        (folder / f"{name}-{index}.json").write_text(json.dumps(told), encoding="utf-8")
        written.clear()  # of what this function writes


def watch_writes(folder):
    """A list that gets the names of files in the folder that this process opens to write, makes, renames or removes."""
    written, folder = [], str(folder)

    def look(event, arguments):
        changes = event in ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
        opens = event == "open" and (arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if changes or opens:
            written.extend(str(a) for a in arguments[:2] if str(a).startswith(folder))

    sys.addaudithook(look)
    return written


def run(run_dir, kind, end):
    """(results, arrays of the learner) of one experiment."""
    from dgm_tf import stopping
    from dgm_tf.run import experiment, recorder

    learned = {}

    class Keeping(recorder.Recorder):
        def on_step(self, learner, context, phase, step, metrics):
            strike(end, learner.position.global_step)

        def finish(self, learner):
            learned.update(learner.arrays())
            return super().finish(learner)

    experiment.Recorder = Keeping
    recorder.export = lambda *_: None
    recorder.Recorder._write_figures = lambda *_: None
    while True:
        try:
            return experiment.run_experiment(run_dir, **settings(kind)).to_json(), learned
        except stopping.Interrupted as interrupt:
            assert end == "stopped" and interrupt.signum == signal.SIGTERM
            end = "resumed"


def strike(end, step):
    from dgm_tf.training.agreement import is_chief

    if not is_chief() and (end, step) in (("killed", KILLED_AT), ("stopped", STOPPED_AT)):
        os.kill(os.getpid(), signal.SIGKILL if end == "killed" else signal.SIGTERM)


def settings(kind):
    """Arguments of `run_experiment` for two tasks of one class, a few steps each."""
    from dgm_tf.data import ClassIncrementalStream
    from dgm_tf.measures.settings import EvaluationSettings
    from tests.methods import tiny

    method, size = {
        "dgmw": lambda: (tiny.dgm("weights", gan=dataclasses.replace(tiny.GAN, epochs=4)), 16),
        "dgma": lambda: (tiny.dgm("units"), 16),
        "mergan": lambda: (tiny.mergan("replay_alignment", gan=tiny.LARGE_STEPS), 32),
    }[kind]()
    evaluation = EvaluationSettings(gan_test_per_class=0, gan_train_epochs=0, judge_epochs=1, fine_tuning_epochs=0)
    stream = ClassIncrementalStream(Blocks(), validation_fraction=0.0, image_size=size)
    stream.complete = kind != "mergan"  # one that trains the joint classifier is enough
    return {"stream": stream, "method": method, "evaluation": evaluation, "checkpoint_seconds": 0.0}


class Blocks:
    """Two classes of 16 images each of 16x16 pixels: one dark, one bright."""

    name = "blocks"

    def load(self):
        from dgm_tf.data.arrays import Arrays

        rng = np.random.default_rng(0)
        labels = np.repeat(np.arange(2), 8)
        images, tests = (
            (rng.integers(0, 60, (16, 16, 16, 1)) + 120 * labels[:, None, None, None]).astype(np.uint8) for _ in "ab"
        )
        return Arrays(images, labels, tests, labels, ("dark", "bright"))


if __name__ == "__main__":
    main()
