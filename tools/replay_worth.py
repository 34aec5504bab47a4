r"""Tells what a run's memory is worth to a classifier, and what real images in its place would be.

  python tools/replay_worth.py runs/mnist_dgmw_fast
  python tools/replay_worth.py runs/mnist_dgmw_fast --real=10,50,200,800 --figure=worth.png
  python tools/replay_worth.py runs/mnist_dgmw_fast --variant=learning_rate_decay=0.0 --variant=augmentation=None
  python tools/replay_worth.py runs/cifar10_dgmw_plus --variant=distillation=None --variant=distillation=1.0

The closing phase of the last task learned so far is repeated from a fresh classifier: its images beside replay of all
earlier classes by the memory, or by so many real images of each earlier class, shown as often (--real). A variant is
the run's `ClassifierSettings` with some of them changed, or its distillation: None or a weight; the teacher is a
classifier that learned all tasks but the last in the same way, without a teacher of its own. Accuracies are means over
classes; choose by validation, report by test.
Bytes: the memory's weights and masks as they are held (without the classifier), or the real images as PNG files.
"""

import ast
import dataclasses
import io
import itertools
import os
import pathlib
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_list("real", [], "Numbers of real images of each earlier class.")
flags.DEFINE_multi_string("variant", [], "Changes of the run's settings: name=value, comma between several.")
flags.DEFINE_list("seeds", ["0"], "Seeds of the classifier.")
flags.DEFINE_integer("threads", 2, "Threads.")
flags.DEFINE_string("json", None, "File for all figures.")
flags.DEFINE_string("figure", None, "PNG file to write: test accuracy against bytes, with the run's settings.")


def stream(run_dir):
    """The run's stream at its beginning."""
    import gin

    from dgm_tf import config

    config.parse(str(run_dir / "config.gin"), ())
    return gin.query_parameter("run_experiment.stream").scoped_configurable_fn().fresh_copy()


def changed(settings, distillation, variant):
    """(ClassifierSettings, Distillation or None) with the changes that a variant such as "closing_epochs=5" names."""
    from dgm_tf.training.distillation import Distillation

    pairs = [part.split("=", 1) for part in variant.split(",") if part]
    values = {name.strip(): ast.literal_eval(value) for name, value in pairs}
    if "distillation" in values:
        weight = values.pop("distillation")
        distillation = None if weight is None else Distillation(weight)
    return dataclasses.replace(settings, **values), distillation


def png_bytes(images):
    """Bytes of images uint8 [N, H, W, C] as PNG files."""
    from PIL import Image

    total = 0
    for image in images:
        file = io.BytesIO()
        Image.fromarray(image.squeeze(-1) if image.shape[-1] == 1 else image).save(file, "PNG", optimize=True)
        total += file.tell()
    return total


def memory_bytes(method):
    """Of the generator's weights and masks, in memory."""
    import numpy as np

    from dgm_tf.layers.storage import Storage, storage_of

    kept = [weight for weight in method.networks.generator.weights if storage_of(weight) is not Storage.REBUILD]
    return sum(np.asarray(weight).nbytes for weight in kept)


def real_groups(tasks, per_class, seed):
    """([real images of each earlier task, repeated to the current classes' number], their bytes as PNG)."""
    import numpy as np

    from dgm_tf.training.randomness import numpy_generator

    count = len(tasks[-1].train) // len(tasks[-1].classes)
    groups, total = [], 0
    for task in tasks[:-1]:
        for label in task.classes:
            images = task.train.of_class(label)
            chosen = images[numpy_generator(seed, "real", label).permutation(len(images))[:per_class]]
            total += png_bytes(chosen)
            groups.append((np.resize(chosen, (count, *chosen.shape[1:])), np.full(count, label, np.int32)))
    return groups, total


def classifier(learner, tasks, groups, settings, distillation, seed):
    """A fresh classifier after the closing phase of the last of the tasks.

    groups: what stands for each earlier class; None: the memory's replay.
    """
    from dgm_tf.methods.context import TaskContext
    from dgm_tf.training.randomness import seeded_initializers

    teacher, method, last = None, learner.method, tasks[-1]
    if distillation is not None and len(tasks) > 1:
        before = groups and groups[: -len(tasks[-2].classes)]
        teacher = classifier(learner, tasks[:-1], before, settings, None, seed)
    task_classes = tuple(tuple(task.classes) for task in tasks)
    with seeded_initializers(seed, "replay worth"):
        config = method.networks.classifier.get_config() | {"num_classes": sum(map(len, task_classes))}
        network = type(method.networks.classifier).from_config(config)
    method.settings, method.distillation, method.networks.teacher = settings, distillation, teacher
    context = TaskContext(last, task_classes, tuple(last.train.images.shape[1:]), seed)
    groups = method.replayed(context) if groups is None else groups
    phase = method.fitting(context).closing_phase(network, groups, method.replay, method.classifier_rules())
    for step in range(phase.num_steps):
        phase.step(step)
    return network


def accuracies(learner, tasks, network):
    """(validation, test): mean over classes."""
    import numpy as np

    from dgm_tf.measures import formulas
    from dgm_tf.training.inference import network_logits
    from dgm_tf.training.pool import to_float

    results = []
    for part in ("validation", "test"):
        splits = [getattr(task, part) for task in tasks]
        images, labels = (np.concatenate([getattr(s, name) for s in splits]) for name in ("images", "labels"))
        logits = network_logits(network, np.asarray(to_float(images)))
        confusion = formulas.confusion_matrix(labels, np.argmax(logits, axis=1), logits.shape[1])
        results.append(formulas.macro_accuracy(confusion))
    return results


def curves(rows):
    """{"memory" or "real images": [(bytes, test accuracy)]} of rows with the run's own settings, means over seeds."""
    points = {}
    for row in rows:
        if not row["variant"]:
            test = sum(test for _, test in row["accuracies"]) / len(row["accuracies"])
            points.setdefault("memory" if row["source"] == "memory" else "real images", []).append((row["bytes"], test))
    return points


def write(rows):
    """The files that the flags name, of the rows measured so far."""
    from dgm_tf.disk import files
    from dgm_tf.report import figures

    if FLAGS.json:
        files.write_json(FLAGS.json, rows)
    if FLAGS.figure and rows:
        figures.save(figures.bytes_figure(curves(rows)), FLAGS.figure)


def main(arguments):
    """Prints a table, a row as it is measured."""
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", str(FLAGS.threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import numpy as np

    from dgm_tf.learner import load

    run_dir = pathlib.Path(arguments[1]).expanduser()
    learner = load(run_dir)
    tasks = list(itertools.islice(stream(run_dir), learner.num_tasks))
    method = learner.method
    own, size = (method.settings, getattr(method, "distillation", None)), memory_bytes(method)
    sources = {"memory": lambda seed, size=size: (None, size)}
    for number in map(int, FLAGS.real):
        sources[f"{number} real"] = lambda seed, number=number: real_groups(tasks, number, seed)
    print("| earlier classes | settings | bytes | validation | test |\n|---|---|---:|---:|---:|")
    rows = []
    for source, make in sources.items():
        for variant in ["", *FLAGS.variant]:
            settings, values = changed(*own, variant), []
            for seed in map(int, FLAGS.seeds):
                groups, size = make(seed)
                values.append(accuracies(learner, tasks, classifier(learner, tasks, groups, *settings, seed)))
            validation, test = (100 * np.mean(values, axis=0)).tolist()
            rows.append({"source": source, "variant": variant, "bytes": size, "accuracies": values})
            cells = f"{size:,} | {validation:.2f} | {test:.2f}"
            print(f"| {source} | {variant or 'the run’s'} | {cells} |", flush=True)
            write(rows)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
