"""Fixtures shared by all tests."""

import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import gin  # noqa: E402
import pytest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent


# Seconds for a test that waits for whole commands, or for a day's worth of them; pyproject.toml has everyday's.
TIMEOUTS = {"ci": 900, "slow": 3600}


def pytest_collection_modifyitems(items):
    for item in items:
        for marker, seconds in TIMEOUTS.items():
            if item.get_closest_marker(marker):
                item.add_marker(pytest.mark.timeout(seconds))


@pytest.fixture(scope="session")
def project_root():
    """The checkout's top folder."""
    return ROOT


@pytest.fixture(scope="session")
def tfds_data_dir(tmp_path_factory):
    """A TFDS data_dir with all data sets that gin files name: those that TFDS_DATA_DIR holds, small twins of others."""
    from tests import small_tfds

    data_dir = tmp_path_factory.mktemp("tfds")
    small_tfds.prepare(data_dir, os.environ.get("TFDS_DATA_DIR"))
    return str(data_dir)


@pytest.fixture(scope="session")
def finished_run(project_root, tmp_path_factory):
    """The run folder of a tiny run that was never stopped, beside it what it printed: do not write into it."""
    from tests import tiny_run

    run_dir = tmp_path_factory.mktemp("finished") / "run"
    tiny_run.finish(project_root, run_dir, tiny_run.LONG)
    return run_dir


@pytest.fixture
def clean_gin():
    """Leaves no gin configuration behind."""
    yield
    gin.clear_config()
