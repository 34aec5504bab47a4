r"""Times replay: images a second of a learned task, and what leaving out dead channels saves.

  python tools/replay_time.py                                # fresh masks at f = 6, 15, 24, a third of them ones
  python tools/replay_time.py --run_dir=runs/mnist_dgmw_fast # every task of a finished run

A task's masks and batch norm are folded into its kernels once; "first" is the seconds of that and of the first image.
"dead" is the share of the slice's weights that belong to channels which are 0 for every input, and are left out.
"""

import os
import pathlib
import sys
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("run_dir", None, "Run folder; default: generators of random masks.")
flags.DEFINE_integer("images", 5000, "Images of each task.")
flags.DEFINE_integer("repeats", 5, "Repetitions; the fastest counts.")
flags.DEFINE_integer("threads", 2, "Threads.")
flags.DEFINE_enum("plasticity", "weights", ["weights", "units"], "Of the random generators.")
flags.DEFINE_string("json", None, "File for all figures.")


def random_methods():
    """{name: method that has learned one task with random masks}."""
    import numpy as np

    from dgm_tf.methods.dgm import DGM
    from dgm_tf.networks.dcgan import DCGANGenerator

    methods = {}
    for filters in (6, 15, 24):
        generator = DCGANGenerator(filters=filters, plasticity=FLAGS.plasticity)
        rng = np.random.default_rng(0)
        for layer in generator.masked_layers:
            layer.embedding.assign(rng.uniform(-2.0, 1.0, layer.embedding.shape))
        generator.reserve()
        method = DGM()
        method.networks.generator, method.task_classes = generator.grow(), ((0,),)
        methods[f"f = {filters}"] = method
    return methods


def cases():
    """List of (name, method, task)."""
    if FLAGS.run_dir is None:
        return [(name, method, 0) for name, method in random_methods().items()]
    from dgm_tf.learner import load

    learner = load(FLAGS.run_dir)
    return [(f"task {task + 1}", learner.method, task) for task in range(learner.num_tasks)]


def measure(method, task):
    """A row of the table."""
    import numpy as np

    label = method.task_classes[task][0]
    labels = np.full(FLAGS.images, label, np.int32)
    first = _seconds(lambda: method.replay(labels[:1]))
    best = min(_seconds(lambda: method.replay(labels)) for _ in range(FLAGS.repeats))
    generator = method.networks.generator
    plain = generator.plain(task)
    whole = [generator.latent_size, *plain.full_widths, generator.image_shape[-1]]
    alive = [generator.latent_size, *plain.widths, generator.image_shape[-1]]
    weights = [sum(a * b for a, b in zip(widths, widths[1:], strict=False)) for widths in (whole, alive)]
    return {
        "first_seconds": first, "images_per_second": FLAGS.images / best, "widths": plain.full_widths,
        "alive": plain.widths, "dead_share": 1.0 - weights[1] / weights[0],
    }  # fmt: skip


def _seconds(function):
    since = time.perf_counter()
    function()
    return time.perf_counter() - since


def main(_):
    """Prints a table."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(FLAGS.threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import dgm_tf  # noqa: F401 - sets oneDNN

    print(f"{FLAGS.images} images, {FLAGS.threads} threads, fastest of {FLAGS.repeats}")
    print("| | widths | alive | dead | first, s | images/s |\n|---|---|---|---:|---:|---:|")
    rows = {}
    for name, method, task in cases():
        rows[name] = row = measure(method, task)
        widths, alive = (" ".join(map(str, row[key])) for key in ("widths", "alive"))
        cells = f"{row['dead_share']:.0%} | {row['first_seconds']:.2f} | {row['images_per_second']:,.0f}"
        print(f"| {name} | {widths} | {alive} | {cells} |", flush=True)
    if FLAGS.json:
        from dgm_tf.disk import files

        files.write_json(FLAGS.json, rows)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
