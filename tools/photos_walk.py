r"""Times what a new user does with a folder of photos: train, learn a class later, label photos, export.

  python tools/photos_walk.py --photos=photos --later=trash --label=100 --json=docs/results/photos_walk.json

The folder has one subfolder for each class. The classes named by --later are learned by bin/learn. Each command is a
process of its own, start included. The folder of the run is new and temporary. Let nothing else run meanwhile.
"""

import argparse
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


def divided(photos, later, count, folder):
    """Links to the photos in three folders: first classes, later ones, and some of all to be labelled."""
    files = sorted(path for path in photos.rglob("*") if path.is_file())
    for path in files:
        target = folder / ("later" if path.parent.name in later else "first") / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(path)
    labelled = folder / "label"
    labelled.mkdir()
    for path in files[:: max(1, len(files) // count)][:count]:
        shutil.copy(path, labelled / f"{path.parent.name}_{path.name}")
    return folder / "first", folder / "later", labelled


def timed(command, *arguments):
    """Runs one of bin/; returns {"command", "seconds", "load_before", "screen": its output}."""
    load, start = os.getloadavg()[0], time.monotonic()
    done = subprocess.run([str(ROOT / "bin" / command), *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"photos_walk: bin/{command} ended with exit status {done.returncode}: {done.stderr}")
    seconds = round(time.monotonic() - start, 1)
    return {"command": f"bin/{command}", "seconds": seconds, "load_before": load, "screen": done.stdout}


def walk(photos, later, count):
    """The four commands, and the accuracies of the run."""
    from dgm_tf.measures import record

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        first, rest, labelled = divided(photos, later, count, folder)
        run = folder / "runs" / "photos"
        steps = [
            timed(
                "train", "--gin_file=gin/photos.gin", f"--gin_param=ImageFolder.directory='{first}'", f"--run_dir={run}"
            ),
            timed("learn", f"--run_dir={run}", f"--image_dir={rest}"),
            timed("predict", f"--run_dir={run}", f"--image_dir={labelled}"),
            timed("export", f"--run_dir={run}"),
        ]
        results = record.read(run)
        for step in steps:
            step["screen"] = step["screen"].replace(name, "...")
        images = {part: sum(1 for _ in path.rglob("*.*")) for part, path in (("first", first), ("later", rest))}
        return {
            "photos": images | {"labelled": len(list(labelled.iterdir()))},
            "classes": results.class_names,
            "average_accuracy": results.column("average_accuracy"),
            "micro_accuracy": results.column("micro_accuracy"),
            "steps": steps,
        }


def main():
    """Walks, and writes the JSON."""
    from machine import described

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True, type=pathlib.Path)
    parser.add_argument("--later", required=True, type=lambda text: text.split(","))
    parser.add_argument("--label", default=100, type=int)
    parser.add_argument("--json", required=True)
    arguments = parser.parse_args()
    command = (
        f"python tools/photos_walk.py --photos=photos --later={','.join(arguments.later)} --label={arguments.label}"
    )
    found = {"command": command, **described()} | walk(arguments.photos.resolve(), arguments.later, arguments.label)
    pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for step in found["steps"]:
        print(f"{step['command']}: {step['seconds']} s")


if __name__ == "__main__":
    main()
