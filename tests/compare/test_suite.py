"""A suite is read from a gin file, and mistakes in it are named."""

import pytest

from dgm_tf.compare.suite import Suite, SuiteRow, flat_params, parse_score, read_suite
from dgm_tf.errors import UserError
from tests.compare import fake

SUITE = """
import dgm_tf.compare.suite

Suite.rows = [@ewc/SuiteRow(), @dgmw/SuiteRow()]
Suite.at = (5,)
Suite.params = ["EvaluationSettings.gan_train_epochs = 0"]
small = ["DCGANGenerator.filters = 4"]

ewc/SuiteRow.gin_file = "ewc.gin"
ewc/SuiteRow.published = {"A5": 79.7}

dgmw/SuiteRow.label = "DGMw, small"
dgmw/SuiteRow.gin_file = "gin/quickstart.gin"
dgmw/SuiteRow.params = [%small, "GANSettings.epochs = 1"]
dgmw/SuiteRow.metric = "gan_test"
dgmw/SuiteRow.expected = {"A5": (90, 99.5), "A5 gan_test": (80, 100)}
"""


@pytest.fixture
def read(tmp_path, clean_gin):
    """Reads a suite from text."""

    def read_text(text=SUITE, *params):
        path = tmp_path / "suite.gin"
        path.write_text(text)
        return read_suite(path, params)

    return read_text


def test_rows_take_their_names_from_their_scopes(read):
    suite = read()
    assert [row.name for row in suite.rows] == ["ewc", "dgmw"]
    assert [row.label for row in suite.rows] == ["ewc", "DGMw, small"]
    assert [row.published for row in suite.rows] == [{"A5": 79.7}, {}]
    assert [row.metric for row in suite.rows] == ["accuracy", "gan_test"]


def test_lists_of_params_may_be_shared(read):
    assert read().rows[1].params == ("DCGANGenerator.filters = 4", "GANSettings.epochs = 1")


def test_params_of_the_command_win(read):
    assert read(SUITE, "Suite.at = (1, 2)").at == (1, 2)


def test_without_a_scope_a_row_is_called_like_its_file():
    assert SuiteRow("gin/mnist_dgmw.gin").name == "mnist_dgmw"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Suite.rows = []", r"Suite.rows: expected a list such as \[@ewc/SuiteRow\(\)\], got \[\]"),
        ("Suite.rows = [@ewc/SuiteRow]", "Suite.rows: expected a list"),
        ("Suite.rows = [@ewc/SuiteRow(), @ewc/SuiteRow()]", "names of Suite.rows: expected names that differ"),
        ("Suite.at = ()", "Suite.at: expected a list of integers"),
        ("Suite.at = (0,)", "Suite.at: expected a list of integers"),
        ("Suite.top_5 = 1", "Suite.top_5: expected True or False, got 1"),
        ("Suite.params = 'A.b = 1'", "Suite.params: expected a list of strings"),
        ("Suite.params = [3]", "Suite.params: expected a list of strings"),
        ("Suite.orders = [('ewc', 'mergan')]", "Suite.orders: expected pairs of ewc, dgmw, got"),
        ("ewc/SuiteRow.gin_file = ''", "SuiteRow.gin_file: expected the path of a gin file, got ''"),
        ("ewc/SuiteRow.name = '../ewc'", "SuiteRow.name: expected a name fit for a folder, got '../ewc'"),
        ("ewc/SuiteRow.metric = 'gan-test'", "SuiteRow.metric: expected one of 'accuracy', 'gan_test', got"),
        ("ewc/SuiteRow.published = {'a5': 3}", "SuiteRow.published of ewc: expected scores such as"),
        ("ewc/SuiteRow.published = {'A5': 979}", r"published\['A5'\] of ewc: expected a number in \[0, 100\], got 979"),
        ("ewc/SuiteRow.published = {'A5 gan_test': 9}", "published of ewc: expected scores such as A10, measured as"),
        ("dgmw/SuiteRow.published = {'A5 top-5': 9}", "measured as metric = 'gan_test' says"),
        (
            "ewc/SuiteRow.expected = {'A5': 97}",
            r"expected\['A5'\] of ewc: expected \(low, high\), two numbers in .* got 97",
        ),
        ("ewc/SuiteRow.expected = {'A5': (None, 90)}", r"expected\['A5'\] of ewc: expected \(low, high\)"),
        ("Suite.orders = None", "Suite.orders: expected a list of pairs"),
        ("Suite.orders = [(['ewc'], 'dgmw')]", "Suite.orders: expected pairs of ewc, dgmw, got"),
        ("ewc/SuiteRow.expected = {'A5': (9, 8)}", r"expected\['A5'\] of ewc: expected \(low, high\)"),
        ("ewc/SuiteRow.lable = 'EWC'", "SuiteRow has no parameter 'lable'. Did you mean label?"),
    ],
)
def test_mistakes_are_named(read, line, message):
    with pytest.raises(UserError, match=message):
        read(SUITE + line)


def test_what_is_missing_is_named(read):
    with pytest.raises(UserError, match="Suite needs a value for rows"):
        read("import dgm_tf.compare.suite\n")
    with pytest.raises(UserError, match="SuiteRow needs a value for gin_file"):
        read("import dgm_tf.compare.suite\nSuite.rows = [@a/SuiteRow()]\n")


@pytest.mark.parametrize(
    ("name", "parsed"),
    [
        ("A10", (10, "accuracy")), ("A10 gan_test", (10, "gan_test")), ("A30 top-5", (30, "top-5")),
        ("A", None), ("10", None), ("A10 top5", None), (5, None),
    ],
)  # fmt: skip
def test_names_of_figures(name, parsed):
    assert parse_score(name) == parsed


def test_figures_follow_the_numbers_of_classes():
    rows = [fake.row()]
    assert Suite(rows, at=(30, 50)).scores == ["A30", "A50"]
    assert Suite(rows, at=(30, 50), top_5=True).scores == ["A30", "A50", "A30 top-5", "A50 top-5"]


def test_nested_params_are_flattened():
    assert flat_params("x", [["a", ("b",)], "c"]) == ("a", "b", "c")
