r"""Runs one gin file several times with another value of one binding, and writes what the runs have found as JSON.

  python tools/repeated_runs.py --gin_file=gin/cifar10_closed_form.gin --json=docs/results/cifar10_closed_form.json
  python tools/repeated_runs.py --gin_file=gin/photos.gin --gin_param="ImageFolder.directory='photos'" \
    --vary=ImageFolder.seed --values=0,1,2,3,4 --runs=runs/splits --json=docs/results/photos.json

Each run is bin/train in a folder of its own, one after the other; a run that was stopped is resumed. The JSON has the
command, the commit, the machine, the load before each run, accuracies after each task, their mean and standard
deviation over the runs, and the seconds and the most memory that each process took. Nothing else should run meanwhile.
"""

import argparse
import os
import pathlib
import re
import shlex
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

MEASURED = (
    "average_accuracy", "micro_accuracy", "top5_average_accuracy", "expected_calibration_error", "uncalibrated_error",
    "unknown_auroc", "false_alarms",
)  # fmt: skip


def run(gin_file, params, folder):
    """Runs bin/train; returns {"seconds": of its process, "peak_memory_bytes", "load_before"}."""
    load, start = os.getloadavg()[0], time.monotonic()
    command = [str(ROOT / "bin" / "train"), f"--gin_file={gin_file}", f"--run_dir={folder}"]
    process = subprocess.Popen([*command, *(f"--gin_param={param}" for param in params)])
    _, status, usage = os.wait4(process.pid, 0)  # of this process alone
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"repeated_runs: {folder} ended with exit status {process.returncode}")
    seconds = round(time.monotonic() - start, 1)
    return {"seconds": seconds, "peak_memory_bytes": 1024 * usage.ru_maxrss, "load_before": load}


def found(folder):
    """What a run folder's results say."""
    from dgm_tf.measures import record

    results = record.read(folder)
    values = {name: results.column(name) for name in MEASURED}
    kept = {"what_is_kept": results.last["what_is_kept"], "memory_bytes": results.final("memory_bytes")}
    seconds = sum(sum(task.seconds.values()) for task in results.task_records)
    return values | kept | {"classes_seen": results.classes_seen, "seconds_of_tasks": round(seconds, 1)}


def spread(runs):
    """{measure: {"mean": [...], "deviation": [...]}} over runs, after each task where all have a value."""
    spreads = {}
    for name in MEASURED:
        columns = list(zip(*(each[name] for each in runs), strict=True))
        known = [column for column in columns if None not in column]
        deviations = [statistics.stdev(column) if len(column) > 1 else 0.0 for column in known]
        spreads[name] = {"mean": [statistics.mean(column) for column in known], "deviation": deviations}
    return spreads


def main():
    """Runs, and writes the file anew after each run."""
    from machine import described  # beside this file

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gin_file", required=True)
    parser.add_argument("--gin_param", action="append", default=[])
    parser.add_argument("--vary", default="run_experiment.seed", help="binding that differs between the runs")
    parser.add_argument("--values", default="0", help="its values, with commas")
    parser.add_argument("--runs", default="runs/repeated", help="folder of the run folders")
    parser.add_argument("--json", required=True)
    arguments = parser.parse_args()
    name, runs = pathlib.Path(arguments.gin_file).stem, []
    for value in arguments.values.split(","):
        folder = pathlib.Path(arguments.runs) / f"{name}_{value}"
        params = [*arguments.gin_param, f"{arguments.vary}={value}"]
        process = run(arguments.gin_file, params, folder)
        runs.append({arguments.vary: value} | found(folder) | process)
        write(arguments, described(), runs)


def write(arguments, machine, runs):
    """Writes the JSON of the runs so far."""
    from dgm_tf.disk import files

    params = "".join(f"--gin_param={shlex.quote(_without_path(param))} " for param in arguments.gin_param)
    command = f"python tools/repeated_runs.py --gin_file={arguments.gin_file} {params}--vary={arguments.vary} "
    facts = {"command": f"{command}--values={arguments.values}", "gin_file": arguments.gin_file, **machine}
    files.write_json(arguments.json, facts | {"runs": runs, "over_runs": spread(runs)})


def _without_path(param):
    """A binding, without its value where that holds an absolute path: it would be of one machine alone."""
    name, separator, value = param.partition("=")
    return f"{name}{separator}..." if re.search("""[\"']/""", value) else param


if __name__ == "__main__":
    main()
