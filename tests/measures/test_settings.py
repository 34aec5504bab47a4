"""How a run is judged: settings are checked before anything is measured."""

import pytest

from dgm_tf.errors import UserError
from dgm_tf.measures.measure import Kept, Large, Measure, Shown
from dgm_tf.measures.settings import EvaluationSettings
from dgm_tf.measures.standard import STANDARD


def test_settings_are_frozen():
    with pytest.raises(AttributeError):
        EvaluationSettings().protocol = "published"


def test_an_unknown_protocol_is_refused():
    with pytest.raises(UserError, match="EvaluationSettings.protocol: expected one of 'strict', 'published'"):
        EvaluationSettings(protocol="lenient")


class Named(Measure):
    """A measure of a name."""

    def __init__(self, name, **attributes):
        self.name = name
        vars(self).update(attributes)


class AfterRun(Named):
    """One that gives a value of the whole run."""

    def after_run(self, view):
        return 1.0


@pytest.mark.parametrize(
    ("measures", "told"),
    [
        (3, "EvaluationSettings.measures: expected a list, got 3"),
        (["a"], "expected measures such as @MyMeasure\\(\\), got 'a'"),
        ([Named("two words")], "Named.name: expected a name such as 'my_measure', got 'two words'"),
        ([Named("gan_test")], "Named.name: expected another name, got 'gan_test', which is taken"),
        ([Named("finished")], "Named.name: expected another name, got 'finished', which is taken"),
        ([Named("mine"), Named("mine")], "expected another name, got 'mine'"),
        (
            [Named("mine", kept=Kept.LAST, shown=Shown.COLUMN)],
            "Named.shown: expected Shown.FACT or NOWHERE beside Kept.LAST, got column",
        ),
        ([AfterRun("mine")], "AfterRun.after_run: expected kept = Kept.LAST beside it, got each"),
        (
            [Named("mine", kept=Kept.LAST, shown=Shown.FACT, large=Large.ROWS)],
            "Named.large: expected Large.NO or MATRIX beside Kept.LAST, got rows",
        ),
    ],
)
def test_measures_have_names_of_their_own(measures, told):
    with pytest.raises(UserError, match=told):
        EvaluationSettings(measures=measures)


def test_ones_own_come_after_the_standard_ones():
    mine = Named("mine")
    assert EvaluationSettings(measures=[mine]).all_measures == (*STANDARD, mine)
