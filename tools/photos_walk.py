r"""Times what a person does with a folder of photos, from the first training to forgetting a class.

  python tools/photos_walk.py --photos=photos --later=trash --label=100 --json=docs/results/photos_walk.json
  python tools/photos_walk.py --gin_file=gin/photos_dgm.gin --photos=photos --later=trash --label=100 --json=...

The folder has one subfolder for each class. Those named by --later are learned later by bin/learn, without a few
photos of each. These are labelled before, when their classes are unknown, after, and when the classes are forgotten.
Each command is a process of its own, start included. The run's folder is new and temporary. Let nothing else run.
"""

import argparse
import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


KEPT_BACK = 20  # photos of each later class that are not learned
FIELDS = ("label", "known")


def divided(photos, later, count, folder):
    """Links to the photos in folders: "first" classes, "later" ones, and some to be labelled: "new" of these, "all"."""
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    back = {name: [path for path in files if path.parent.name == name][::6][:KEPT_BACK] for name in later}
    for path in files:
        name = path.parent.name
        part = "first" if name not in later else "new" if path in back[name] else "later"
        target = folder / part / name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    labelled = folder / "all"
    labelled.mkdir()
    for path in files[:: max(1, len(files) // count)][:count]:
        shutil.copy(path, labelled / f"{path.parent.name}_{path.name}")
    return {part: folder / part for part in ("first", "later", "new", "all")}


class Walk:
    """Commands, one after the other.

    Args:
      folder: temporary; its path is left out of what is written.

    Attributes:
      steps: list of {"command", "line": with its flags, "seconds", "load_before", "screen": its output}.
    """

    def __init__(self, folder):
        self._folder, self.steps = folder, []

    def __call__(self, command, *arguments):
        """Runs one of bin/."""
        load, start = os.getloadavg()[0], time.monotonic()
        environment = os.environ | {"COLUMNS": "90"}
        done = subprocess.run(
            [str(ROOT / "bin" / command), *arguments], capture_output=True, text=True, check=False, env=environment
        )
        seconds = round(time.monotonic() - start, 1)
        if done.returncode:
            raise SystemExit(f"photos_walk: bin/{command} ended with exit status {done.returncode}: {done.stderr}")
        line = " ".join([f"bin/{command}", *arguments])
        step = {
            "command": f"bin/{command}",
            "line": line,
            "seconds": seconds,
            "load_before": load,
            "screen": done.stdout,
        }
        here = f"{self._folder}/"
        self.steps.append({k: v.replace(here, "") if isinstance(v, str) else v for k, v in step.items()})
        print(f"bin/{command}: {seconds} s", flush=True)

    def label(self, run, photos):
        """bin/predict; returns how many photos got each (label, known)."""
        table = self._folder / "labels.csv"
        self("predict", f"--run_dir={run}", f"--image_dir={photos}", f"--output={table}")
        with open(table, newline="", encoding="utf-8") as file:
            rows = [tuple(row[field] for field in FIELDS) for row in csv.DictReader(file)]
        self.steps[-1]["labels"] = {
            f"{label}, known {known or '-'}": rows.count((label, known)) for label, known in sorted(set(rows))
        }


def walk(gin_file, photos, later, count):
    """The commands, and the accuracies of the run."""
    from dgm_tf.measures import record

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        parts, run, step = divided(photos, later, count, folder), folder / "runs" / "photos", Walk(folder)
        step(
            "train",
            f"--gin_file={gin_file}",
            f"--gin_param=ImageFolder.directory='{parts['first']}'",
            f"--run_dir={run}",
        )
        step.label(run, parts["new"])
        step("learn", f"--run_dir={run}", f"--image_dir={parts['later']}")
        results = record.read(run)
        step.label(run, parts["new"])
        step.label(run, parts["all"])
        step("export", f"--run_dir={run}")
        step("audit", f"--run_dir={run}")
        step("forget", f"--run_dir={run}", f"--classes={','.join(later)}")
        step.label(run, parts["new"])
        return {
            "photos": {part: sum(1 for _ in path.rglob("*.*")) for part, path in parts.items()},
            "classes": results.class_names,
            "average_accuracy": results.column("average_accuracy"),
            "micro_accuracy": results.column("micro_accuracy"),
            "steps": step.steps,
        }


def main():
    """Walks, and writes the JSON."""
    from machine import described

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gin_file", default="gin/photos.gin")
    parser.add_argument("--photos", required=True, type=pathlib.Path)
    parser.add_argument("--later", required=True, type=lambda text: text.split(","))
    parser.add_argument("--label", default=100, type=int)
    parser.add_argument("--json", required=True)
    arguments = parser.parse_args()
    command = (
        f"python tools/photos_walk.py --gin_file={arguments.gin_file} --photos=photos "
        f"--later={','.join(arguments.later)} --label={arguments.label}"
    )
    found = walk(arguments.gin_file, arguments.photos.resolve(), arguments.later, arguments.label)
    found = {"command": command, **described()} | found
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
