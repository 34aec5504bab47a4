r"""Where a run's wall time went, from the lines of its metrics.jsonl that each task and the run end with.

  python tools/run_time.py runs/mnist_dgmw_fast
  python tools/run_time.py runs/before runs/after --json=run_time.json

Steps are the training phases' (gan, classifier). "tracing" holds the first step of each phase, in which TensorFlow
compiles it; "replay" generating images to learn from; "bounds" and "gan_train" classifiers that are trained to
measure with, which EvaluationSettings turns off. Shares are of all that is listed; "without measuring" leaves
bounds, gan_train and export out.
"""

import argparse
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

STEPS = ("gan", "classifier")
MEASURING = ("bounds", "gan_train", "export")


def seconds_by_kind(run_dir):
    """Dict kind -> seconds of a run that has ended at least one task.

    Raises:
      SystemExit: if it has not, or its results are damaged.
    """
    from dgm_tf.output import warn
    from dgm_tf.run.folder import RunFolder
    from dgm_tf.run.metrics_log import read_rows

    folder = RunFolder(pathlib.Path(run_dir).expanduser())
    path = folder.metrics
    try:
        record = folder.record(large=False)
        head = None if record is None else record.metrics_head
    except ValueError as error:
        raise SystemExit(f"run_time: {error}") from error
    rows, complaint = read_rows(path, head) if path.is_file() else ([], "")
    rows = [row["seconds"] for row in rows if row.get("kind") in ("time", "end")]
    damage = complaint and f"{path} is damaged: {complaint}"
    if not rows:
        found = damage or f"found no time in {path}"
        raise SystemExit(f"run_time: {run_dir}: expected a run folder with an ended task, {found}")
    if damage:
        warn(f"{damage}; the sums are of what is whole")
    return {kind: sum(row.get(kind, 0.0) for row in rows) for kind in dict.fromkeys(k for row in rows for k in row)}


def shares(seconds):
    """Share of the training steps in all of the time, and in what is left without measuring."""
    steps = sum(seconds.get(kind, 0.0) for kind in STEPS)
    total = sum(seconds.values())
    return {
        "of all": steps / total,
        "without measuring": steps / (total - sum(seconds.get(kind, 0.0) for kind in MEASURING)),
    }


def main():
    """Prints a table for each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_dir", nargs="+")
    parser.add_argument("--json", help="file for all figures")
    arguments = parser.parse_args()
    results = {}
    for run_dir in arguments.run_dir:
        seconds = seconds_by_kind(run_dir)
        total = sum(seconds.values())
        print(f"{run_dir}: {total / 60:.1f} minutes\n\n| | seconds | share |\n|---|---:|---:|")
        for kind, value in sorted(seconds.items(), key=lambda item: -item[1]):
            print(f"| {kind} | {value:.1f} | {value / total:.1%} |")
        step_shares = shares(seconds)
        print("\ntraining steps: " + ", ".join(f"{share:.1%} {name}" for name, share in step_shares.items()) + "\n")
        results[run_dir] = {"seconds": seconds, "step_shares": step_shares}
    if arguments.json:
        from dgm_tf.disk import files

        files.write_json(arguments.json, results)


if __name__ == "__main__":
    main()
