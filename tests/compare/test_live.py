"""What a person sees while a suite runs."""

import io

import pytest
from rich.console import Console

from dgm_tf.compare import live, runs
from dgm_tf.compare.run_progress import RunProgress
from dgm_tf.disk import files
from tests.compare import fake


def console(terminal):
    return Console(file=io.StringIO(), force_terminal=terminal, width=120, highlight=False, color_system=None)


def test_without_a_terminal_each_change_is_a_line(tmp_path):
    first, second = fake.run(tmp_path, seed=0), fake.run(tmp_path, seed=1)
    out = console(terminal=False)
    with live.LiveTable([first, second], out, every_seconds=0.0) as table:
        first.state = second.state = runs.WAITING
        table.update()
        assert out.file.getvalue() == ""
        first.state = runs.RUNNING
        table.update()
        table.update()
        content = fake.results([1.0], finished=False) | {"tasks": [[0], [1]]}
        files.write_json(first.run_dir / "results.json", content)
        table.update()
        first.state, first.reason = runs.FAILED, "exit status 1"
        table.update()
    lines = [line.split(" ", 1)[1] for line in out.file.getvalue().splitlines()]
    assert lines == [
        "dgmw seed 0: running",
        "dgmw seed 0: running, task 1/2 learned, A 100.00%",
        f"dgmw seed 0: failed, task 1/2 learned, A 100.00%, exit status 1, see {first.log}",
    ]


def test_a_damaged_file_is_told_once(tmp_path, capfd):
    run = fake.run(tmp_path)
    run.run_dir.mkdir(parents=True)
    (run.run_dir / "run.json").write_text("{")
    run.state = runs.RUNNING
    with live.LiveTable([run], console(terminal=False), every_seconds=0.0) as table:
        table.update()
    told = capfd.readouterr().err
    assert told.startswith(f"warning: {run.run_dir / 'run.json'} is damaged: ") and told.count("\n") == 1


def test_on_a_terminal_it_is_one_table(tmp_path):
    run = fake.run(tmp_path)
    out = console(terminal=True)
    with live.LiveTable([run], out, every_seconds=0.0) as table:
        run.state = runs.RUNNING
        table.update()
    assert "1 running" in out.file.getvalue() and "A so far" in out.file.getvalue()


def test_the_table_shows_what_needs_eyes_first(tmp_path):
    states = [runs.FINISHED, runs.WAITING, runs.RUNNING, runs.FAILED]
    all_runs = [fake.run(tmp_path, seed=seed) for seed in range(4)]
    for run, state in zip(all_runs, states, strict=True):
        run.state = state
    progress = {"dgmw seed 2": RunProgress(1, 10, "gan", "3/8", 0.987, 60.0, 540.0)}
    out = console(terminal=False)
    out.print(live.progress_table(all_runs, progress))
    text = out.file.getvalue()
    assert [line.split()[2] for line in text.splitlines() if line.startswith("  dgmw")] == [
        "failed", "running", "waiting", "finished"
    ]  # fmt: skip
    for cell in ("2/10", "gan", "3/8", "98.70%", "1m00s", "9m00s"):
        assert cell in text
    assert "1 finished, 1 failed, 1 running, 1 waiting" in text


def test_the_time_left_goes_by_the_pace_of_each_row(tmp_path):
    a = [fake.run(tmp_path, name="a", seed=seed) for seed in range(3)]
    b = fake.run(tmp_path, name="b")
    for run, state in zip([*a, b], (runs.FINISHED, runs.RUNNING, runs.WAITING, runs.RUNNING), strict=True):
        run.state = state
    progress = {
        "a seed 0": RunProgress(elapsed=100.0, left=0.0),
        "a seed 1": RunProgress(elapsed=40.0, left=80.0),
        "b seed 0": RunProgress(elapsed=5.0),
    }
    assert live.seconds_left([*a, b], progress) is None  # nobody knows b's pace
    progress["b seed 0"] = RunProgress(elapsed=5.0, left=50.0)
    assert live.seconds_left([*a, b], progress) == pytest.approx((80 + 110 + 50) / 2)
