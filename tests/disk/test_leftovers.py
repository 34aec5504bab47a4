"""What killed processes left is removed when its folder is next held, and nothing of a process that lives."""

import os
import subprocess
import sys
import time

import pytest

from dgm_tf.disk import files, leftovers, lock

DAY = 24 * 3600.0


@pytest.fixture(scope="module")
def ended():
    """Id of a process that is gone."""
    process = subprocess.Popen([sys.executable, "-I", "-S", "-c", ""])
    process.wait()
    return process.pid


def temporary(folder, process, name="weights.npz", machine=None, age=0.0):
    """A temporary of a process, as `files.temporary_name` would call it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = files.temporary_name(folder / name)
    own, other = f".{os.getpid()}-{files._machine()}", f".{process}-{machine or files._machine()}"
    path = path.with_name(path.name.replace(own, other))
    path.write_bytes(b"half")
    os.utime(path, (time.time() - age,) * 2)
    return path


def test_who_holds_a_run_folder_finds_it_tidy(tmp_path, ended):
    run = tmp_path / "run"
    parts = ("", "memory", "checkpoints", "images", "figures", "train", "eval", "export")
    left = [temporary(run / part, ended) for part in parts]
    left += [temporary(run / "memory", 1, machine="0000")]  # of a container that is gone
    (run / "export" / files.temporary_name("building").name.replace(str(os.getpid()), str(ended), 1)).mkdir()
    kept = [run / "memory" / "weights.npz", temporary(run / "export", os.getppid())]
    kept[0].write_bytes(b"whole")
    with lock.locked(run, "run_dir", "another"):
        assert not [path for path in left if path.exists()]
        assert all(path.exists() for path in kept)
        assert [path.name for path in (run / "export").iterdir()] == [kept[1].name]


def test_in_a_shared_folder_only_what_is_surely_abandoned_goes(tmp_path, ended):
    gone = [
        temporary(tmp_path, ended),
        temporary(tmp_path, os.getpid(), age=leftovers._started and time.time() - leftovers._started + 60),
        temporary(tmp_path, 7, machine="0000", age=2 * DAY),
    ]
    kept = [
        temporary(tmp_path, os.getpid()),
        temporary(tmp_path, os.getppid(), age=2 * DAY),
        temporary(tmp_path, ended, machine="0000", age=60.0),  # another machine's, which may be at work
        tmp_path / "joint-2.npz",
    ]
    kept[3].write_bytes(b"whole")
    leftovers.sweep_shared(tmp_path)
    assert not [path for path in gone if path.exists()] and all(path.exists() for path in kept)


def test_what_a_person_calls_a_temporary_stays(tmp_path):
    """A folder may be any, such as the one of --output."""
    for name in ("data.tmp", "mine.tmp/a", "run/memory/mine.tmp/a"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"precious")
        for each in (path, path.parent):
            os.utime(each, (time.time() - 2 * DAY,) * 2)
    leftovers.sweep_shared(tmp_path)
    with lock.locked(tmp_path / "run", "run_dir", "another"):
        assert len(list(tmp_path.rglob("mine.tmp/a"))) == 2 and (tmp_path / "data.tmp").exists()


def test_an_unfinished_folder_goes_with_what_is_in_it(tmp_path, ended):
    path = files.temporary_name(tmp_path / "images-1")
    path = path.with_name(path.name.replace(f".{os.getpid()}-", f".{ended}-"))
    path.mkdir()
    (path / "images.npy").write_bytes(b"half")
    leftovers.sweep_shared(tmp_path)
    leftovers.sweep_shared(tmp_path / "nowhere")
    assert not list(tmp_path.iterdir())


def test_without_locks_nothing_of_a_living_process_goes(tmp_path, monkeypatch):
    kept = temporary(tmp_path / "memory", os.getppid())

    def no_locks(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(lock.fcntl, "flock", no_locks)
    with lock.locked(tmp_path, "run_dir", "another"):
        assert kept.exists()
