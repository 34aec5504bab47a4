r"""Exports classifiers of runs in each format, and says how large each is, how long a photo takes, and what differs.

  python tools/serving_time.py --run_dir=runs/photos --image_dir=photos --json=serving.json

Each runtime gets one photo after the other, as a server would: the median of all is told. Preparing is the function of
docs/serving.md. Labels are compared with those of the learner, for photos whose two best probabilities differ by more
than 1e-3. It needs the extras serving and test. Let nothing else run on the machine: its load is written down.
"""

import datetime
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags, logging

FLAGS = flags.FLAGS
flags.DEFINE_multi_string("run_dir", [], "Run folder, or saved learner; may be repeated.")
flags.DEFINE_string("image_dir", None, "Folder of photos.")
flags.DEFINE_integer("count", 100, "Photos, spread over the folder.")
flags.DEFINE_string("json", None, "File for all figures.")
ROOT = pathlib.Path(__file__).resolve().parent.parent
SURE = 1e-3


def prepare_function():
    """`prepare` as docs/serving.md has it."""
    text = (ROOT / "docs" / "serving.md").read_text(encoding="utf-8")
    (code,) = [block for block in text.split("```python\n")[1:] if "def prepare(" in block]
    names = {}
    exec(code.split("```")[0], names)
    return names["prepare"]


def tensorflow_runtime(folder):
    """A function from uint8 images to (labels, probabilities), by the SavedModel."""
    import tensorflow as tf

    model = tf.saved_model.load(str(folder / "classifier"))

    def classify(images):
        found = model.classify(tf.constant(images))
        return found["label"].numpy(), found["probabilities"].numpy()

    classify.keeps = model  # its variables live as long as this
    return classify


def litert_runtime(folder):
    """The same by LiteRT, one thread for each core."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(folder / "classifier.tflite"), num_threads=os.cpu_count())
    runner = interpreter.get_signature_runner()

    def classify(images):
        found = runner(images=images)
        return found["label"], found["probabilities"]

    return classify


def onnx_runtime(folder):
    """The same by ONNX Runtime."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / "classifier.onnx"))
    return lambda images: session.run(["label", "probabilities"], {"images": images})


RUNTIMES = {
    "saved_model": ("classifier", tensorflow_runtime),
    "litert": ("classifier.tflite", litert_runtime),
    "onnx": ("classifier.onnx", onnx_runtime),
}


def measured(function, images):
    """(median milliseconds a photo, labels, probabilities); photos one by one, after three to warm up."""
    import numpy as np

    results, times = [], []
    for index in [0, 0, 0, *range(len(images))]:
        since = time.perf_counter()
        results.append(function(images[index : index + 1]))
        times.append(1e3 * (time.perf_counter() - since))
    labels, shares = (np.concatenate(part) for part in zip(*results[3:], strict=True))
    return statistics.median(times[3:]), labels, shares


def rows_of(run_dir, paths, prepare):
    """A row for each format of a run's classifier."""
    import numpy as np

    from dgm_tf.export import export
    from dgm_tf.learner import load
    from dgm_tf.learner.photos import decoding_for, label_files

    learner = load(run_dir)
    size, _, channels = learner.image_shape
    times = []
    for path in paths:
        since = time.perf_counter()
        prepare(path, size, channels)
        times.append(1e3 * (time.perf_counter() - since))
    images = np.stack([prepare(path, size, channels) for path in paths])
    found = [photo.guesses for photo in label_files(learner, paths, decoding_for(learner), most=2)]
    wanted = [learner.class_names.index(guesses[0][0]) for guesses in found]
    sure = np.array([len(guesses) < 2 or guesses[0][1] - guesses[1][1] > SURE for guesses in found])
    with tempfile.TemporaryDirectory() as folder:
        sizes = export(learner, folder, list(RUNTIMES))
        for name, (file, make) in RUNTIMES.items():
            milliseconds, labels, shares = measured(make(pathlib.Path(folder)), images)
            yield {
                "run": pathlib.Path(run_dir).name, "format": name, "pixels": size, "classes": len(learner.class_names),
                "bytes": sizes[file], "prepare_ms": statistics.median(times), "classify_ms": milliseconds,
                "photos": len(paths), "compared": int(sure.sum()), "equal": int((labels == wanted)[sure].sum()),
                "largest_difference": max(abs(float(share) - guesses[0][1])
                                          for share, guesses in zip(shares.max(axis=1), found, strict=True)),
            }  # fmt: skip


def described():
    """What the figures hold for: command, commit, machine, load, date."""
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    cpu = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), cpu)
    flags_given = " ".join(f"--{name}=..." for name in ("run_dir", "image_dir", "json") if FLAGS[name].value)
    return {
        "command": f"python tools/serving_time.py {flags_given}", "commit": commit,
        "machine": f"{len(os.sched_getaffinity(0))} cores of {cpu}", "load_before": os.getloadavg()[0],
        "date": datetime.date.today().isoformat(),
    }  # fmt: skip


def main(_):
    """Prints a table."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    logging.set_verbosity(logging.ERROR)
    from dgm_tf.data.sources.photos import list_photos

    content, prepare, rows = described(), prepare_function(), []
    files = list_photos(FLAGS.image_dir, "--image_dir").files
    paths = files[:: max(1, len(files) // FLAGS.count)][: FLAGS.count]
    print("| run | format | MB | prepare, ms | classify, ms | equal labels | largest difference |")
    print("|---|---|---:|---:|---:|---:|---:|")
    for run_dir in FLAGS.run_dir:
        for row in rows_of(run_dir, paths, prepare):
            rows.append(row)
            print(
                f"| {row['run']} | {row['format']} | {row['bytes'] / 1e6:.1f} | {row['prepare_ms']:.1f} | "
                f"{row['classify_ms']:.1f} | {row['equal']} of {row['compared']} | {row['largest_difference']:.1e} |",
                flush=True,
            )
    if FLAGS.json:
        from dgm_tf.disk import files as disk

        disk.write_json(FLAGS.json, content | {"runs": rows})


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    app.run(main)
