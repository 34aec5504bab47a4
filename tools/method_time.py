r"""Seconds that each method of a suite takes for a task, beside DGM's, from run folders that are finished.

  bin/compare --suite=gin/compare/table1_mnist_fast.gin        # first, on a machine that does nothing else
  python tools/method_time.py --root=runs/table1_mnist_fast --output=docs/results/method_time

It writes <output>.md and <output>.json. All rows must come from one machine and the same number of jobs, or the ratios
say nothing; the table names what the run folders tell of that. Training alone counts, evaluation does not.
"""

import argparse
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))


def read_times(root, reference="dgmw"):
    """What the finished runs under `root` took.

    Args:
      root: a suite's folder: <root>/<method>/seed<N>.
      reference: name of the method that the others are compared with.

    Returns:
      A list of {"method", "seeds", "tasks": seconds of each task, mean over seeds, "mean": of these, "ratio": to the
      reference's mean or None, "phases": mean seconds a task by phase, "machines": list}, the slowest last.
    """
    rows = []
    for folder in sorted(path for path in pathlib.Path(root).expanduser().iterdir() if path.is_dir()):
        runs = [run for run in map(_read_run, sorted(folder.glob("seed*"))) if run is not None]
        if runs:
            rows.append(_row(folder.name, runs))
    means = {row["method"]: row["mean"] for row in rows}
    for row in rows:
        row["ratio"] = row["mean"] / means[reference] if reference in means else None
    return sorted(rows, key=lambda row: row["mean"])


def _read_run(run_dir):
    """(seconds of each task by phase, machine) of a finished run, else None."""
    from dgm_tf.disk import files
    from dgm_tf.run.folder import RunFolder
    from dgm_tf.training.clock import NOT_LEARNING

    folder = RunFolder(run_dir)
    record = folder.record(large=False)
    if record is None or not record.finished:
        return None
    facts = files.read_json(folder.starts)
    by_task = [task.seconds for task in record.task_records]
    tasks = [{name: s for name, s in task.items() if name not in NOT_LEARNING} for task in by_task]
    return tasks, f"{facts['machine']}, {', '.join(facts['devices'])}"


def _row(method, runs):
    by_task = zip(*(tasks for tasks, _ in runs), strict=True)
    tasks = [statistics.fmean(sum(task.values()) for task in column) for column in by_task]
    phases = {}
    for task in (task for tasks_of_run, _ in runs for task in tasks_of_run):
        for name, seconds in task.items():
            phases.setdefault(name, []).append(seconds)
    return {
        "method": method,
        "seeds": len(runs),
        "tasks": tasks,
        "mean": statistics.fmean(tasks),
        "phases": {name: statistics.fmean(seconds) for name, seconds in phases.items()},
        "machines": sorted({machine for _, machine in runs}),
    }


def markdown(rows, reference):
    """A table, and the machines that it was measured on."""
    lines = [
        f"| method | seeds | seconds a task | first task | last task | times {reference} | of which |",
        "| --- | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for row in rows:
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.2f}"
        phases = ", ".join(f"{name} {seconds:.1f}" for name, seconds in row["phases"].items() if seconds >= 0.05)
        ends = f"{row['tasks'][0]:.1f} | {row['tasks'][-1]:.1f}"
        lines.append(f"| {row['method']} | {row['seeds']} | {row['mean']:.1f} | {ends} | {ratio} | {phases} |")
    machines = sorted({machine for row in rows for machine in row["machines"]})
    return "\n".join([*lines, "", *(f"Machine: {machine}  " for machine in machines)]) + "\n"


def main():
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--root", required=True, help="folder of a suite's runs")
    parser.add_argument("--reference", default="dgmw", help="the method that the others are compared with")
    parser.add_argument("--output", help="files to write, without .md and .json; default: print the table")
    arguments = parser.parse_args()
    if not pathlib.Path(arguments.root).expanduser().is_dir():
        parser.error(f"--root: expected the folder of a suite's runs, got {arguments.root}")
    try:
        rows = read_times(arguments.root, arguments.reference)
    except ValueError as error:  # a damaged file
        parser.error(str(error))
    if not rows:
        parser.error(f"--root: expected finished runs in {arguments.root}/<method>/seed<N>, found none")
    table = markdown(rows, arguments.reference)
    print(table)
    if arguments.output:
        from dgm_tf.disk import files

        output = pathlib.Path(arguments.output).expanduser()
        files.write_atomically(output.with_suffix(".md"), table)
        files.write_json(output.with_suffix(".json"), rows)


if __name__ == "__main__":
    main()
