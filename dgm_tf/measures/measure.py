"""Measure: one or more numbers that a run records after each task, and how they are shown."""

import dataclasses
import enum

import numpy as np

from dgm_tf.errors import UserError

METRICS_HEAD = "metrics_sha256"  # entry of results and of a checkpoint's notes: the head of metrics.jsonl
# Entries of results.json that are no measures.
FACTS = (
    "format", "sha256", "finished", "protocol", "class_names", "tasks", "classes_per_task", "excerpt", "data", "later",
    "test_excerpts", "warnings", "cautions", "measures", "seconds", "seconds_end", "beside", METRICS_HEAD,
    "weights_bytes", "masks_bytes", "stored_bytes",
)  # fmt: skip


class Unit(enum.StrEnum):
    """How numbers are written; all are kept as fractions or plain numbers."""

    PERCENT = "percent"  # of a fraction in [0, 1]
    NUMBER = "number"


class Better(enum.StrEnum):
    """Which of two values is the better one."""

    HIGHER = "higher"
    LOWER = "lower"
    NEITHER = "neither"


class Kept(enum.StrEnum):
    """Which values stay in results.json."""

    EACH = "each"  # a list, a value for each task
    LAST = "last"  # that of the last task alone


class Shown(enum.StrEnum):
    """Where a run's tables have it."""

    COLUMN = "column"  # after each task, and a column at the end
    FACT = "fact"  # its last value, below the tables
    NOWHERE = "nowhere"  # in results.json alone


class Large(enum.StrEnum):
    """Whether a value grows with the classes: runs of many classes keep it in results.npz."""

    NO = "no"
    ROWS = "rows"  # a list of numbers, or a dict of such lists, of one length
    MATRIX = "matrix"  # counts, [classes, classes]


@dataclasses.dataclass(frozen=True)
class Description:
    """All that tables, TensorBoard and comparisons know of a measure; results.json holds it of each.

    Attributes:
      name: its key in results.json.
      title: for people.
      unit, better, kept, shown: as of the enums.
      compared: whether a comparison of methods has a column of its last value.
    """

    name: str
    title: str
    unit: Unit
    better: Better
    kept: Kept
    shown: Shown
    compared: bool
    large: Large

    def to_json(self):
        """A dict of text and bool, without the name."""
        values = dataclasses.asdict(self)
        return {key: value if isinstance(value, bool) else str(value) for key, value in values.items() if key != "name"}

    @classmethod
    def from_json(cls, name, entry):
        """The inverse of `to_json`; entry: what a file holds.

        Raises:
          ValueError, TypeError, KeyError: if the entry holds something else.
        """
        if not isinstance(entry["title"], str) or not isinstance(entry["compared"], bool):
            raise TypeError(f"expected a title and whether it is compared, got {entry!r:.80}")
        unit, better = Unit(entry["unit"]), Better(entry["better"])
        kept, shown, large = Kept(entry["kept"]), Shown(entry["shown"]), Large(entry["large"])
        return cls(name, entry["title"], unit, better, kept, shown, entry["compared"], large)


class Measure:
    """Base of all measures. One of your own is a subclass in one file, registered by `@gin.register`, and named in gin:

        EvaluationSettings.measures = [@MyMeasure()]

    Its values must be what JSON can hold: a number (None: not measured), a list, a dict of such. Tables and comparisons
    show numbers alone.

    Attributes:
      name: its key in results.json, a Python name; no other measure's.
      title: for people; default: the name.
      unit, better, kept, shown, compared, large: see `Description` and the enums. By default a fraction of which more
        is better, shown below a run's tables and in a column of comparisons.
    """

    name = ""
    title = ""
    unit = Unit.PERCENT
    better = Better.HIGHER
    kept = Kept.EACH
    shown = Shown.FACT
    compared = True
    large = Large.NO

    def applies(self, view):
        """Whether the measure exists in this run. If so and it fails, its value is None."""
        return True

    def after_task(self, view):
        """The value after a task, or None where it could not be measured; view: `View`."""
        return None

    def after_run(self, view):
        """Another last value at the end of the run, or None; view: of the last task. It needs `kept = Kept.LAST`."""
        return None

    def warning(self, value, view):
        """A text that people must not miss, or None; value: what `after_task` gave, not None."""
        return None

    def scalars(self, value, view):
        """{tag: number} for TensorBoard; value: what `after_task` gave, not None.

        By default a number, under accuracy/ if it is a fraction of which more is better, else under measures/.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return {}
        is_accuracy = self.unit is Unit.PERCENT and self.better is Better.HIGHER
        return {f"{'accuracy' if is_accuracy else 'measures'}/{self.name}": value}

    def figures(self, record, view):
        """{name: matplotlib figure} drawn at the run's end from its `Record`; view: of the last task."""
        return {}

    def description(self):
        """Its `Description`."""
        title = self.title or self.name.replace("_", " ")
        return Description(self.name, title, self.unit, self.better, self.kept, self.shown, self.compared, self.large)


class Detail(Measure):
    """A measure whose values are for programs and figures, and stand in no table."""

    unit = Unit.NUMBER
    better = Better.NEITHER
    shown = Shown.NOWHERE
    compared = False


def check_measures(measures):
    """Raises UserError unless these are measures of different names, of which none is an entry of results.json."""
    names = set()
    for measure in measures:
        if not isinstance(measure, Measure):
            raise UserError(f"EvaluationSettings.measures: expected measures such as @MyMeasure(), got {measure!r:.80}")
        if not isinstance(measure.name, str) or not measure.name.isidentifier():
            kind = type(measure).__name__
            raise UserError(f"{kind}.name: expected a name such as 'my_measure', got {measure.name!r:.80}")
        if measure.name in names or measure.name in FACTS:
            kind = type(measure).__name__
            raise UserError(f"{kind}.name: expected another name, got {measure.name!r}, which is taken")
        names.add(measure.name)
        _check_kept(measure)


def _check_kept(measure):
    """What is kept must fit to how it is shown and stored."""
    kind, keeps_each = type(measure), measure.kept is Kept.EACH
    if keeps_each and kind.after_run is not Measure.after_run:
        raise UserError(f"{kind.__name__}.after_run: expected kept = Kept.LAST beside it, got {measure.kept}")
    if not keeps_each and measure.shown is Shown.COLUMN:
        raise UserError(f"{kind.__name__}.shown: expected Shown.FACT or NOWHERE beside Kept.LAST, got {measure.shown}")
    if not keeps_each and measure.large is Large.ROWS:
        raise UserError(f"{kind.__name__}.large: expected Large.NO or MATRIX beside Kept.LAST, got {measure.large}")


def as_json(value):
    """A value of a measure as what JSON can hold: NumPy's numbers and arrays as Python's, NaN as None.

    Raises:
      ValueError: for anything else, an infinite number too.
    """
    if isinstance(value, dict):
        return {str(key): as_json(entry) for key, entry in value.items()}
    if isinstance(value, np.ndarray | list | tuple):
        return [as_json(entry) for entry in (value.tolist() if isinstance(value, np.ndarray) else value)]
    value = value.item() if isinstance(value, np.generic) else value
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        if np.isinf(value):
            raise ValueError("expected finite numbers, got an infinite one")
        return None if np.isnan(value) else value
    raise ValueError(f"expected numbers, text, lists and dicts of them, got {type(value).__name__}")
