"""run.json: every start of a run, and what is said where it is damaged."""

import pytest

from dgm_tf.disk import files
from dgm_tf.errors import Damaged
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder


def test_every_start_is_noted_and_the_file_is_signed(tmp_path):
    for _ in range(2):
        assert sessions.run_session(RunFolder(tmp_path), "none", lambda: None) == 0
    noted = sessions.read_sessions(tmp_path / "run.json")
    assert len(noted) == 2 and all(session["started"] <= session["ended"] for session in noted)
    assert '"sha256"' in (tmp_path / "run.json").read_text()


# What is no time: of another type, other text, without a time zone.
TIMES = [{"sessions": [{"started": time, "ended": None}]} for time in (5, "x", "2026-01-01T00:00:00")]


@pytest.mark.parametrize(
    "content", [{}, [], {"sessions": {}}, {"sessions": ["x"]}, {"sessions": [{"started": "x"}]}, *TIMES]
)
def test_what_tells_of_no_starts_is_damaged(tmp_path, content):
    files.write_json(tmp_path / "run.json", content)
    with pytest.raises(Damaged, match="run.json is damaged: expected a list of sessions in it, found none; restore"):
        sessions.read_sessions(tmp_path / "run.json")


def test_a_damaged_file_stops_the_start_before_anything_is_done(tmp_path):
    sessions.run_session(RunFolder(tmp_path), "none", lambda: None)
    path = tmp_path / "run.json"
    path.write_text(damaged := path.read_text().replace("sessions", "session5"))
    with pytest.raises(Damaged, match="SHA-256; restore it from a copy, or delete it: it tells of earlier starts"):
        sessions.run_session(RunFolder(tmp_path), "none", lambda: pytest.fail("started"))
    assert path.read_text() == damaged
