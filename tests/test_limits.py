"""The page about limits says what the code has."""

import re

from dgm_tf import limits


def test_each_limit_stands_in_the_docs_with_its_value(project_root):
    text = (project_root / "docs" / "limits.md").read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|", text, re.MULTILINE))
    values = {name: value for name, value in vars(limits).items() if name.isupper()}
    assert told.keys() == values.keys()
    for name, value in values.items():
        assert told[name] == (f"{value:,}" if isinstance(value, int) else "half")
