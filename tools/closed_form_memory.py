r"""Measures memory of the closed form, as Gram matrices, and of extraction, by the number of photos.

  python tools/closed_form_memory.py --features=8000 --photos=500,4000 --json=docs/results/closed_form_memory.json

All data are made. What counts is anonymous memory (RssAnon of /proc, every few milliseconds), without pages of mapped
files. Of a stage it is what comes on top of the process before the first task; of a command, what comes on top of the
same command with few features. It needs Linux and the extra photos.
"""

import argparse
import contextlib
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

HEADS = {
    "ridge": {"head": "ridge", "balanced": False, "per_class": False, "regularization": 0.005},
    "lda": {"head": "lda", "per_class": False},
}
FILTERS = {"patch_sizes": (6,), "filters": 8, "patches": 1000}  # of so few features that random ones are made of them
GIN = """
include "gin/base/experiment.gin"
include "gin/methods/closed_form.gin"
include "gin/features/whitened_patches.gin"
import dgm_tf.data

run_experiment.stream = @ClassIncrementalStream()
ClassIncrementalStream.source = @ImageArchive()
ClassIncrementalStream.classes_per_task = 1
ImageArchive.path = '{archive}'
"""
CLASSES, IMAGES = 3, 100  # of a run; images of a class
PHOTO_CLASSES, PHOTO_SIDE = 4, 160
FEW = 50  # features of the command that others are compared with
INTERVAL = 0.003  # seconds between two looks
STAGE = "stage "  # begins the lines that tell when one ends


class Watched:
    """A child process: its output, and (time, RssAnon in bytes) while it ran."""

    def __init__(self, *command):
        self.looks = []
        command = [sys.executable, *map(str, command)]
        settings = os.environ | {"PYTHONPATH": str(ROOT)}
        with subprocess.Popen(
            command, cwd=ROOT, env=settings, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as child:
            thread = threading.Thread(target=self._watch, args=[child])
            thread.start()
            self.output, errors = child.communicate()
            thread.join()
        if child.returncode:
            raise SystemExit(f"closed_form_memory: {shlex.join(command)} ended with {child.returncode}:\n{errors}")

    def _watch(self, child):
        path = pathlib.Path(f"/proc/{child.pid}/status")
        while child.returncode is None:
            with contextlib.suppress(OSError):  # it has just ended
                if found := re.search(r"RssAnon:\s*(\d+)", path.read_text(encoding="ascii")):
                    self.looks.append((time.monotonic(), 1024 * int(found[1])))
            time.sleep(INTERVAL)

    @property
    def peak(self):
        """Bytes."""
        return max(size for _, size in self.looks)

    def stages(self):
        """{stage: its peak in bytes above what there was when the first one ended}."""
        ends = [line.split(maxsplit=2)[1:] for line in self.output.splitlines() if line.startswith(STAGE)]
        ends = [(float(at), name) for at, name in ends]
        base = [size for at, size in self.looks if at <= ends[0][0]][-1]
        return {
            name: max(size for at, size in self.looks if begin <= at <= end) - base
            for (begin, _), (end, name) in zip(ends, ends[1:], strict=False)
        }


def made_task(index):
    """A `Task` of one class of images whose pixels are drawn around a mean."""
    from dgm_tf.data import Split, Task

    rng = np.random.default_rng(index)
    images = np.clip(rng.normal(rng.uniform(0, 255, (32, 32, 1)), 40.0, (2 * IMAGES, 32, 32, 1)), 0, 255)
    splits = [Split(part.astype(np.uint8), np.full(len(part), index, np.int32)) for part in np.split(images, 2)]
    return Task(index, (index,), (f"class {index}",), splits[0], splits[1], splits[1])


def run_stages(head, features):
    """In a child: learns tasks in Python, saves, loads and learns on; tells when each stage ends."""
    import dgm_tf
    from dgm_tf.features.whitened_patches import WhitenedPatches
    from dgm_tf.methods.closed_form import ClosedForm
    from dgm_tf.methods.feature_space import FeatureSpace
    from dgm_tf.run.checkpoints import write_checkpoint

    def tell(name):
        time.sleep(3 * INTERVAL)
        print(f"{STAGE}{time.monotonic()} {name}", flush=True)

    def new(features):
        return dgm_tf.Learner(
            FeatureSpace(ClosedForm(random_features=features, **HEADS[head]), WhitenedPatches(**FILTERS))
        )

    new(FEW).learn(made_task(0))  # TensorFlow's own memory
    learner = new(features)
    tell("start")
    learner.learn(made_task(0))
    tell("first task")
    learner.learn(made_task(1))
    tell("second task")
    with tempfile.TemporaryDirectory() as folder:
        notes = {"results": {}, "seconds": {}}
        write_checkpoint(folder, learner.arrays(), learner.description(), notes)
        tell("checkpoint")
        learner.save(folder)
        del learner
        tell("save")
        learner = dgm_tf.load(folder)
        tell("load")
        learner.learn(made_task(2))
        tell("task after loading")


def command_peak(folder, head, features):
    """Peaks of bin/train and bin/learn, {command: bytes}."""
    tasks = [made_task(index) for index in range(CLASSES + 1)]
    for name, chosen in (("first", tasks[:-1]), ("later", tasks[-1:])):
        arrays = {
            f"{part}_{what}": np.concatenate([getattr(getattr(task, part), what) for task in chosen])
            for part in ("train", "test")
            for what in ("images", "labels")
        }
        arrays |= {f"{part}_labels": arrays[f"{part}_labels"] - chosen[0].index for part in ("train", "test")}
        np.savez(folder / f"{name}.npz", class_names=[name for task in chosen for name in task.class_names], **arrays)
    settings = {f"WhitenedPatches.{k}": v for k, v in FILTERS.items()}
    settings |= {f"ClosedForm.{k}": v for k, v in (HEADS[head] | {"random_features": features}).items()}
    text = GIN.format(archive=folder / "first.npz") + "".join(f"{k} = {v!r}\n" for k, v in settings.items())
    (folder / "run.gin").write_text(text, encoding="utf-8")
    run = f"--run_dir={folder / f'run{features}'}"
    train = Watched("-m", "dgm_tf.cli.train", f"--gin_file={folder / 'run.gin'}", run)
    learn = Watched("-m", "dgm_tf.cli.learn", run, f"--archive={folder / 'later.npz'}")
    return {"bin/train": train.peak, "bin/learn": learn.peak}


def write_photos(folder, count):
    """So many small JPEGs in folders of classes."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for index in range(count):
        label = index % PHOTO_CLASSES
        place = folder / f"class{label}" / f"{index:05d}.jpg"
        place.parent.mkdir(parents=True, exist_ok=True)
        coarse = rng.normal(60 * label, 60.0, (10, 10, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(coarse).resize((PHOTO_SIDE, PHOTO_SIDE)).save(place, quality=80)


def photos_peak(count):
    """Peak of bin/train with gin/photos.gin on so many made photos."""
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        write_photos(folder / "photos", count)
        given = f"--gin_param=ImageFolder.directory='{folder / 'photos'}'"
        return Watched("-m", "dgm_tf.cli.train", "--gin_file=gin/photos.gin", given, f"--run_dir={folder / 'run'}").peak


def measured(features):
    """Peaks in bytes and in Gram matrices, for each head."""
    gram, found = 8 * features**2, []
    for head in HEADS:
        stages = Watched(__file__, f"--child={head}", f"--features={features}").stages()
        with tempfile.TemporaryDirectory() as folder:
            few, many = (command_peak(pathlib.Path(folder), head, size) for size in (FEW, features))
        stages |= {name: peak - few[name] for name, peak in many.items()}
        for stage, size in stages.items():
            found.append({"head": head, "stage": stage, "bytes": size, "gram_matrices": round(size / gram, 2)})
            print(f"{head}: {stage}: {size / 1e6:.0f} MB, {size / gram:.2f} Gram matrices", flush=True)
    return {"features": features, "gram_bytes": gram, "peaks": found}


def main():
    """Measures and writes the JSON."""
    from machine import described

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--features", type=int, default=8000, help="a Gram matrix takes 8 bytes times its square")
    parser.add_argument("--photos", type=lambda text: [int(n) for n in text.split(",") if n], default=[])
    parser.add_argument("--json", help="file for all figures")
    parser.add_argument("--child", choices=HEADS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        run_stages(arguments.child, arguments.features)
        return
    photos = ",".join(map(str, arguments.photos))
    command = f"python tools/closed_form_memory.py --features={arguments.features} --photos={photos}"
    found = {"command": command, **described(), "load_before": os.getloadavg()[0]} | measured(arguments.features)
    found["extraction"] = []
    for count in arguments.photos:
        found["extraction"].append({"photos": count, "peak_bytes": photos_peak(count)})
        print(f"{count} photos: {found['extraction'][-1]['peak_bytes'] / 1e6:.0f} MB")
    if arguments.json:
        pathlib.Path(arguments.json).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
