"""Draws faults, gives each command that reads the damaged file, and prints how many were told and which were not.

python -P -m tests.faults                          # 1,000 faults, within an hour on one core
python -P -m tests.faults --count=100 --seed=1 --report=faults.json
"""

import argparse
import collections
import dataclasses
import json
import pathlib
import sys
import tempfile
import time

from tests.faults.faults import OUT_OF_SCOPE, drawn, large_results, look
from tests.faults.prepared import Prepared

FINE = ("told", "no damage")


def run(count, seed, prepared, every=lambda number, found: None):
    """[(fault, command, verdict, outcome)] of so many faults; every: called after each with its number and these."""
    found = []
    for number, fault in enumerate(drawn(count, seed), 1):
        found += look(prepared, fault)
        every(number, found)
    return found


def table(found):
    """Lines: for each file how many faults, how many commands were given, and the verdicts."""
    rows = collections.defaultdict(list)
    for fault, command, verdict, _ in found:
        rows[f"{fault.pattern} ({fault.state})"].append((fault, command, verdict))
    lines = ["| file (state of the run) | faults | commands | verdicts |", "|---|---:|---:|---|"]
    for name, row in rows.items():
        verdicts = collections.Counter(verdict for _, _, verdict in row)
        told = ", ".join(f"{count} {verdict}" for verdict, count in verdicts.items())
        lines.append(f"| `{name}` | {len({fault for fault, _, _ in row})} | {len(row)} | {told} |")
    return lines


def main():
    """Command line; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=1000, help="faults")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--report", type=pathlib.Path, help="JSON file for all of it")
    arguments = parser.parse_args()
    begun = time.monotonic()

    def every(number, found):
        if number % 50 == 0:
            bad = sum(verdict not in FINE for _, _, verdict, _ in found)
            seconds = time.monotonic() - begun
            print(f"{number} faults, {len(found)} commands, {bad} not told, {seconds:.0f} s", flush=True)

    with tempfile.TemporaryDirectory() as folder, large_results():
        found = run(arguments.count, arguments.seed, Prepared(pathlib.Path(folder)), every)
    print("\n".join(table(found)))
    for fault, command, verdict, outcome in found:
        if verdict not in FINE:
            print(f"{verdict}: {command} after {fault}\n  {outcome}")
    print("Out of scope:", *OUT_OF_SCOPE, sep="\n  ")
    if arguments.report:
        rows = [dataclasses.asdict(f) | {"command": c, "verdict": v, "said": o.complaints} for f, c, v, o in found]
        arguments.report.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    return int(any(verdict not in FINE for _, _, verdict, _ in found))


if __name__ == "__main__":
    sys.exit(main())
