"""Where the time goes, with a clock that is set by hand."""

import re

import pytest

from dgm_tf.training import clock as clock_module
from dgm_tf.training.clock import NOT_LEARNING, TIMINGS, Clock


@pytest.fixture
def hands(monkeypatch):
    """A list of one number: what `time.monotonic` says."""
    now = [100.0]
    monkeypatch.setattr(clock_module.time, "monotonic", lambda: now[0])
    return now


def test_of_nested_measurements_the_inner_one_counts(hands):
    clock = Clock()
    hands[0] += 5  # charged to nobody
    with clock.measure("evaluation"):
        hands[0] += 1
        with clock.measure("bounds"):
            hands[0] += 10
        hands[0] += 2
    with clock.measure("gan"):
        hands[0] += 4
    assert clock.read() == {"evaluation": 3.0, "bounds": 10.0, "gan": 4.0}


def test_it_can_be_read_in_the_middle_and_goes_on_from_what_was_read(hands):
    clock, later = Clock(), Clock()
    with clock.measure("gan"):
        hands[0] += 4
        assert clock.read() == {"gan": 4.0}
    later.restart({"gan": 4.0})
    with later.measure("gan"):
        hands[0] += 1
    assert later.read() == {"gan": 5.0}
    later.restart()
    assert later.read() == {}


def test_an_exception_ends_the_measurement(hands):
    clock = Clock()
    with pytest.raises(KeyError), clock.measure("gan"):
        hands[0] += 1
        raise KeyError
    hands[0] += 7
    assert clock.read() == {"gan": 1.0}


@pytest.mark.parametrize("before", [{}, {"gan": 20.0}])
def test_a_restart_inside_a_measurement_forgets_what_came_before(hands, before):
    clock = Clock()
    with clock.measure("gan"):
        hands[0] += 4
        clock.restart(before)
        hands[0] += 1
    assert clock.read() == {"gan": before.get("gan", 0.0) + 1.0}


def test_every_timing_of_the_package_is_explained(project_root):
    texts = [path.read_text(encoding="utf-8") for path in (project_root / "dgm_tf").rglob("*.py")]
    measured = re.findall(
        r'clock\.measure\("(\w+)"|\n    charge = "(\w+)"|\n    name = "(gan|classifier)"', "".join(texts)
    )
    assert {"".join(names) for names in measured} == TIMINGS.keys() >= set(NOT_LEARNING)


def test_it_is_read_to_the_millisecond(hands):
    clock = Clock()
    with clock.measure("gan"):
        hands[0] += 0.12345
    assert clock.read() == {"gan": 0.123}
