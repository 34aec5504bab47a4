"""Fixtures shared by all tests."""

import fcntl
import os
import pathlib
import shutil

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
if "PYTEST_XDIST_WORKER" in os.environ:  # a process for each core: more threads would only stand in each other's way
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")

import gin  # noqa: E402
import pytest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


# Seconds for a test that waits for whole commands, or for a day's worth of them; pyproject.toml has everyday's.
TIMEOUTS = {"ci": 1800, "slow": 7200}


def pytest_collection_modifyitems(items):
    for item in items:
        for marker, seconds in TIMEOUTS.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.timeout(seconds))


def _made_once(tmp_path_factory, name, make):
    """A folder that `make` fills, once for all processes of pytest-xdist; the others wait for it."""
    top = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        top = top.parent
    folder, made = top / name, top / f"{name}.made"
    with open(top / f"{name}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            shutil.rmtree(folder, ignore_errors=True)  # what one that failed has left
            folder.mkdir()
            make(folder)
            made.touch()
    return folder


@pytest.fixture(scope="session")
def project_root():
    """The checkout's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def tfds_data_dir(tmp_path_factory):
    """A TFDS data_dir with all data sets that gin files name: those that TFDS_DATA_DIR holds, small twins of others."""
    from tests import small_tfds

    def make(folder):
        small_tfds.prepare(folder, os.environ.get("TFDS_DATA_DIR"))

    return str(_made_once(tmp_path_factory, "tfds", make))


@pytest.fixture(scope="session")
def finished_run(project_root, tmp_path_factory):
    """A copy of a tiny run that was never stopped, beside it what it printed: do not write into it."""
    from tests import tiny_run

    def make(folder):
        tiny_run.finish(project_root, folder / "run", tiny_run.LONG)

    made = _made_once(tmp_path_factory, "finished", make)
    return shutil.copytree(made, tmp_path_factory.mktemp("copy") / "finished") / "run"


@pytest.fixture
def clean_gin():
    """Leaves no gin configuration behind."""
    yield
    gin.clear_config()
