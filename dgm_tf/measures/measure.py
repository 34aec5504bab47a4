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


@dataclasses.dataclass(frozen=True)
class Description:
    """All that tables, TensorBoard and comparisons know of a measure; results.json holds it of each.

    Attributes:
      name: its key in results.json.
      title: for people.
      unit, better, kept, shown: as of the enums.
      compared: whether a comparison of methods has a column of its last value.
      large: whether a value holds a number for each class or epoch.
    """

    name: str
    title: str
    unit: Unit = Unit.NUMBER
    better: Better = Better.NEITHER
    kept: Kept = Kept.EACH
    shown: Shown = Shown.NOWHERE
    compared: bool = False
    large: bool = False

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
        flags = {key: entry[key] for key in ("compared", "large")}
        if not isinstance(entry["title"], str) or not all(isinstance(flag, bool) for flag in flags.values()):
            raise TypeError(f"expected a title and two flags, got {entry!r:.80}")
        unit, better = Unit(entry["unit"]), Better(entry["better"])
        return cls(name, entry["title"], unit, better, Kept(entry["kept"]), Shown(entry["shown"]), **flags)


class Measure:
    """Base of all measures. One of your own is a subclass in one file, registered by `@gin.register`, and named in gin:

        EvaluationSettings.measures = [@MyMeasure()]

    Its values must be what JSON can hold: a number (None: not measured), a list, a dict of such.

    Attributes:
      name: its key in results.json, a Python name; no other measure's.
      title: for people; default: the name.
      unit, better, kept, shown, compared: see `Description`.
      large: whether a value holds a number for each class or epoch: runs of many classes keep it in results.npz.
    """

    name = ""
    title = ""
    unit = Unit.PERCENT
    better = Better.HIGHER
    kept = Kept.EACH
    shown = Shown.COLUMN
    compared = True
    large = False

    def applies(self, view):
        """Whether the measure exists in this run. If so and it fails, its value is None."""
        return True

    def after_task(self, view):
        """The value after a task, or None where it could not be measured; view: `View`."""
        return None

    def after_run(self, view):
        """A value of the whole run, or None, which is kept beside those of the tasks; view: of the last task."""
        return None

    def scalars(self, value, view):
        """{tag: number} for TensorBoard; default: a number under accuracy/ or measures/.

        value: what `after_task` gave, not None.
        """
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return {}
        return {f"{'accuracy' if self.unit is Unit.PERCENT else 'measures'}/{self.name}": value}

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


def as_json(value):
    """A value of a measure as what JSON can hold: NumPy's numbers and arrays as Python's, NaN as None.

    Raises:
      TypeError: for anything else; OverflowError: for an infinite number.
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
            raise OverflowError("expected a finite number, got an infinite one")
        return None if np.isnan(value) else value
    raise TypeError(f"expected numbers, text, lists and dicts of them, got {type(value).__name__}")
