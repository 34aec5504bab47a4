"""Numbers of a comparison: results of each row of a suite over its seeds, as one JSON-ready dict.

All accuracies are in percent. This dict is all that the writers in `formats`, `hparams` and the drawing know.
"""

import itertools

import numpy as np

from dgm_tf.compare import runs as states
from dgm_tf.compare.statistics import estimate
from dgm_tf.compare.suite import ACCURACY, GAN_TEST, TOP_5, parse_score
from dgm_tf.keeps import Keeps
from dgm_tf.measures import kinds
from dgm_tf.measures.measure import Description, Unit
from dgm_tf.training.clock import NOT_LEARNING

_NAMES = {ACCURACY: "average_accuracy", GAN_TEST: "gan_test", TOP_5: "top5_average_accuracy"}
_NOT_COUNTED = (states.CHANGED, states.DAMAGED)


def compare(suite, runs):
    """Computes the numbers of a suite's rows from all runs, finished or not.

    Args:
      suite: `Suite`.
      runs: list of `Run`; of those that are damaged or of another configuration than the suite's it is only said that
        they are there.

    Returns:
      {"title", "at", "scores", "measures", "rows": [{"name", "label", "metric", "note", "seeds", "scores",
      "same_metric", "published", "measured", "what_is_kept", "memory_bytes", "parameters", "seconds", "curve",
      "remarks", "runs"}]};
      `scores`, `same_metric` (measured as the published scores were) and `measured` (the last values of the measures
      that are compared) are dicts of a name -> {"n", "mean", "sd", "low", "high"} or None; what is remembered, how
      large and how long are means over finished runs; `what_is_kept` is that of `kept_of_images`, or None;
      `measures` is {name: description} of those compared.
    """
    counted = [run for run in runs if run.state not in _NOT_COUNTED]
    by_row = {row.name: [run for run in counted if run.row.name == row.name] for row in suite.rows}
    records = {name: _records(mine) for name, mine in by_row.items()}
    measures = _compared(record for mine in records.values() for record in mine.values())
    rows = [
        _row(suite, row, by_row[row.name], records[row.name], measures)
        | {"remarks": [*_outside(row, records[row.name]), *_unfinished([r for r in runs if r.row.name == row.name])]}
        for row in suite.rows
    ]
    _remark_orders(suite, rows)
    described = {name: about.to_json() for name, about in measures.items()}
    return {
        "title": suite.title, "at": list(suite.at), "scores": suite.scores, "measures": described, "rows": rows
    }  # fmt: skip


def score_of(record, score):
    """A score such as "A10 gan_test" of a run's `Record`, in percent; None if it is missing."""
    classes, metric = parse_score(score)
    value = record.at_classes(classes, _NAMES[metric])
    return None if value is None else 100 * value


def remembered(record):
    """Bytes that the method remembers after the last task, by kind."""
    return record.final("memory_bytes") or {}


def kept_of_images(record):
    """{"of images": a `Keeps`, "pretrained": bool} of a run's `Record`; None if an earlier version wrote it."""
    found = record.last.get("what_is_kept")
    if not isinstance(found, dict) or found.get("of images") not in list(Keeps):
        return None
    return {"of images": str(Keeps(found["of images"])), "pretrained": found.get("pretrained") is True}


def parameters(record):
    """Number of trainable weights of all networks kept after the last task; None if unknown."""
    found = record.final("parameters")
    return None if found is None else sum(found.values())


def learning_seconds(record):
    """Seconds of learning for each task, without evaluation and display."""
    times = [task.seconds for task in record.task_records]
    return [sum(value for name, value in task.items() if name not in NOT_LEARNING) for task in times]


def learning_curve(records, accuracies_of=None):
    """A_k against k in percent: {"classes", "mean", "sd"}, as far as any seed has come; None where not measured.

    Args:
      records: a `Record` of each seed, all of the same numbers of classes per task.
      accuracies_of: function of one of them -> fractions [T]; None: its average accuracies.
    """
    if not records:
        return {"classes": [], "mean": [], "sd": []}
    averages = [r.column("average_accuracy") if accuracies_of is None else accuracies_of(r) for r in records]
    longest = max(records, key=lambda r: len(r.tasks))
    columns = itertools.zip_longest(*averages)
    estimates = [estimate([100 * a for a in column if a is not None]) for column in columns]
    return {
        "classes": [int(k) for k in np.cumsum(longest.classes_per_task)[: len(estimates)]],
        "mean": [e and e.mean for e in estimates],
        "sd": [e and e.sd for e in estimates],
    }


def _records(runs):
    """{seed: `Record`} of the runs that have learned something."""
    found = {run.seed: run.record() for run in runs}
    return {seed: record for seed, record in found.items() if record is not None and record.learned}


def _compared(records):
    """{name: `Description`} of the measures that a comparison has a column for, and that some run has measured."""
    found: dict[str, Description] = {}
    for record in records:
        for name, about in record.measures.items():
            if about.compared and kinds.is_number(record.final(name)):
                found.setdefault(name, about)
    return found


def _row(suite, row, runs, records, measures):
    finished = [record for record in records.values() if record.finished]
    suffix = "" if row.metric == ACCURACY else f" {row.metric}"
    return {
        "name": row.name,
        "label": row.label,
        "metric": row.metric,
        "note": row.note,
        "seeds": sorted(records),
        "scores": {name: _estimate(records, name) for name in suite.scores},
        "same_metric": {name: _estimate(records, name + suffix) for name in row.published},
        "published": dict(row.published),
        "measured": {name: _measured(finished, about) for name, about in measures.items()},
        "what_is_kept": next(filter(None, map(kept_of_images, records.values())), None),
        "memory_bytes": _mean_of_dicts([remembered(record) for record in finished]),
        "parameters": _mean([parameters(record) for record in finished]),
        "seconds": _mean([sum(learning_seconds(record)) for record in finished]),
        "curve": learning_curve(list(records.values())),
        "runs": [_run(run, records.get(run.seed), measures) for run in runs],
    }


def _run(run, record, measures):
    facts = {"seed": run.seed, "run_dir": str(run.run_dir), "state": run.state}
    if record is None:
        return facts
    averages = zip(record.classes_seen, record.column("average_accuracy"), strict=True)
    gan_test, finished = record.final("gan_test"), record.finished
    return facts | {
        "accuracy": {f"A{k}": None if a is None else 100 * a for k, a in averages},
        "gan_test": None if gan_test is None else 100 * gan_test,
        "measured": {name: _scaled(record.final(name), about) for name, about in measures.items()} if finished else {},
        "memory_bytes": sum(remembered(record).values()) if finished else None,
        "parameters": parameters(record) if finished else None,
        "seconds": sum(learning_seconds(record)) if finished else None,
    }


def _scaled(value, about):
    """A measure's value as a comparison has it: fractions in percent, None for what is no number."""
    if not kinds.is_number(value):
        return None
    return 100 * value if about.unit is Unit.PERCENT else value


def _measured(records, about):
    """{"n", "mean", "sd", "low", "high"} of a measure's last values; None where there are none."""
    values = [_scaled(record.final(about.name), about) for record in records]
    return _described(estimate([value for value in values if value is not None]))


def _estimate(records, score):
    values = [value for value in (score_of(record, score) for record in records.values()) if value is not None]
    return _described(estimate(values))


def _described(found):
    """A `statistics.Estimate`, or None, as a dict."""
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


def _outside(row, records):
    """Remarks on means outside of the expected range of a row."""
    remarks = []
    for score, (low, high) in row.expected.items():
        found = _estimate(records, score)
        if found is not None and not low <= found["mean"] <= high:
            text = f"{row.label}: {score} is {found['mean']:.2f}, expected {low:g} to {high:g}"
            remarks.append({"score": score, "text": text})
    return remarks


def _unfinished(runs):
    remarks = []
    for run in runs:
        if run.state == states.CHANGED:
            text = f"{run.row.label}: the run of seed {run.seed} is of another configuration and does not count"
            remarks.append({"score": None, "text": text})
        elif run.state == states.DAMAGED:
            text = f"{run.row.label}: the run of seed {run.seed} does not count: {run.reason}"
            remarks.append({"score": None, "text": text})
        elif run.state != states.FINISHED:
            record = run.record()
            learned = 0 if record is None else record.learned
            text = f"{run.row.label}: seed {run.seed} is not finished ({run.state}, {learned} tasks learned)"
            remarks.append({"score": None, "text": text})
    return remarks


def _remark_orders(suite, rows):
    """Remarks on pairs of rows in the wrong order."""
    last, rows = f"A{suite.at[-1]}", {row["name"]: row for row in rows}
    for lower, higher in suite.orders:
        below, above = rows[lower]["scores"][last], rows[higher]["scores"][last]
        if below and above and below["mean"] > above["mean"] + suite.slack:
            text = (
                f"{rows[lower]['label']}: {last} is {below['mean']:.2f}, expected no more than "
                f"{rows[higher]['label']}'s {above['mean']:.2f}"
            )
            rows[lower]["remarks"].append({"score": last, "text": text})
