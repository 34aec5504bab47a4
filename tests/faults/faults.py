"""Single flipped bits and truncations of files that commands read, and what is said about them."""

import dataclasses
import itertools
import pathlib
import random
import re
from unittest import mock

from dgm_tf.measures import record
from dgm_tf.run.metrics_log import parse_line
from tests.faults.commands import COMMANDS, Cut
from tests.faults.prepared import BEGUN, ENDED, FINISHED, RUN

_MEMORY = ("bin/sample", "bin/predict", "bin/export", "dgm_tf.load")
_TABLE = ("bin/compare", "bin/compare --dry_run", "bin/compare --report_only")
_CURVES = ("learning_curves.py", "run_time.py", "method_time.py")
_LATEST, _TASK_END = "checkpoints/latest.npz", "checkpoints/task_end.npz"
# (state, file of the run folder or of the cache, commands that read it there)
READERS = (
    *((state, f"memory/{name}", _MEMORY) for state in (BEGUN, FINISHED)
      for name in ("learner.json", "weights.npz", "masks.npz", "stored.npz")),
    (FINISHED, "results.json", ("bin/train", "bin/learn", *_TABLE, *_CURVES)),
    (FINISHED, "results.npz", ("bin/learn",)),
    (FINISHED, "run.json", ("bin/learn", "bin/compare", "method_time.py")),
    (FINISHED, "config.gin", ("bin/train", "bin/train --gin_file=config.gin", "bin/learn", "bin/predict", *_TABLE)),
    (FINISHED, "metrics.jsonl", ("bin/learn", "run_time.py")),
    (FINISHED, _LATEST, ("bin/learn",)),
    (FINISHED, _TASK_END, ("bin/learn",)),
    *((BEGUN, name, ("bin/train", "bin/compare")) for name in ("results.json", "run.json", "config.gin")),
    *((BEGUN, name, ("bin/train",)) for name in ("metrics.jsonl", _LATEST, _TASK_END)),
    (ENDED, _LATEST, ("bin/train",)),
    *((state, f".cache/images-*/{name}", (command,))
      for state, command in ((BEGUN, "bin/train"), (FINISHED, "bin/learn"))
      for name in ("images.npy", "facts.npy", "unreadable.json", "sha256.json")),
    (ENDED, ".cache/joint-*.npz", ("bin/train, to its bounds",)),
    (ENDED, ".cache/fine-tuning-*.json", ("bin/train, to its bounds",)),
)  # fmt: skip
OUT_OF_SCOPE = (
    "operative_config.gin, figures/, images/, a suite's tables: written for people, no command reads them",
    "train/, eval/, hparams/: TensorBoard's events, which have checksums of its own",
    "export/: SavedModels, read by TensorFlow",
    "checkpoints/task_end.npz while latest.npz is whole, and the other way round once a task has ended again",
)


@dataclasses.dataclass(frozen=True)
class Fault:
    """A damage to a file.

    state, pattern: see `READERS`; kind: "bit" or "end"; place: in [0, 1), where in the file; bit: 0 to 7.
    """

    state: str
    pattern: str
    commands: tuple
    kind: str
    place: float
    bit: int

    def damaged(self, data):
        """Bytes with the damage."""
        position = int(self.place * len(data))
        if self.kind == "end":
            return data[:position]
        return data[:position] + bytes([data[position] ^ 1 << self.bit]) + data[position + 1 :]


def drawn(count, seed):
    """So many faults, every file and either kind in turn."""
    rng = random.Random(seed)
    turns = itertools.cycle(itertools.product(("bit", "end"), READERS))
    return [Fault(*reader, kind, rng.random(), rng.randrange(8)) for kind, reader in itertools.islice(turns, count)]


def large_results():
    """Inside this context runs of two classes have a results.npz, too."""
    return mock.patch.object(record, "MANY_CLASSES", 1)


def look(prepared, fault):
    """[(fault, command, verdict, what was said)] for each command; verdict: told, no damage, or what is wrong."""
    found = []
    for command in fault.commands:
        prepared.restore(fault.state)
        path = _path(prepared, fault.pattern)
        data = path.read_bytes()
        path.write_bytes(damaged := fault.damaged(data))
        if fault.pattern == _TASK_END:  # it is read only then
            path.with_name(pathlib.Path(_LATEST).name).unlink()
        outcome = COMMANDS[command](prepared)
        nothing = fault.pattern == "metrics.jsonl" and _is_earlier_moment(prepared, fault, data, damaged)
        found.append((fault, command, _verdict(outcome, path, nothing), outcome))
    return found


def _path(prepared, pattern):
    folder = prepared.root if pattern.startswith(".cache") else prepared.root / RUN
    (path,) = folder.glob(pattern)
    return path


def _is_earlier_moment(prepared, fault, data, damaged):
    """Whether lines are missing that a run which was killed earlier would not have written either."""
    if fault.kind != "end" or not damaged.endswith(b"\n") or fault.state == FINISHED:
        return False
    known = prepared.head
    return any(parse_line(line).digests[1] == known for line in damaged.splitlines())


def _verdict(outcome, path, nothing):
    lines = outcome.complaints.splitlines()
    notes = [line for line in lines if re.match(r"(warning|error|run_time): ", line)]
    told = [line for line in (outcome.printed + outcome.complaints).splitlines() if "is damaged" in line]
    names = {path.name, path.parent.name} if path.parent.name.startswith("images-") else {path.name}
    if outcome.ended not in (0, 1, 2, Cut):
        return f"ended by {outcome.ended}"
    if not told:
        return "no damage" if nothing and not notes else "silent"
    if not any(name in line for line in told for name in names):
        return "another file is named"
    return "told" if len(notes) <= 1 else "more than one line"
