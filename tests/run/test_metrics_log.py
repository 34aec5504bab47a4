"""metrics.jsonl: rows are there at once, none twice, and a damaged or lost line is told while the others are kept."""

import json
import re

import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.run.metrics_log import MetricsLog, read_metrics
from tests.disk.test_files import damages

ROWS = [{"global_step": step, "loss": 1 / step} for step in range(1, 6)]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def _write(path, rows=ROWS, head=None):
    """Appends rows; returns the head."""
    log = MetricsLog(path, head)
    for row in rows:
        log.write(row)
    log.close()
    return log.head


def test_rows_are_readable_at_once(tmp_path):
    MetricsLog(tmp_path / "new" / "metrics.jsonl").write({"global_step": 1, "loss": 0.5})
    assert read_metrics(tmp_path / "new" / "metrics.jsonl") == [{"global_step": 1, "loss": 0.5}]


def test_values_become_plain_json(path):
    row = {
        "global_step": tf.constant(3, tf.int64), "loss": tf.constant(0.5), "nan": float("nan"),
        "inf": np.float32("inf"), "list": [np.float64(1), np.nan, None, True], "array": np.array([[1.0, np.nan]]),
        "nested": {1: tf.Variable(2.0)}, "name": "µ\n",
    }  # fmt: skip
    _write(path, [row])
    plain = {
        "global_step": 3, "loss": 0.5, "nan": None, "inf": None, "list": [1.0, None, None, True],
        "array": [[1.0, None]], "nested": {"1": 2.0}, "name": "µ\n",
    }  # fmt: skip
    assert read_metrics(path) == [plain]
    assert {**plain, "chain": 0} == {**json.loads(path.read_text()), "chain": 0}


def test_reopening_appends_and_goes_on_with_the_chain(path, capfd):
    heads = [_write(path, [row], head) for row, head in zip(ROWS, [None] * 5, strict=True)]
    assert read_metrics(path, heads[2]) == ROWS and len(set(heads)) == 5 and capfd.readouterr().err == ""


def test_truncate_drops_later_rows_and_writing_goes_on(path, capfd):
    log = MetricsLog(path)
    rows = [{"global_step": 1}, {"note": "kept"}, {"global_step": 2}, {"global_step": 3}, {"note": "z"}]
    for row in rows:
        log.write(row)
    log.truncate_after(2)
    log.write({"global_step": 3, "again": True})
    assert read_metrics(path, log.head) == [*rows[:3], {"global_step": 3, "again": True}]
    assert [p.name for p in path.parent.iterdir()] == [path.name] and capfd.readouterr().err == ""


def test_truncating_an_empty_log(path):
    MetricsLog(path).truncate_after(5)
    assert read_metrics(path) == []


def test_an_empty_row_has_its_digests_too(path):
    head = _write(path, [{}, {"a": 1}])
    assert read_metrics(path, head) == [{}, {"a": 1}]


def test_a_whole_file_is_not_written_again(path):
    head = _write(path)
    before = path.stat().st_ino
    log = MetricsLog(path, head)
    log.truncate_after(5)
    assert path.stat().st_ino == before


class TestDamage:
    """Told in one line; what is whole is kept, and the next run finds a whole file."""

    def _told(self, path, head, capfd):
        """(what is said, the rows that are kept) by a run that goes on there; a reader says the same."""
        read_metrics(path, head)
        reader = capfd.readouterr().err
        MetricsLog(path, head).close()
        told = capfd.readouterr().err
        assert told.count("\n") == reader.count("\n") == 1, (told, reader)
        found = re.fullmatch(rf"warning: {path} is damaged: (.*); the curves continue from the intact lines\n", told)
        assert found and f" is damaged: {found[1]}; only intact lines are read" in reader
        rows = read_metrics(path)
        assert capfd.readouterr().err == "", "it is said once"
        return found[1], rows

    def test_every_bit_and_every_length_counts(self, path, capfd):
        rows = [{"a": 1}, {"b": 2}]
        head = _write(path, rows)
        for damage in damages(path.read_bytes()):
            path.write_bytes(damage)
            kept = read_metrics(path, head)
            told = capfd.readouterr().err
            assert told.startswith(f"warning: {path} is damaged: ") and told.count("\n") == 1
            assert all(row in rows for row in kept), kept

    def test_a_line_with_another_number_goes_and_its_neighbours_stay(self, path, capfd):
        head = _write(path)
        path.write_text(path.read_text().replace('"loss": 0.25', '"loss": 0.26'))
        assert self._told(path, head, capfd) == ("line 4 of 5: not as written", [*ROWS[:3], ROWS[4]])

    def test_lines_that_were_taken_out(self, path, capfd):
        head = _write(path)
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join([*lines[:1], *lines[3:]]))
        assert self._told(path, head, capfd) == ("lines before line 2 are missing or changed", [ROWS[0], *ROWS[3:]])

    def test_lines_lost_at_the_end(self, path, capfd):
        head = _write(path)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:3]))
        assert self._told(path, head, capfd) == ("lines at its end are missing", ROWS[:3])

    def test_a_half_written_last_line(self, path, capfd):
        _write(path)
        path.write_bytes(path.read_bytes()[:-9])
        assert self._told(path, None, capfd) == ("its last line is cut short", ROWS[:4])
        _write(path, [{"global_step": 9}])
        assert read_metrics(path) == [*ROWS[:4], {"global_step": 9}]

    def test_several_at_once_are_counted(self, path, capfd):
        _write(path)
        path.write_text(path.read_text().replace('"loss"', '"lost"'))
        assert self._told(path, None, capfd) == ("line 1 and 4 more of 5: not as written", [])

    def test_the_whole_file(self, path, capfd):
        MetricsLog(path, head="0123456789abcdef").close()
        assert capfd.readouterr().err == f"warning: {path} is lost: the curves start again here\n"


class TestOldFiles:
    """Lines of before there were digests are read, and a run that goes on in such a file adds to it."""

    def test_they_are_read_without_a_word(self, path, capfd):
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        head = _write(path, [{"global_step": 6}])
        assert read_metrics(path, head) == [*ROWS, {"global_step": 6}] and capfd.readouterr().err == ""

    def test_a_line_that_is_no_json_is_told(self, path, capfd):
        path.write_text('{"global_step": 1}\n{"glob\n{"global_step": 3}\n')
        assert read_metrics(path) == [{"global_step": 1}, {"global_step": 3}]
        assert "line 2 of 3: not as written" in capfd.readouterr().err

    def test_what_changes_in_them_once_the_chain_stands_below_is_told(self, path, capfd):
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
        _write(path, [{"global_step": 6}])
        path.write_text(path.read_text().replace('"loss": 0.25', '"loss": 0.26'))
        read_metrics(path)
        assert "lines before line 6 are missing or changed" in capfd.readouterr().err

    @pytest.mark.parametrize("where", ["content", "chain"])
    def test_what_a_damaged_line_breaks_is_not_told_as_missing_too(self, path, capfd, where):
        head = _write(path)
        lines = path.read_bytes().split(b"\n")
        lines[1] = lines[1].replace(b"2", b"7", 1) if where == "content" else lines[1][:-3] + b"x" + lines[1][-2:]
        path.write_bytes(b"\n".join(lines))
        assert read_metrics(path, head) == [ROWS[0], *ROWS[2:]]
        told = capfd.readouterr().err
        assert "line 2 of 5: not as written" in told and "missing" not in told
