"""Suite: rows of a table, each a gin file to run, with published and expected scores.

A suite is a gin file of its own (see gin/compare/). Each row is a scope, and the scope's name is the row's name:

    import dgm_tf.compare.suite

    Suite.rows = [@rehearsal/SuiteRow(), @dgmw/SuiteRow()]
    Suite.at = (5,)

    rehearsal/SuiteRow.gin_file = "rehearsal.gin"
    dgmw/SuiteRow.gin_file = "gin/mnist_dgmw_fast.gin"
    dgmw/SuiteRow.published = {"A5": 98.75}

Scores go by names such as "A10" (mean accuracy over the first 10 classes, after the task that brings the tenth),
"A30 top-5" and, in `SuiteRow.expected`, "A10 gan_test". All are in percent.
"""

import dataclasses
import pathlib
import re

import gin

from dgm_tf import checks

ACCURACY, GAN_TEST, TOP_5 = "accuracy", "gan_test", "top-5"
METRICS = (ACCURACY, GAN_TEST)
_FIGURE = re.compile(r"A(\d+)(?: (gan_test|top-5))?")


def parse_score(name):
    """Parses a score's name to (number of classes, "accuracy", "gan_test" or "top-5"); None for other names."""
    match = _FIGURE.fullmatch(name) if isinstance(name, str) else None
    return match and (int(match[1]), match[2] or ACCURACY)


@gin.register
@dataclasses.dataclass(frozen=True)
class SuiteRow:
    """A method with its settings: one line of the table, run once for each seed.

    Attributes:
      gin_file: the run's gin file, found as by bin/train.
      params: gin bindings that win over the file's, a list; lists in it count with what they hold.
      label: what the table calls the row; default: its name.
      name: its folder's name; default: the gin scope that it is made in, else the gin file's.
      published: score -> percent, as published.
      metric: "accuracy" or "gan_test": what the published scores are; the two are not comparable.
      expected: score -> (low, high) in percent; a mean outside is marked in the table.
      note: a remark for below the table.

    Raises:
      UserError: if an argument is not as described.
    """

    gin_file: str = gin.REQUIRED
    params: tuple = ()
    label: str = ""
    name: str = ""
    published: dict = dataclasses.field(default_factory=dict)
    metric: str = ACCURACY
    expected: dict = dataclasses.field(default_factory=dict)
    note: str = ""

    def __post_init__(self):
        is_text = isinstance(self.gin_file, str) and bool(self.gin_file)
        checks.argument("SuiteRow.gin_file", self.gin_file, is_text, "the path of a gin file")
        for field in ("name", "label", "note"):
            value = getattr(self, field)
            checks.argument(f"SuiteRow.{field}", value, isinstance(value, str), "a string")
        name = self.name or (gin.current_scope() or [pathlib.Path(self.gin_file).stem])[-1]
        checks.argument("SuiteRow.name", name, re.fullmatch(r"\w[\w.+-]*", name), "a name fit for a folder")
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "label", self.label or name)
        object.__setattr__(self, "params", flat_params("SuiteRow.params", self.params))
        checks.choice(self, "metric", METRICS)
        self._check_scores()

    def _check_scores(self):
        comparable = (ACCURACY, TOP_5) if self.metric == ACCURACY else (ACCURACY,)
        kinds = [parse_score(name)[1] for name, _ in self._items("published")]
        fits, place = set(kinds) <= set(comparable), f"SuiteRow.published of {self.name}"
        checks.argument(place, self.published, fits, f"scores such as A10, measured as metric = '{self.metric}' says")
        for score, value in self._items("published"):
            checks.number_in(f"SuiteRow.published[{score!r}] of {self.name}", value, "[0, 100]")
        for score, value in self._items("expected"):
            checks.pair_in(f"SuiteRow.expected[{score!r}] of {self.name}", value, "[0, 100]")

    def _items(self, field):
        value = getattr(self, field)
        fits = isinstance(value, dict) and all(parse_score(name) for name in value)
        checks.argument(f"SuiteRow.{field} of {self.name}", value, fits, "scores such as {'A10': 97.9}")
        return value.items()


@gin.register
@dataclasses.dataclass(frozen=True)
class Suite:
    """Rows to run and compare.

    Attributes:
      rows: `SuiteRow`s, in gin [@ewc/SuiteRow(), @dgmw/SuiteRow()]; their names differ.
      at: numbers of classes k at which A_k is reported.
      top_5: whether top-5 accuracy is reported as well.
      params: gin bindings for all rows; a row's own win over them.
      orders: list of (name of a row, name of another) of which the first should not be better at the last k.
      slack: percent by which it may be all the same.
      title: above the table.

    Raises:
      UserError: if an argument is not as described.
    """

    rows: tuple = gin.REQUIRED
    at: tuple = (5, 10)
    top_5: bool = False
    params: tuple = ()
    orders: tuple = ()
    slack: float = 1.0
    title: str = ""

    def __post_init__(self):
        is_list = isinstance(self.rows, (tuple, list)) and all(isinstance(row, SuiteRow) for row in self.rows)
        checks.argument("Suite.rows", self.rows, is_list and self.rows, "a list such as [@ewc/SuiteRow()]")
        names = [row.name for row in self.rows]
        checks.argument("names of Suite.rows", names, len(set(names)) == len(names), "names that differ")
        checks.integers(self, "at", "[1, inf)")
        checks.flag(self, "top_5")
        checks.number(self, "slack", "[0, 100]")
        checks.argument("Suite.title", self.title, isinstance(self.title, str), "a string")
        object.__setattr__(self, "params", flat_params("Suite.params", self.params))
        checks.argument("Suite.orders", self.orders, isinstance(self.orders, (tuple, list)), "a list of pairs of names")
        for pair in self.orders:
            fits = isinstance(pair, (tuple, list)) and len(pair) == 2 and all(name in names for name in pair)
            checks.argument("Suite.orders", pair, fits, f"pairs of {', '.join(names)}")

    @property
    def scores(self):
        """Names of the accuracies that the table shows, without GAN-test."""
        return [f"A{k}" for k in self.at] + ([f"A{k} {TOP_5}" for k in self.at] if self.top_5 else [])


def flat_params(name, params):
    """Flattens nested lists of bindings to a tuple; raises UserError unless all are strings."""
    checks.argument(name, params, isinstance(params, (tuple, list)), "a list of strings such as ['A.b = 1']")
    flat = []
    for param in params:
        if isinstance(param, (tuple, list)):
            flat += flat_params(name, param)
        else:
            checks.argument(name, params, isinstance(param, str), "a list of strings such as ['A.b = 1']")
            flat.append(param)
    return tuple(flat)


def read_suite(gin_file, params=(), modules=()):
    """The `Suite` that a gin file describes. params: bindings that win; modules: see `config.parse`.

    Raises:
      UserError: if the file or something in it is not as it should be.
    """
    from dgm_tf import config

    config.parse(gin_file, params, modules)
    try:
        with config.missing_told():
            return gin.get_configurable("Suite")()
    finally:
        gin.clear_config()
