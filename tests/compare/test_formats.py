"""The table as text: Markdown, LaTeX, CSV, and all files of a report."""

import csv
import io
import json
import re

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from dgm_tf.compare import formats, numbers, report_files
from dgm_tf.compare.suite import Suite
from dgm_tf.text import markdown, shown
from tests import hostile
from tests.compare import fake

PRETRAINED = fake.kept("nothing but weights", True)


@pytest.fixture
def compared(tmp_path):
    dgmw = fake.row(
        "dgmw", label="DGM_w | 5%", published={"A2": 96.0}, expected={"A2": (95, 99)}, note="Masks on the weights."
    )
    dgr = fake.row("dgr", published={"A2": 85.4}, metric="gan_test")
    ft = fake.row("ft")
    done = [
        fake.finished(tmp_path, dgmw, 0, fake.results([1.0, 0.80])),
        fake.finished(tmp_path, dgmw, 1, fake.results([1.0, 0.84])),
        fake.finished(tmp_path, dgr, 0, fake.results([1.0, 0.9], gan_test=[0.5, 0.75], **fake.kept())),
        fake.finished(tmp_path, ft, 0, fake.results([1.0, 0.5], **PRETRAINED) | {"memory_bytes": [{}, {}]}),
    ]
    return numbers.compare(Suite([dgmw, dgr, ft], at=(2,), title="Table 1"), done)


def test_markdown(compared):
    lines = formats.markdown(compared).splitlines()
    assert lines[0] == "# Table 1"
    headers = ("method", "seeds", "A2", "published A2", "published as", "ours so, A2")
    kept = "kept of images | pretrained | remembered | of which"
    assert lines[2] == f"| {' | '.join(headers)} | {kept} | parameters | time |"
    assert lines[4] == (
        "| DGM_w \\| 5% | 2 | 82.00 ± 2.83 (± 25.41) [1] | 96.00 | accuracy | 82.00 ± 2.83 (± 25.41) | - | - | "
        "2.02 kB | generator 2.00 kB, masks 0.02 kB | 301 | 20.0s |"
    )
    assert lines[5] == (
        "| dgr | 1 | 90.00 | 85.40 | GAN-test | 75.00 | images | no | 2.02 kB | generator 2.00 kB, masks 0.02 kB | "
        "301 | 20.0s |"
    )
    assert lines[6] == "| ft | 1 | 50.00 | - | - | - | nothing but weights | yes | 0 | - | 301 | 20.0s |"
    assert "[1] DGM_w | 5%: A2 is 82.00, expected 95 to 99  " in lines
    assert "DGM_w | 5%: Masks on the weights.  " in lines
    assert len({line.replace("\\|", "").count("|") for line in lines[2:7]}) == 1


@pytest.mark.parametrize("label", hostile.NAMES)
def test_a_label_is_text_in_every_format(tmp_path, label):
    row = fake.row("dgmw", label=label, expected={"A2": (95, 99)}, note=label)
    done = [fake.finished(tmp_path, row, 0, fake.results([1.0, 0.80]))]
    compared = numbers.compare(Suite([row], at=(2,), title=label), done)
    texts = formats.markdown(compared), formats.latex(compared)
    out = io.StringIO()
    Console(file=out, width=1000).print(formats.terminal_table(compared))
    assert all(map(hostile.sends_no_commands, (*texts, out.getvalue())))
    assert shown(label) in out.getvalue()
    table = [line for line in texts[0].splitlines() if line.startswith("| ")]
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1 and len(table) == 3
    rest = re.sub(r"\\text\w+\{\}|\\\^\{\}|\$\\pm\$|\\[{}$#%&_]", "", texts[1].split("\\midrule")[1])
    assert not re.search(r"[#%$~^<>]|\\input", rest)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("*a* _b_ a_b", r"\*a\* \_b\_ a_b"),
        ("[a](b) <i> `c` ~d~ $e$ & f", r"\[a\](b) \<i\> \`c\` \~d\~ \$e\$ \& f"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        ("a - b 1. # c", "a - b 1. # c"),
        ("a\\b", r"a\\b"),
    ],
)
def test_markdown_shows_text_as_it_is(text, expected):
    assert markdown(text) == expected


def test_without_published_scores_there_are_no_columns_for_them(tmp_path):
    row = fake.row()
    done = [fake.finished(tmp_path, row, 0, fake.results([1.0]))]
    headers, _ = formats.headers_and_rows(numbers.compare(Suite([row], at=(1,)), done))
    assert headers == ["method", "seeds", "A1", *formats.KEPT, "remembered", "of which", "parameters", "time"]


def test_latex(compared):
    text = formats.latex(compared)
    assert "\\toprule" in text and "\\midrule" in text and "\\bottomrule" in text and "booktabs" in text
    (row,) = [line for line in text.splitlines() if line.startswith("{DGM")]
    assert row.startswith("{DGM\\_w | 5\\%} & {2} & {82.00 $\\pm$ 2.83 ($\\pm$ 25.41) [1]} & ")
    assert row.endswith(" \\\\")
    columns = text.split("\\begin{tabular}{")[1].split("}")[0]
    assert len(columns) == row.count(" & ") + 1
    assert "{images} & {no}" in text and "{nothing but weights} & {yes}" in text
    assert text.count("{") - text.count("\\{") == text.count("}") - text.count("\\}")


def test_csv_has_numbers(compared):
    dgmw, dgr, ft = csv.DictReader(io.StringIO(formats.csv_table(compared)))
    assert float(dgmw["A2 mean"]) == pytest.approx(82.0) and float(dgmw["A2 low"]) == pytest.approx(56.588, abs=1e-3)
    assert (dgmw["A2 published"], dgmw["published as"]) == ("96.0", "accuracy")
    assert float(dgr["A2 as published mean"]) == pytest.approx(75.0) and dgr["A2 sd"] == ""
    assert (dgmw["memory_bytes"], dgmw["memory_bytes masks"], ft["memory_bytes"]) == ("2024.0", "24.0", "0")
    assert "expected 95 to 99" in dgmw["remarks"]
    kept = [(row["kept_of_images"], row["pretrained"]) for row in (dgmw, dgr, ft)]
    assert kept == [("", ""), ("images", "False"), ("nothing but weights", "True")]


def test_csv_of_the_runs(compared):
    rows = list(csv.DictReader(io.StringIO(formats.csv_runs(compared))))
    assert [(row["method"], row["seed"]) for row in rows] == [("dgmw", "0"), ("dgmw", "1"), ("dgr", "0"), ("ft", "0")]
    assert float(rows[1]["A2"]) == pytest.approx(84.0) and rows[2]["gan_test"] == "75.0"


def _printed(comparison, width):
    out = io.StringIO()
    Console(file=out, width=width).print(formats.terminal_table(comparison))
    return out.getvalue()


def test_the_terminal_gets_what_fits(compared):
    narrow = _printed(compared, 100)
    assert "82.00 ± 2.83 [1]" in narrow and "GAN-test" in narrow and "pretrained" not in narrow


def test_the_terminal_says_what_is_kept_of_images_where_there_is_room(compared):
    wide = _printed(compared, 160)
    assert "nothing but weights" in wide and "pretrained" in wide and "2.02 kB" in wide


def test_a_report_is_all_of_them(compared, tmp_path):
    path = report_files.write_report(compared, tmp_path / "out")
    assert path.read_text() == formats.markdown(compared)
    names = {file.name for file in path.parent.iterdir()}
    assert names == {"table.md", "table.tex", "table.csv", "runs.csv", "table.json", "accuracy.png", "hparams"}
    table = json.loads((path.parent / "table.json").read_text())
    assert {name: table[name] for name in compared if name != "rows"} == {
        n: v for n, v in compared.items() if n != "rows"
    }
    assert [table["figures"], table["rows"][0]["figures"]] == [compared["scores"], compared["rows"][0]["scores"]]
    assert table["rows"][2]["what_is_kept"] == PRETRAINED["what_is_kept"]
    for row, written in zip(compared["rows"], table["rows"], strict=True):
        assert {name: written[name] for name in row if name != "remarks"} == {
            n: v for n, v in row.items() if n != "remarks"
        }
        assert [(r["figure"], r["score"]) for r in written["remarks"]] == [(r["score"],) * 2 for r in row["remarks"]]
    with Image.open(path.parent / "accuracy.png") as image:
        assert np.asarray(image).std() > 0


def test_a_report_of_nothing_is_one_too(tmp_path):
    found = numbers.compare(Suite([fake.row()], at=(1,)), [fake.run(tmp_path)])
    path = report_files.write_report(found, tmp_path / "out")
    assert "| dgmw [1] | 0 | - |" in path.read_text() and not (path.parent / "accuracy.png").exists()
