"""Every shipped suite can be read, and each of its rows is a configuration that can be parsed."""

import pytest

from dgm_tf import config, gin_files
from dgm_tf.compare.suite import read_suite

FILES = sorted((gin_files.gin_directory() / "compare").glob("*.gin"))


@pytest.fixture(params=FILES, ids=lambda path: path.stem)
def path(request):
    return request.param


# Ostapenko et al., CVPR 2019, tables 1 and 2, by row: accuracies in percent in the order of the scores' names.
TABLE_1_MNIST = {  # A5, A10; of EWC-S, RWalk-S, PI-S and iCaRL-S A10 alone
    "jt": (97.66, 98.10), "ewc_s": (79.7,), "rwalk_s": (82.5,), "pi_s": (78.7,), "icarl": (55.8,),
    "ewc_m": (70.62, 77.03), "dgr": (90.39, 85.40), "mergan_jtr": (98.19, 97.00), "mergan_ra": (98.19, 97.00),
    "dgmw": (98.75, 96.46), "dgma": (99.17, 97.92),
}  # fmt: skip
TABLE_1_CIFAR10 = {"jt": (82.20, 64.20), "dgmw": (64.94, 51.70), "dgma": (62.50, 50.80)}
TABLE_2 = {  # A30, A50, and top-5 likewise where it is published
    "jt": (57.35, 49.88, 84.70, 78.24), "icarl_k1000": (29.38, 28.98, 69.98, 59.49),
    "icarl_k2000": (39.38, 29.96, 70.57, 60.07), "dgmw": (32.14, 17.82, 62.53, 40.76), "dgma": (25.93, 15.16),
    "dgmw_r75": (50.80, 38.22), "dgmw_r50": (48.80, 40.72), "dgmw_r25": (46.93, 35.04), "dgmw_r10": (41.67, 30.48),
    "dgmw_k1000": (36.87, 18.84, 69.13, 43.12), "dgmw_k2000": (41.93, 22.56, 69.20, 51.84),
}  # fmt: skip
FIGURES = {(1, 10): ("A10",), (2, 10): ("A5", "A10"), (2, 50): ("A30", "A50"),
           (4, 50): ("A30", "A50", "A30 top-5", "A50 top-5")}  # fmt: skip
PUBLISHED = {"table1_mnist": (TABLE_1_MNIST, 10), "table1_cifar10": (TABLE_1_CIFAR10, 10), "table2": (TABLE_2, 50)}
GAN_TESTED = {"ewc_m", "dgr", "mergan_jtr", "mergan_ra"}  # taken over from MeRGAN's paper, which measured GAN-test


def test_published_scores_are_those_of_the_paper(path, clean_gin):
    rows, classes = PUBLISHED.get(path.stem.removesuffix("_fast"), ({}, 0))
    wanted = {name: dict(zip(FIGURES[len(v), classes], v, strict=True)) for name, v in rows.items()}
    suite = read_suite(path)
    assert {row.name: row.published for row in suite.rows if row.published} == wanted
    assert {row.name for row in suite.rows if row.metric == "gan_test"} == (GAN_TESTED & set(wanted))


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
