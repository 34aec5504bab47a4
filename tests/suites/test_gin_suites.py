"""Every shipped suite can be read, and each of its rows is a configuration that can be parsed."""

import pytest

from dgm_tf import config
from dgm_tf.suites.suite import read_suite

FILES = sorted((config.gin_directory() / "suites").glob("*.gin"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


def test_there_are_suites():
    names = {path.stem for path in FILES}
    tables = {f"table{name}" for name in ("1_mnist", "1_cifar10", "2")}
    assert names >= {"smoke"} | tables | {f"{name}_fast" for name in tables}


def test_every_row_parses(path, clean_gin):
    suite = read_suite(path)
    for row in suite.rows:
        config.parse(row.gin_file, (*suite.params, *row.params, "run_experiment.seed = 0"))


def test_every_row_has_a_name_for_people(path, clean_gin):
    assert all(row.label != row.name for row in read_suite(path).rows)


def test_a_fast_suite_has_the_rows_of_the_one_it_shortens(path, clean_gin):
    if path.stem.endswith("_fast"):
        full = path.with_name(f"{path.stem.removesuffix('_fast')}.gin")
        assert [row.name for row in read_suite(path).rows] == [row.name for row in read_suite(full).rows]
