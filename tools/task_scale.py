r"""Learns many tasks with a tiny schedule and says what each costs: time, tracing, memory, disk.

  python tools/task_scale.py --tasks=100 --json=task_scale.json --figure=task_scale.png

Real MNIST images (those that come with the package), a class a task, the ten digits over and over under new names. The
schedule is far too short to learn anything; what is measured is what the program does around it. Memory is read
after a garbage collection at the end of each task.
"""

import gc
import os
import pathlib
import sys
import tempfile
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("tasks", 100, "Tasks to learn.")
flags.DEFINE_integer("images", 200, "Images of each.")
flags.DEFINE_integer("filters", 2, "f of the generator.")
flags.DEFINE_enum("plasticity", "weights", ["weights", "units"], "DGMw or DGMa.")
flags.DEFINE_string("json", None, "File for all figures.")
flags.DEFINE_string("figure", None, "PNG file for the curves.")


def make_tasks():
    """Yields the tasks."""
    import numpy as np

    from dgm_tf.data import ClassIncrementalStream, PackagedMNIST
    from dgm_tf.data.arrays import Split
    from dgm_tf.data.stream import Task

    digits = list(ClassIncrementalStream(PackagedMNIST()))
    for index in range(FLAGS.tasks):
        digit = digits[index % len(digits)]
        splits = [
            Split(split.images[: FLAGS.images], np.full(len(split.labels[: FLAGS.images]), index, np.int32))
            for split in (digit.train, digit.validation, digit.test)
        ]
        yield Task(index, (index,), (f"{digit.class_names[0]} ({index})",), *splits)


def make_learner():
    """DGM with two epochs a task; the classifier's updates beside the GAN's, a constant number of them."""
    import dgm_tf
    from dgm_tf.methods.dgm import DGM
    from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
    from dgm_tf.training.classifier import ClassifierSettings
    from dgm_tf.training.gan import GANSettings

    class Generator(DCGANGenerator):
        def __init__(self, image_shape=(32, 32, 1), **kwargs):
            small = {"filters": FLAGS.filters, "plasticity": FLAGS.plasticity, "latent_size": 128}
            super().__init__(image_shape, **small | kwargs)

    class Discriminator(DCGANDiscriminator):
        def __init__(self, image_shape=(32, 32, 1), num_classes=1, filters=(4, 8, 16)):
            super().__init__(image_shape, num_classes, filters)

    classifier = ClassifierSettings(replay_schedule="constant", updates=1, quantize_replay=True)
    gan = GANSettings(epochs=2, batch_size=32)
    return dgm_tf.Learner(DGM(Generator, Discriminator, gan, classifier))


def resident_bytes():
    """Memory of this process now."""
    gc.collect()
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def task_row(learner, task, directory):
    """Learns a task; returns what it cost."""
    since = time.perf_counter()
    learner.clock.restart()
    learner.learn(task)
    seconds = time.perf_counter() - since
    sizes = learner.save(directory)
    generator = learner.method.networks.generator
    return {
        "task": task.index + 1, "seconds": seconds, **{f"{k}_seconds": v for k, v in learner.clock.read().items()},
        "resident_mb": resident_bytes() / 1e6, "weights_mb": sizes["weights_bytes"] / 1e6,
        "masks_mb": sizes["masks_bytes"] / 1e6, "mask_bits_mb": learner.method.memory_bytes()["masks"] / 1e6,
        "parameters": generator.task_size(), "python_objects": len(gc.get_objects()),
    }  # fmt: skip


def draw(rows, path):
    """Curves against the task."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    from dgm_tf.report import figures

    panels = {
        "seconds a task": ["seconds", "gan_seconds", "replay_seconds", "tracing_seconds", "end_task_seconds"],
        "memory of the process, MB": ["resident_mb"],
        "on disk, MB": ["weights_mb", "masks_mb"],
        "parameters on the task": ["parameters"],
    }
    figure = Figure(figsize=(10, 6.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, keys) in zip(figure.subplots(2, 2).flat, panels.items(), strict=True):
        for key in keys:
            axes.plot([row["task"] for row in rows], [row.get(key, 0.0) for row in rows], label=key.split("_")[0])
        axes.set(title=title, xlabel="task", ylim=(0, None))
        if len(keys) > 1:
            axes.legend(frameon=False)
    figures.save(figure, path)


def main(_):
    """Prints a row now and then; writes the rest."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import dgm_tf  # noqa: F401 - sets oneDNN

    learner, rows = make_learner(), []
    print("| task | seconds | gan | replay | tracing | task end | resident MB | weights MB | masks MB | parameters |")
    print("|---:|" + "---:|" * 9)
    keys = ("seconds", "gan_seconds", "replay_seconds", "tracing_seconds", "end_task_seconds", "resident_mb")
    with tempfile.TemporaryDirectory() as directory:
        for task in make_tasks():
            rows.append(task_row(learner, task, directory))
            row = rows[-1]
            if task.index in (0, 1) or (task.index + 1) % max(1, FLAGS.tasks // 10) == 0:
                cells = " | ".join(f"{row.get(key, 0.0):.2f}" for key in (*keys, "weights_mb", "masks_mb"))
                print(f"| {row['task']} | {cells} | {row['parameters']:,} |", flush=True)
    if FLAGS.json:
        from dgm_tf.disk import files

        files.write_json(FLAGS.json, rows)
    if FLAGS.figure:
        draw(rows, FLAGS.figure)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
