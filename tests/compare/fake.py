"""Stand-ins for what a suite runs: results as a run writes them, and a command that ends as it is told."""

import sys

from dgm_tf.compare.runs import FINISHED, NEW, Run
from dgm_tf.compare.suite import SuiteRow
from dgm_tf.disk import files
from dgm_tf.measures import standard

TEXT = "A.b = 1\n"

# What a run does, in small: it claims its folder, learns, saves when it is asked to stop, and ends.
SCRIPT = """
import json, pathlib, signal, sys, time
folder, what = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True, exist_ok=True)
(folder / "config.gin").write_text("A.b = 1\\n")
starts = folder / "starts"
starts.write_text(starts.read_text() + "x" if starts.exists() else "x")

def save(*_):
    time.sleep(0.3)
    (folder / "saved").write_text("")
    sys.exit(143)

signal.signal(signal.SIGTERM, save)
print("started", what, flush=True)
if what == "fail":
    sys.exit("error: it did not work")
if what == "die":
    signal.raise_signal(signal.SIGKILL)
if what == "hang" and not (folder / "saved").exists():
    (folder / "hangs").write_text("")
    time.sleep(60)
(folder / "results.json").write_text(json.dumps({"finished": True, "average_accuracy": [1.0]}))
"""


def kept(of_images="images", pretrained=False):
    """Entries of results.json that say what is kept of images."""
    described = {name: about.to_json() for name, about in standard.descriptions().items()}
    return {"what_is_kept": {"of images": of_images, "pretrained": pretrained}, "measures": described}


def results(accuracies, finished=True, **others):
    """A results.json of one-class tasks. accuracies: fractions, A_1 to A_t."""
    tasks = len(accuracies)
    return {
        "finished": finished,
        "tasks": [[t] for t in range(tasks)],
        "classes_per_task": [1] * tasks,
        "average_accuracy": list(accuracies),
        "seconds": [{"prepare": 1.0, "gan": 9.0, "evaluation": 100.0, "bounds": 50.0, "gan_train": 7.0}] * tasks,
        "memory_bytes": [{"generator": 1000 * (t + 1), "masks": 24} for t in range(tasks)],
        "parameters": [{"generator": 250, "discriminator": 50 + t} for t in range(tasks)],
        **others,
    }


def row(name="dgmw", **settings):
    """A `SuiteRow`."""
    return SuiteRow(**{"gin_file": "gin/quickstart.gin", "name": name, **settings})


def run(root, what="ok", name="dgmw", seed=0):
    """A `Run` of the fake command."""
    run_dir = root / name / f"seed{seed}"
    command = [sys.executable, "-I", "-S", "-c", SCRIPT, str(run_dir), what]
    return Run(row(name), seed, run_dir, command, TEXT)


def finished(root, suite_row, seed, content):
    """A `Run` whose folder holds these results."""
    run_dir = root / suite_row.name / f"seed{seed}"
    files.write_atomically(run_dir / "config.gin", TEXT)
    files.write_json(run_dir / "results.json", content)
    return Run(suite_row, seed, run_dir, [], TEXT, FINISHED if content["finished"] else NEW)


class Broken:
    """A table whose update fails once a run hangs."""

    def __init__(self, run):
        self._run = run

    def update(self):
        if (self._run.run_dir / "hangs").exists():
            raise KeyboardInterrupt  # a second Ctrl-C comes as this
