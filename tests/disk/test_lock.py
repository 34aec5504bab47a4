"""A folder is held by one command at a time, and by what it started."""

import subprocess
import sys
import threading
import time

import pytest

from dgm_tf.disk import lock
from dgm_tf.errors import UserError
from dgm_tf.run import sessions
from dgm_tf.run.folder import RunFolder


def locked(folder, patience=60.0):
    return lock.locked(folder, "--run_root", "another bin/compare", patience)


def test_a_second_command_is_refused(tmp_path):
    refused, second = pytest.raises(UserError, match="another bin/compare"), locked(tmp_path / "suite", patience=0.0)
    with locked(tmp_path / "suite"), refused, second:
        pass
    with locked(tmp_path / "suite", patience=0.0):
        pass


def test_a_run_that_was_left_behind_is_waited_for(tmp_path):
    with locked(tmp_path) as lock:
        left = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=(lock,))
    with pytest.raises(UserError), locked(tmp_path, patience=0.0):
        pass
    threading.Timer(0.3, left.stdin.close).start()
    since = time.monotonic()
    with locked(tmp_path, patience=20.0):
        assert time.monotonic() - since > 0.2
    left.wait()


def test_a_file_in_its_place_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="--run_root: expected a folder or a place for one"), locked(tmp_path / "file"):
        pass


def test_a_run_folder_in_use_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("dgm_tf.run.folder.PATIENCE", 0.0)
    begun = []
    refused = pytest.raises(UserError, match="run_dir: .* another bin/train, bin/learn or bin/forget is at work there")
    with lock.locked(tmp_path, "run_dir", "another bin/train"), refused:
        sessions.run_session(RunFolder(tmp_path), "none", lambda: begun.append(True))
    assert not begun and not (tmp_path / "run.json").exists()
    assert sessions.run_session(RunFolder(tmp_path), "none", lambda: begun.append(True)) == 0 and begun
