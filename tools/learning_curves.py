r"""Draws the accuracy after each task of runs, side by side.

  python tools/learning_curves.py "seed 0=runs/mnist_dgmw_fast" "seed 1=runs/seed1" --bounds="joint training"
  python tools/learning_curves.py DGMw=runs/seed0,runs/seed1 DGMa=docs/results/mnist_dgma_fast.json --lowest=90

A curve is a name and run folders or results.json files: several of them are seeds, shown as their mean with a band of
one standard deviation. A run that is not finished is drawn as far as it has come.
"""

import pathlib
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("output", "learning_curves.png", "PNG file to write.")
flags.DEFINE_string("title", "Accuracy after each task", "Title of the figure.")
flags.DEFINE_list("bounds", [], "Bounds of the first curve's runs to draw, such as joint training,fine-tuning.")
flags.DEFINE_float("lowest", 0.0, "Where the axis of the accuracies begins, percent.", lower_bound=0, upper_bound=99)


def parse_curves(arguments):
    """{name: results of each run} of curves such as "DGMw=runs/a,runs/b"."""
    curves = {}
    for argument in arguments:
        name, _, paths = argument.partition("=")
        if not name or not all(paths.split(",")):
            raise ValueError(
                f"{argument}: expected a name, = and run folders or results.json files, comma between several"
            )
        if name in curves:
            raise ValueError(f"{name}: expected each name once, its seeds behind one =, comma between them")
        curves[name] = [_results(pathlib.Path(path).expanduser()) for path in paths.split(",")]
        _check_same_tasks(name, curves[name])
    return curves


def _results(path):
    from dgm_tf.measures import record

    try:
        results = record.read(path, large=False)
    except (FileNotFoundError, NotADirectoryError):
        results = record.Record()
    if not results.learned:
        raise ValueError(f"{path}: expected the folder or the results.json of a run that has learned a task")
    return results


def _check_same_tasks(name, runs):
    for run in runs[1:]:
        pairs = zip(runs[0].classes_per_task, run.classes_per_task, strict=False)  # one may have come further
        if any(first != other for first, other in pairs):
            sizes = " and ".join(str(r.classes_per_task) for r in (runs[0], run))
            raise ValueError(f"{name}: expected runs with the same numbers of classes per task, got {sizes}")


def bound_curve(name, runs):
    """The curve of a bound of these runs, of those that have it."""
    from dgm_tf.compare.numbers import learning_curve

    known = sorted({key for run in runs for key in run.last.get("bounds") or {}})
    if name not in known:
        raise ValueError(f"--bounds: expected names among {known}, which the first curve's runs have, got {name}")
    having = [run for run in runs if name in (run.last.get("bounds") or {})]
    return learning_curve(having, lambda run: run.last["bounds"][name])


def main(arguments):
    """Writes the figure."""
    from dgm_tf.compare.numbers import learning_curve
    from dgm_tf.report import figures

    if len(arguments) < 2:
        raise app.UsageError("expected at least one curve, as name=run folder")
    try:
        curves = parse_curves(arguments[1:])
        bounds = {name: bound_curve(name, next(iter(curves.values()))) for name in FLAGS.bounds}
    except ValueError as error:
        sys.exit(str(error))
    curves = {name: learning_curve(runs) for name, runs in curves.items()}
    try:
        figures.save(figures.comparison_figure(curves, FLAGS.title, bounds, FLAGS.lowest), FLAGS.output)
    except OSError as error:
        sys.exit(f"--output: expected a file that can be written, got {FLAGS.output} ({error.strerror})")
    print(FLAGS.output)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
