r"""Draws the accuracy after each task of runs, side by side.

  python benchmarks/learning_curves.py "seed 0=runs/mnist_dgmw_fast" "seed 1=runs/seed1" --bounds="joint training"
  python benchmarks/learning_curves.py DGMw=runs/seed0,runs/seed1 DGMa=docs/results/mnist_dgma_fast.json --lowest=90

A curve is a name and run folders or results.json files: several of them are seeds, shown as their mean with a band of
one standard deviation. A run that is not finished is drawn as far as it has come.
"""

import json
import pathlib
import sys

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("output", "learning_curves.png", "PNG file to write.")
flags.DEFINE_string("title", "Accuracy after each task", "Title of the figure.")
flags.DEFINE_list("bounds", [], "Bounds of the first curve's runs to draw, such as joint training,fine-tuning.")
flags.DEFINE_float("lowest", 0.0, "Where the axis of the accuracies begins, percent.", lower_bound=0, upper_bound=99)


def read(argument):
    """(name, results of each run) of a curve such as "DGMw=runs/a,runs/b"."""
    name, _, paths = argument.partition("=")
    if not name or not paths:
        raise ValueError(f"{argument}: expected a name, = and run folders or results.json files, comma between several")
    return name, [_results(pathlib.Path(path)) for path in paths.split(",")]


def _results(path):
    file = path / "results.json" if path.is_dir() else path
    try:
        results = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError):
        results = None
    if not isinstance(results, dict) or not results.get("average_accuracy"):
        raise ValueError(f"{path}: expected the folder or the results.json of a run that has learned a task")
    return results


def bound(name, runs):
    """The curve of a bound of these runs, of those that have it."""
    from dgm_tf.suites.comparison import curve

    known = sorted({key for results in runs for key in results.get("bounds", {})})
    if name not in known:
        raise ValueError(f"--bounds: expected some of {', '.join(known) or 'none, as the run has none'}, got {name}")
    return curve([r for r in runs if name in r.get("bounds", {})], lambda results: results["bounds"][name])


def main(arguments):
    """Writes the figure."""
    from dgm_tf.evaluation import figures
    from dgm_tf.suites.comparison import curve

    if len(arguments) < 2:
        raise app.UsageError("expected at least one curve, as name=run folder")
    try:
        runs = dict(read(argument) for argument in arguments[1:])
        bounds = {name: bound(name, next(iter(runs.values()))) for name in FLAGS.bounds}
    except ValueError as error:
        sys.exit(str(error))
    curves = {name: curve(results) for name, results in runs.items()}
    figures.save(figures.comparison_figure(curves, FLAGS.title, bounds, FLAGS.lowest), FLAGS.output)
    print(FLAGS.output)


if __name__ == "__main__":
    sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
    app.run(main)
