"""A comparison of results.json files that a stranger has changed: each is told in one line, or does not matter."""

import copy
import pathlib
import random

import pytest

from dgm_tf.compare import formats, hparams, numbers, report_files, runs
from dgm_tf.compare.live import LiveTable
from dgm_tf.compare.suite import Suite
from dgm_tf.disk import files
from dgm_tf.measures import record
from tests.compare import fake

EARLIER = pathlib.Path(__file__).resolve().parents[1] / "earlier" / "run_0_1_0" / "finished" / "results.json"
OTHERS = (
    "text",
    "",
    None,
    True,
    -1,
    0,
    0.5,
    1e300,
    10**400,
    [],
    {},
    ["text"],
    [[1]],
    [{}],
    [None],
    {"a": 1},
    {"a": "b"},
)


def places(entries, path=()):
    """Paths to all entries within entries, at most the first few of each list."""
    within = (
        entries.items() if isinstance(entries, dict) else enumerate(entries[:3]) if isinstance(entries, list) else ()
    )
    for key, value in within:
        yield (*path, key)
        yield from places(value, (*path, key))


def changed(entries, rng):
    """A copy with one entry of another kind, or without it; and what was done."""
    entries = copy.deepcopy(entries)
    groups = {}
    for path in places(entries):
        groups.setdefault((path[0], len(path)), []).append(path)
    *path, key = rng.choice(groups[rng.choice(list(groups))])
    within = entries
    for step in path:
        within = within[step]
    if rng.random() < 0.2:
        del within[key]
        return entries, f"without {[*path, key]}"
    within[key] = rng.choice(OTHERS)
    return entries, f"{[*path, key]} = {within[key]!r:.40}"


def report(root, suite, folder):
    """What `bin/compare --report_only` does, and what a live table shows."""
    found = runs.Run(suite.rows[0], 0, root / "dgmw" / "seed0", [], fake.TEXT)
    found.look()
    LiveTable([found])
    comparison = numbers.compare(suite, [found])
    report_files.write_report(comparison, folder)
    formats.terminal_table(comparison)
    return formats.remarks(comparison)


@pytest.fixture(scope="module")
def suite():
    row = fake.row("dgmw", published={"A2": 96.0}, expected={"A2 gan_test": (0, 100)})
    return Suite([row], at=(1, 2), top_5=True)


@pytest.fixture(scope="module")
def real():
    """Results of a real run, with all entries that one has today."""
    return record.Record.from_json(files.read_json(EARLIER), EARLIER).to_json()


@pytest.fixture
def quick(monkeypatch):
    """Neither TensorBoard's entries nor the figure are drawn: what they are given is."""
    monkeypatch.setattr(
        report_files,
        "write_hparams",
        lambda comparison, _: [
            hparams._metrics(run, comparison["at"])
            for row in comparison["rows"]
            for run in row["runs"]
            if "accuracy" in run
        ],
    )
    monkeypatch.setattr(report_files.figures, "save", lambda *_: None)


def test_each_change_is_told_in_a_line_or_does_not_matter(real, suite, tmp_path, quick):
    told = 0
    for seed in range(300):
        entries, what = changed(real, random.Random(seed))
        files.write_atomically(tmp_path / "dgmw" / "seed0" / "config.gin", fake.TEXT)
        files.write_json(tmp_path / "dgmw" / "seed0" / "results.json", entries)
        try:
            remarks = report(tmp_path, suite, tmp_path / "report")
        except Exception as error:
            raise AssertionError(f"seed {seed}, {what}") from error
        assert not any("\n" in line for line in remarks), f"seed {seed}, {what}"
        told += any("the run of seed 0 does not count" in line and "results.json" in line for line in remarks)
    assert 50 < told < 250


def test_a_measure_of_another_kind_is_left_out(real, suite, tmp_path):
    entries = real | {"expected_calibration_error": ["0.1", "0.2"]}
    comparison = numbers.compare(suite, [fake.finished(tmp_path, suite.rows[0], 0, entries)])
    assert comparison["rows"][0]["runs"][0]["accuracy"] and "expected_calibration_error" not in comparison["measures"]
