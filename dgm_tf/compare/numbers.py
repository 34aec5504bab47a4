"""From run folders to numbers: what each row of a suite came to, over its seeds, as one JSON-ready dict.

All accuracies are in percent. This dict is all that the writers in `formats`, `hparams` and the figure know.
"""

import itertools

import numpy as np

from dgm_tf.compare import runs as states
from dgm_tf.compare.statistics import estimate
from dgm_tf.compare.suite import ACCURACY, GAN_TEST, TOP_5, parse_figure

_KEYS = {ACCURACY: "average_accuracy", GAN_TEST: "gan_test", TOP_5: "top5_average_accuracy"}
# A task's seconds that a method is not to blame for.
_NOT_LEARNING = {"evaluation", "bounds", "gan_train", "summaries", "progress"}


def compare(suite, runs):
    """Numbers of a suite's rows from the runs there are, finished or not.

    Args:
      suite: `Suite`.
      runs: list of `Run`; of those that are damaged or of another configuration than the suite's it is only said that
        they are there.

    Returns:
      {"title", "at", "figures", "rows": [{"name", "label", "metric", "note", "seeds", "figures", "same_metric",
      "published", "memory_bytes", "parameters", "seconds", "curve", "remarks", "runs"}]}; `figures` and
      `same_metric` (measured as the published figures were) are dicts of a figure's name -> {"n", "mean", "sd",
      "low", "high"} or None; what is remembered, how large and how long are means over finished runs.
    """
    rows = [_row(suite, row, [run for run in runs if run.row.name == row.name]) for row in suite.rows]
    _remark_orders(suite, rows)
    return {"title": suite.title, "at": list(suite.at), "figures": suite.figures, "rows": rows}


def reading(results, figure):
    """A figure such as "A10 gan_test" of a run's results, in percent; None where it is not there (yet)."""
    classes, metric = parse_figure(figure)
    seen = np.cumsum(results["classes_per_task"])
    values = results.get(_KEYS[metric]) or []
    for task, value in enumerate(values):
        if seen[task] == classes and value is not None:
            return 100 * value
    return None


def remembered(results):
    """Dict of bytes that the method remembers after the last task, by what they are."""
    return results["memory_bytes"][-1] if results.get("memory_bytes") else {}


def parameters(results):
    """Number of trainable weights of all the networks that are kept after the last task; None where unknown."""
    return sum(results["parameters"][-1].values()) if results.get("parameters") else None


def learning_seconds(results):
    """List of the seconds that each task took to be learned, without being evaluated and shown."""
    return [sum(value for name, value in task.items() if name not in _NOT_LEARNING) for task in results["seconds"]]


def learning_curve(results, accuracies_of=None):
    """A_k against k in percent: {"classes", "mean", "sd"}, as far as any seed has come; None where not measured.

    Args:
      results: of the seeds, one `results.json` each, all of the same numbers of classes per task.
      accuracies_of: function of one of them -> fractions [T]; None: its average accuracies.
    """
    if not results:
        return {"classes": [], "mean": [], "sd": []}
    averages = [r["average_accuracy"] if accuracies_of is None else accuracies_of(r) for r in results]
    longest = max(results, key=lambda r: len(r["classes_per_task"]))
    columns = itertools.zip_longest(*averages)
    estimates = [estimate([100 * a for a in column if a is not None]) for column in columns]
    return {
        "classes": [int(k) for k in np.cumsum(longest["classes_per_task"])[: len(estimates)]],
        "mean": [e and e.mean for e in estimates],
        "sd": [e and e.sd for e in estimates],
    }


def _row(suite, row, runs):
    usable = [run for run in runs if run.state not in (states.CHANGED, states.DAMAGED)]
    results = {run.seed: run.results() for run in usable}
    results = {seed: r for seed, r in results.items() if r and r.get("average_accuracy")}
    finished = [r for r in results.values() if r.get("finished")]
    suffix = "" if row.metric == ACCURACY else f" {row.metric}"
    description = {
        "name": row.name,
        "label": row.label,
        "metric": row.metric,
        "note": row.note,
        "seeds": sorted(results),
        "figures": {name: _estimate(results, name) for name in suite.figures},
        "same_metric": {name: _estimate(results, name + suffix) for name in row.published},
        "published": dict(row.published),
        "memory_bytes": _mean_of_dicts([remembered(r) for r in finished]),
        "parameters": _mean([parameters(r) for r in finished]),
        "seconds": _mean([sum(learning_seconds(r)) for r in finished]),
        "curve": learning_curve(list(results.values())),
        "remarks": [],
        "runs": [_run(run, results.get(run.seed)) for run in usable],
    }
    description["remarks"] = [*_outside(row, results), *_unfinished(runs)]
    return description


def _run(run, results):
    facts = {"seed": run.seed, "run_dir": str(run.run_dir), "state": run.state}
    if not results:
        return facts
    tasks = len(results["average_accuracy"])
    classes = [int(k) for k in np.cumsum(results["classes_per_task"])[:tasks]]
    finished = bool(results.get("finished"))
    return facts | {
        "accuracy": {f"A{k}": 100 * a for k, a in zip(classes, results["average_accuracy"], strict=True)},
        "gan_test": 100 * results["gan_test"][-1] if results.get("gan_test") else None,
        "memory_bytes": sum(remembered(results).values()) if finished else None,
        "parameters": parameters(results) if finished else None,
        "seconds": sum(learning_seconds(results)) if finished else None,
    }


def _estimate(results, figure):
    values = [value for value in (reading(r, figure) for r in results.values()) if value is not None]
    found = estimate(values)
    if found is None:
        return None
    low, high = found.interval or (None, None)
    return {"n": found.n, "mean": found.mean, "sd": found.sd, "low": low, "high": high}


def _mean(values):
    values = [value for value in values if value is not None]
    return sum(values) / len(values) if values else None


def _mean_of_dicts(dicts):
    names = {name: None for entry in dicts for name in entry}  # a dict keeps their order
    return {name: sum(entry.get(name, 0) for entry in dicts) / len(dicts) for name in names}


def _outside(row, results):
    """Remarks on means outside of what is expected of the row."""
    remarks = []
    for figure, (low, high) in row.expected.items():
        found = _estimate(results, figure)
        if found is not None and not low <= found["mean"] <= high:
            text = f"{row.label}: {figure} is {found['mean']:.2f}, expected {low:g} to {high:g}"
            remarks.append({"figure": figure, "text": text})
    return remarks


def _unfinished(runs):
    remarks = []
    for run in runs:
        if run.state == states.CHANGED:
            text = f"{run.row.label}: the run of seed {run.seed} is of another configuration and does not count"
            remarks.append({"figure": None, "text": text})
        elif run.state == states.DAMAGED:
            text = f"{run.row.label}: the run of seed {run.seed} does not count: {run.reason}"
            remarks.append({"figure": None, "text": text})
        elif run.state != states.FINISHED:
            learned = len((run.results() or {}).get("average_accuracy", []))
            text = f"{run.row.label}: seed {run.seed} is not finished ({run.state}, {learned} tasks learned)"
            remarks.append({"figure": None, "text": text})
    return remarks


def _remark_orders(suite, rows):
    """Remarks on rows that are better than one that should not be worse."""
    last, rows = f"A{suite.at[-1]}", {row["name"]: row for row in rows}
    for lower, higher in suite.orders:
        below, above = rows[lower]["figures"][last], rows[higher]["figures"][last]
        if below and above and below["mean"] > above["mean"] + suite.slack:
            text = (
                f"{rows[lower]['label']}: {last} is {below['mean']:.2f}, expected no more than "
                f"{rows[higher]['label']}'s {above['mean']:.2f}"
            )
            rows[lower]["remarks"].append({"figure": last, "text": text})
