"""Kinds of what results.json holds."""

import pytest

from dgm_tf.errors import Damaged, UserError
from dgm_tf.measures import kinds


@pytest.mark.parametrize("value", [0, -1, 0.5, kinds.LARGEST])
def test_what_can_be_reckoned_with_is_a_number(value):
    assert kinds.is_number(value)


@pytest.mark.parametrize("value", [True, None, "1", [1], float("nan"), float("inf"), 10 * kinds.LARGEST, -(10**400)])
def test_all_else_is_none(value):
    assert not kinds.is_number(value)


COLUMNS = {  # what fits, and what does not
    "average_accuracy": ([0.5, None], ["0.5"]),
    "gan_test": ([1], [{}]),
    "accuracy_matrix": ([[0.5, None], None], [[[]]]),
    "seconds": ([{"gan": 1.0}], [{"gan": None}]),
    "memory_bytes": ([None, {}], [1.0]),
    "parameters": ([{"a": 2}], [[2]]),
}


@pytest.mark.parametrize("name", COLUMNS)
def test_columns_that_are_known_hold_what_they_should(name):
    fits, wrong = COLUMNS[name]
    kinds.check_columns({name: fits, "of_its_own": ["anything"]})
    with pytest.raises(ValueError, match=rf"^{name}: expected (lists of |objects of )?numbers, got"):
        kinds.check_columns({name: wrong})
    with pytest.raises(ValueError, match=rf"^{name}: expected a list, got"):
        kinds.check_columns({name: {}})


def test_what_is_none_is_as_what_is_not_there():
    entries = {"tasks": None, "warnings": None, "data": None, "gan_test": None, "finished": True}
    assert kinds.checked(entries, "results.json", "advice") == {"gan_test": None, "finished": True}


@pytest.mark.parametrize(
    ("entries", "told"),
    [
        ([], "expected results, got list"), ({"tasks": "text"}, "tasks: expected a list, got 'text'"),
        ({"finished": 1}, "finished: expected a bool, got 1"), ({"warnings": [1]}, "warnings: expected texts, got 1"),
        ({"tasks": [[True]]}, "tasks: expected lists of labels"), ({"seconds": [[]]}, "seconds: expected objects"),
    ],
)  # fmt: skip
def test_another_kind_is_damage_that_names_the_entry(entries, told):
    with pytest.raises(Damaged, match=told) as error:
        kinds.checked(entries, "results.json", "advice")
    assert str(error.value).startswith("results.json") and str(error.value).endswith("advice")


@pytest.mark.parametrize("kind", [KeyError, TypeError, ValueError, AttributeError, OverflowError])
def test_errors_of_wrong_entries_are_told(kind):
    with pytest.raises(Damaged, match=f"results.json.*{kind.__name__}"), kinds.entries_told("results.json"):
        raise kind("a")
    with pytest.raises(UserError, match="^mine$"), kinds.entries_told("results.json"):
        raise UserError("mine")
