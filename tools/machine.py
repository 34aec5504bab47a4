"""What a measured figure holds for: commit, machine, date."""

import datetime
import os
import pathlib
import platform
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent


def described():
    """{"commit", "changed_files", "machine", "date"}, for the JSON behind a figure."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
    changed = subprocess.run([*git, "status", "--porcelain"], capture_output=True, text=True, check=True).stdout
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "commit": commit,
        "changed_files": [line[3:] for line in changed.splitlines() if not line.startswith("??")],
        "machine": f"{platform.machine()}, {cores} cores, Python {platform.python_version()}",
        "date": str(datetime.date.today()),
    }
