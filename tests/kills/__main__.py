r"""Kills commands at random moments and gives them again: what they end with is what an undisturbed run ends with.

  python -m tests.kills                        # 100 kills, within an hour of one core
  python -m tests.kills --folder=/tmp/kills    # keeps a log there: the same command goes on where it stopped
  python -m tests.kills --seed=3 --kills=20 --subjects=iCaRL,suite

Each life of a subject is a folder in which its command is started, killed (SIGKILL) and started again until it ends.
A moment is a share of the processor time that an undisturbed life takes, a smaller one at each start. One in four
counts from the start of Python, the others from where the run begins. At the end of a life memory, results, measured
curves and images are compared to the bit with those of the undisturbed one, and nothing half-written may be left.
Linux only.
"""

import argparse
import collections
import json
import pathlib
import secrets
import shutil
import sys
import tempfile

import numpy as np

from tests.kills import subjects
from tests.kills.comparison import differences
from tests.kills.life import Life

_FROM_START = 0.25  # share of the kills whose moment counts from the start of Python


class Kills:
    """Lives and kills of one subject.

    Args:
      subject: of `subjects`.
      folder: where lives, the reference and the log are.
      seed: int.
    """

    def __init__(self, subject, folder, seed):
        self._subject, self._folder, self._seed = subject, folder / subject.name, seed
        self._log = folder / "log.jsonl"

    def done(self):
        """The log's lines of this subject and seed."""
        lines = self._log.read_text().splitlines() if self._log.is_file() else []
        rows = map(json.loads, lines)
        return [row for row in rows if (row["subject"], row["seed"]) == (self._subject.name, self._seed)]

    def run(self, count):
        """Kills so many times, those in the log included; returns the lives' log lines."""
        left = count - sum(len(row["kills"]) for row in self.done())
        while left > 0:
            row = self._live(len(self.done()), left, self._seconds())
            left -= len(row["kills"])
            with self._log.open("a") as log:
                log.write(json.dumps(row) + "\n")
            print(f"{self._subject.name} life {row['life'] + 1}: killed {row['kills']}; {_verdict(row)}", flush=True)
        return self.done()

    def _seconds(self):
        """Of processor time that the undisturbed life took, which is there then."""
        path = self._folder / "seconds.json"
        if not path.is_file():
            life = Life(self._subject, self._folder / "reference")
            seconds = life.end()
            if life.status:
                raise SystemExit(f"kills: expected {life.log} to end well, got exit status {life.status}")
            path.write_text(json.dumps(seconds))
        return json.loads(path.read_text())

    def _live(self, index, most, seconds):
        rng, kills = np.random.default_rng([self._seed, index]), []
        life = Life(self._subject, self._folder / f"life{index}")
        while len(kills) < most:
            from_start = bool(rng.random() < _FROM_START) or not self._subject.begins
            moment = rng.uniform(0.0, seconds / min(3, 1 + len(kills)))  # the less is left to do, the earlier
            where = life.kill_after(moment, from_start, bool(rng.random() < 0.5))
            if where is None:
                break
            kills.append(where)
        else:
            life.end()
        found = [f"exit status {life.status}"]
        if not life.status:
            found = differences(life.folder, self._folder / "reference", self._subject.run_dirs)
        if not found:
            shutil.rmtree(life.folder)
        return {"subject": self._subject.name, "seed": self._seed, "life": index, "kills": kills, "differences": found}


def _verdict(row):
    return "DIFFERENT: " + "; ".join(row["differences"]) if row["differences"] else "equal to the bit"


def _shares(count, parts):
    """`count` in nearly equal parts."""
    return [count * (i + 1) // parts - count * i // parts for i in range(parts)]


def main(arguments=None):
    """Prints each life and a summary; returns 1 where one ended otherwise than it should."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100, help="in all")
    parser.add_argument("--seed", type=int, help="of the moments; default: another one each time")
    parser.add_argument("--folder", help="where to work and to keep the log; default: a temporary one")
    parser.add_argument("--subjects", default=",".join(subjects.SUBJECTS), help="which")
    given = parser.parse_args(arguments)
    names = given.subjects.split(",")
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(given.folder or temporary).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        seed = _seed(folder, given.seed)
        print(f"seed {seed}, in {folder}", flush=True)
        subjects.write_inputs(folder / "inputs")
        rows = []
        for name, count in zip(names, _shares(given.kills, len(names)), strict=True):
            rows += Kills(subjects.SUBJECTS[name](folder / "inputs"), folder, seed).run(count)
    return _summary(rows)


def _seed(folder, given):
    """The seed asked for, or the one that the folder was begun with, or a new one."""
    path = folder / "seed.json"
    if given is None and path.is_file():
        return json.loads(path.read_text())
    seed = secrets.randbelow(2**31) if given is None else given
    path.write_text(json.dumps(seed))
    return seed


def _summary(rows):
    wrong = [row for row in rows if row["differences"]]
    places = collections.Counter(place for row in rows for place in row["kills"])
    print(f"{sum(places.values())} kills in {len(rows)} lives, {len(wrong)} of which ended otherwise")
    for place, count in sorted(places.items()):
        print(f"  {count:3d} {place}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
