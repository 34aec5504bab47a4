"""The page of commands on photos: what it says is what was recorded."""

import json
import sys

import pytest

from tests.conftest import ROOT

RESULTS = ROOT / "docs" / "results"
FILES = ("photos_walk.json", "photos_walk_dgm.json")


@pytest.fixture
def page(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(ROOT / "tools"), *sys.path])
    import photos_page

    return photos_page.page


def test_the_page_is_that_of_what_was_recorded(page):
    walks = {name: json.loads((RESULTS / name).read_text(encoding="utf-8")) for name in FILES}
    assert page(walks) == (RESULTS / "photos_walk.md").read_text(encoding="utf-8")


def test_a_long_screen_is_shortened_and_labels_are_counted(page):
    lines = "\n".join(f"line {i}" for i in range(100))
    steps = [
        {"command": "bin/train", "line": "bin/train --gin_file=gin/a.gin", "seconds": 2.5, "screen": lines},
        {
            "command": "bin/predict", "line": "bin/predict --image_dir=new", "seconds": 1.0, "screen": "ok\n",
            "labels": {"glass, known no": 3, "paper, known yes": 1},
        },
    ]  # fmt: skip
    text = page({"a.json": {"machine": "two cores", "date": "2026-01-01", "steps": steps}})
    assert "## gin/a.gin" in text and "| 1 | `bin/train` | train on five classes | 2.5 |" in text
    assert "line 19\n...\nline 80" in text and "line 50" not in text
    assert "| 2 | `bin/predict` | label 4 photos of *trash* | 1.0 |" in text
    assert "3 times *glass, known no*" in text
