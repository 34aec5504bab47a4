"""tools/departures.py: sizes of departures, computed from the code of today."""

import json

import pytest

from tests import script
from tests.conftest import ROOT


def test_what_the_page_says_is_what_the_code_does(tmp_path):
    result = script.give("departures.py", f"--json={tmp_path / 'out.json'}")
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "out.json").read_text())
    kept = json.loads((ROOT / "docs/results/departures.json").read_text())
    assert {"commit", "machine", "date", "command"} <= kept.keys()
    for rule, moves in kept["first_step"].items():
        assert found["first_step"][rule] == pytest.approx(moves, rel=1e-4)
    for name, spreads in kept["kernel_spread"].items():
        assert found["kernel_spread"][name] == pytest.approx(spreads, rel=1e-4)
