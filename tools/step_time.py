r"""Times the training step of DGM and says how far it is from what the machine can do, and how much memory it takes.

  python tools/step_time.py                                  # the step and its parts at t = 0, 4, 9
  python tools/step_time.py --threads=1 --replay_schedule=constant --json=step.json
  python tools/step_time.py --network=resnet --tasks=0 --discriminator_filters=16 --generator_filters=32
  python tools/step_time.py --against=torch_step.py --python=/tmp/torch/bin/python

t is the number of earlier tasks; the generator's width stands for its growth: the DCGAN's (4f, 2f, f) with f = 6, 15,
24, on MNIST's shapes; the ResNet's is as it begins, f = 64, on CIFAR-10's, unless told otherwise. What is timed
is the code of the training itself (`GANPhase` and its parts). FLOPs are counted in its graphs: convolutions and matrix
products; the floor is their time at the speed of the machine's large matrix products, measured beside it.

--against runs a script that prints a JSON line {"ms": {"0": {"step": ...}, ...}} in turns with this one, in a process
of its own with --python, and gives the ratio of the times. Machines are noisy: only ratios of one sitting count, of
pairs that ran one after the other, with their spread.
"""

import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_integer("steps", 10, "Timed steps of each case and round.")
flags.DEFINE_integer("rounds", 5, "Rounds; with --against, pairs.")
flags.DEFINE_integer("threads", 2, "Threads.")
flags.DEFINE_list("tasks", ["0", "4", "9"], "Numbers of earlier tasks, of 0, 4 and 9.")
flags.DEFINE_enum("network", "dcgan", ["dcgan", "resnet"], "The pair of networks.")
flags.DEFINE_integer("generator_filters", None, "The generator's f; else as above.")
flags.DEFINE_integer("discriminator_filters", 64, "The ResNet discriminator's f.")
flags.DEFINE_enum("normalization", "batch", ["batch", "layer"], "The ResNet discriminator's.")
flags.DEFINE_float("gradient_penalty_share", 1.0, "Share of the batch that the penalty is estimated on.")
flags.DEFINE_enum("plasticity", "weights", ["weights", "units"], "DGMw or DGMa.")
flags.DEFINE_enum("replay_schedule", "balanced", ["balanced", "constant", "none"], "The classifier's updates.")
flags.DEFINE_integer("updates", 1, "The classifier's beside each step, where the schedule is constant.")
flags.DEFINE_bool("own_optimizer", False, "Whether the classifier's updates have an optimizer of their own.")
flags.DEFINE_string("precision", "float32", "Keras dtype policy: float32 or mixed_bfloat16.")
flags.DEFINE_bool("jit_compile", False, "Whether XLA compiles the step and its parts.")
flags.DEFINE_bool("parts", True, "Whether to time the classifier's, critic's and generator's updates, too.")
flags.DEFINE_string("against", None, "Script to compare with.")
flags.DEFINE_list("against_flags", ["", "--channels-last"], "Variants of it: the faster one counts.")
flags.DEFINE_string("python", sys.executable, "Python that runs it.")
flags.DEFINE_string("json", None, "File for all figures.")

flags.register_validator("against", lambda path: path is None or os.path.isfile(path), "expected the path of a script")
flags.register_validator("python", shutil.which, "expected a Python interpreter")

FILTERS = {"dcgan": {0: 6, 4: 15, 9: 24}, "resnet": {0: 64, 4: 64, 9: 64}}
CHANNELS = {"dcgan": 1, "resnet": 3}
IMAGES = 1024  # of each task


def make_phase(task):
    """A GAN phase with so many earlier tasks, on random images."""
    import numpy as np

    from dgm_tf.methods.dgm import MaskRules
    from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
    from dgm_tf.networks.resnet import ResNetGenerator
    from dgm_tf.networks.resnet18 import ResNetDiscriminator
    from dgm_tf.training import task_size
    from dgm_tf.training.classifier import ClassifierSettings
    from dgm_tf.training.gan import GANPhase, GANSettings
    from dgm_tf.training.pool import Pool

    rng = np.random.default_rng(0)
    shape = (32, 32, CHANNELS[FLAGS.network])
    groups = [
        (rng.integers(0, 256, (IMAGES, *shape), dtype=np.uint8), np.full(IMAGES, k, np.int32)) for k in range(task + 1)
    ]
    filters = FLAGS.generator_filters or FILTERS[FLAGS.network][task]
    if FLAGS.network == "dcgan":
        generator, discriminator = DCGANGenerator, DCGANDiscriminator(num_classes=task + 1)
    else:
        generator = ResNetGenerator
        discriminator = ResNetDiscriminator(
            num_classes=task + 1, filters=FLAGS.discriminator_filters, normalization=FLAGS.normalization
        )
    generator = generator(shape, FLAGS.plasticity, filters)
    gan = GANSettings(gradient_penalty_share=FLAGS.gradient_penalty_share)
    rules = MaskRules(generator, task + 1, sparsity_weight=0.08, max_mask_scale=1e4)
    classifier = ClassifierSettings(FLAGS.replay_schedule, FLAGS.updates, FLAGS.own_optimizer, closing_epochs=1)
    return GANPhase(rules, discriminator, Pool(groups[:-1], groups[-1]), *task_size.settled(gan, classifier, [1]), 0)


def compiled_parts(phase):
    """The functions to be timed, traced and warm; and the seconds that tracing the step took."""
    parts = {name: part for name, part in phase.parts().items() if FLAGS.parts or name == "step"}
    if not phase.trains_classifier:
        parts.pop("classifier", None)
    since = time.perf_counter()
    wait(parts["step"](0))
    tracing = time.perf_counter() - since
    for part in parts.values():
        for index in range(3):
            wait(part(index))
    return parts, tracing


def wait(metrics):
    """Until a step has been computed."""
    for value in metrics.values():
        float(value)


def timed(part, first):
    """Milliseconds of each of some steps."""
    times = []
    for index in range(first, first + FLAGS.steps):
        since = time.perf_counter()
        wait(part(index))
        times.append(1e3 * (time.perf_counter() - since))
    return times


def count_flops(part):
    """Multiplications and additions of a part's convolutions and matrix products."""
    inputs = part.inputs(0)
    return _graph_flops(part.compiled.get_concrete_function(*inputs).graph, len(inputs[1]))


def _graph_flops(graph, loop_length):
    total = 0
    for op in graph.get_operations():
        if op.type in ("While", "StatelessWhile"):
            body = graph._get_function(op.get_attr("body").name).graph  # the loop over the classifier's updates
            total += loop_length * _graph_flops(body, loop_length)
        elif op.type in ("PartitionedCall", "StatefulPartitionedCall"):
            total += _graph_flops(graph._get_function(op.get_attr("f").name).graph, loop_length)
        else:
            total += _op_flops(op)
    return total


def _op_flops(op):
    """2 * (values of the smaller side's maps) * (kernel weights that each meets)."""
    import numpy as np

    def size(tensor):
        return int(np.prod(tensor.shape.as_list()))

    if op.type == "MatMul":
        inner = op.inputs[0].shape[0 if op.get_attr("transpose_a") else 1]
        return 2 * size(op.outputs[0]) * inner
    if op.type == "Conv2D":
        return 2 * size(op.outputs[0]) * size(op.inputs[1]) // op.inputs[1].shape[3]
    if op.type == "Conv2DBackpropInput":
        return 2 * size(op.inputs[2]) * size(op.inputs[1]) // op.inputs[1].shape[3]
    if op.type == "Conv2DBackpropFilter":
        return 2 * size(op.inputs[2]) * size(op.outputs[0]) // op.outputs[0].shape[3]
    return 0


def machine_speed():
    """GFLOP/s of a product of two 1024 x 1024 float32 matrices, the best of some."""
    import tensorflow as tf

    matrix = tf.random.stateless_normal([1024, 1024], [0, 0])
    product = tf.function(lambda: tf.reduce_sum(tf.matmul(matrix, matrix)[:1]))
    best = min(_seconds(product) for _ in range(30))
    return 2 * 1024**3 / best / 1e9


def _seconds(function):
    since = time.perf_counter()
    float(function())
    return time.perf_counter() - since


def measure(tasks, cases, rounds):
    """{task: {part: [ms of every step]}}, the cases in turns, so that a slow minute hits all alike."""
    times = {task: {name: [] for name in cases[task][0]} for task in tasks}
    for turn in range(rounds):
        for task in tasks:
            for name, part in cases[task][0].items():
                times[task][name] += timed(part, turn * FLAGS.steps)
    return times


def other_step(extra):
    """{task: ms} of one run of the script to compare with."""
    command = [FLAGS.python, FLAGS.against, f"--steps={FLAGS.steps}", f"--threads={FLAGS.threads}"]
    command += filter(None, [extra])
    line = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip().splitlines()[-1]
    return {int(task): row["step"] for task, row in json.loads(line)["ms"].items()}


def compare(tasks, cases):
    """{task: [ratio of each pair]}: the other's time, the faster of its variants, by ours."""
    ratios = {task: [] for task in tasks}
    ours_times, others_times = ({task: [] for task in tasks} for _ in range(2))
    for turn in range(FLAGS.rounds):
        before = measure(tasks, cases, 1)
        others = [other_step(extra) for extra in FLAGS.against_flags]
        after = measure(tasks, cases, 1)
        for task in tasks:
            ours = statistics.median(before[task]["step"] + after[task]["step"])
            other = min(times[task] for times in others)
            ratios[task].append(other / ours)
            ours_times[task].append(ours)
            others_times[task].append(other)
        print(f"pair {turn + 1}: " + ", ".join(f"t={t} {ratios[t][-1]:.2f}" for t in tasks), file=sys.stderr)
    return ratios, ours_times, others_times


def report_parts(tasks, cases, times, speed):
    """Prints a table; returns what --json keeps."""
    print(f"machine: {speed:.0f} GFLOP/s in matrix products, {FLAGS.threads} threads")
    print("| t | part | median ms | fastest | GFLOP | floor ms | of the floor's speed |")
    print("|---|---|---:|---:|---:|---:|---:|")
    rows = []
    for task in tasks:
        for name, values in times[task].items():
            gflop = count_flops(cases[task][0][name]) / 1e9
            median, fastest, floor = statistics.median(values), min(values), 1e3 * gflop / speed
            cells = f"{median:.1f} | {fastest:.1f} | {gflop:.2f} | {floor:.1f} | {floor / fastest:.0%}"
            print(f"| {task} | {name} | {cells} |")
            rows.append({"task": task, "part": name, "ms": values, "gflop": gflop, "floor_ms": floor})
    print("tracing: " + ", ".join(f"t={task} {cases[task][1]:.1f} s" for task in tasks))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2  # of KiB
    print(f"peak memory of the process, all of these cases: {peak:.2f} GiB")
    return rows, peak


def report_ratios(tasks, ratios, ours, others):
    """Prints how much faster ours is."""
    print(f"\nagainst {pathlib.Path(FLAGS.against).name}, {FLAGS.rounds} pairs:")
    print("| t | ours, ms | other, ms | ratio: median | lowest | highest |")
    print("|---|---:|---:|---:|---:|---:|")
    for t in tasks:
        our, other, ratio = (statistics.median(values[t]) for values in (ours, others, ratios))
        print(f"| {t} | {our:.1f} | {other:.1f} | {ratio:.2f} | {min(ratios[t]):.2f} | {max(ratios[t]):.2f} |")


def main(_):
    """Times, compares, prints."""
    import keras

    from dgm_tf.training.compilation import jit_compilation
    from dgm_tf.training.distribution import make_strategy

    make_strategy()  # GPUs: memory is taken as it is needed
    keras.config.set_dtype_policy(FLAGS.precision)
    tasks = [int(task) for task in FLAGS.tasks]
    with jit_compilation(FLAGS.jit_compile):
        cases = {task: compiled_parts(make_phase(task)) for task in tasks}
    times, speed = measure(tasks, cases, FLAGS.rounds if not FLAGS.against else 1), machine_speed()
    results = {
        "threads": FLAGS.threads,
        "precision": FLAGS.precision,
        "jit_compile": FLAGS.jit_compile,
        "gflops": speed,
    }
    results["parts"], results["peak_gib"] = report_parts(tasks, cases, times, speed)
    if FLAGS.against:
        ratios, ours, others = compare(tasks, cases)
        report_ratios(tasks, ratios, ours, others)
        results |= {"ratios": ratios, "ours_ms": ours, "others_ms": others}
    if FLAGS.json:
        from dgm_tf.disk import files

        files.write_json(FLAGS.json, results)


def _start(argv):
    # TensorFlow reads these when it starts, so before anything of it is imported.
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ.setdefault(name, str(FLAGS.threads))
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import dgm_tf  # noqa: F401 - sets oneDNN

    main(argv)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(_start)
