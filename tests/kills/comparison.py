"""What two folders in which the same was learned have in common, to the bit."""

import numpy as np

from dgm_tf.run.metrics_log import read_metrics
from tests import tiny_run


def differences(life, reference, run_dirs):
    """List of texts: in what a life's run folders, given relative to it, differ from the reference's; [] in nothing."""
    found = [f"left behind: {path.relative_to(life)}" for path in life.rglob("*") if _is_leftover(path)]
    for name in run_dirs:
        for of, values in {"memory": _memory, "results": _results, "curves": _curves, "files": _files}.items():
            pairs = [values(folder / name) for folder in (life, reference)]
            found += [f"{name}: {of}: {key}" for key in sorted(_differing(*pairs))]
    return found


def _is_leftover(path):
    return path.name not in (".lock", ".cache") and ("tmp" in path.name or path.name.startswith("."))


def _differing(one, other):
    return {key for key in one.keys() | other.keys() if not _same(one.get(key), other.get(key))}


def _same(one, other):
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


def _memory(run_dir):
    return tiny_run.memory(run_dir)


def _results(run_dir):
    return tiny_run.timeless(tiny_run.read_results(run_dir))


def _curves(run_dir):
    """What was measured after each task, and whether a line stands twice."""
    rows = read_metrics(run_dir / "metrics.jsonl")
    places = [(row["global_step"], row["kind"]) for row in rows]
    return {"evaluations": [row for row in rows if row["kind"] == "eval"], "twice": len(places) - len(set(places))}


def _files(run_dir):
    """Images and names of classes by their bytes, models by being there."""
    equal = [*(run_dir / "images").glob("*"), run_dir / "export" / "classes.json"]
    there = [*(run_dir / "export").glob("*/saved_model.pb"), *(run_dir / "figures").glob("*")]
    content = {path: path.read_bytes() for path in equal} | dict.fromkeys(there, True)
    return {str(path.relative_to(run_dir)): value for path, value in content.items()}
