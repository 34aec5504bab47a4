"""tools/replay_worth.py, on the memory of a real run."""

import json
import subprocess
import sys

from tests import script


def test_rows_for_memory_and_real_images_with_each_variant(finished_run, tmp_path):
    out = tmp_path / "rows.json"
    changes = ["closing_epochs=1,augmentation=None", "distillation=2.0"]
    flags = ["--real=3", *(f"--variant={change}" for change in changes), "--threads=1", f"--json={out}"]
    flags.append(f"--figure={tmp_path / 'worth.png'}")
    result = script.give("replay_worth.py", finished_run, *flags)
    assert result.returncode == 0, result.stderr
    rows = json.loads(out.read_text())
    sources = ("memory", "3 real")
    assert [(r["source"], r["variant"]) for r in rows] == [(s, v) for s in sources for v in ("", *changes)]
    # A 32x32 digit as a PNG has some hundred bytes; the stored three are those of the one earlier class.
    assert 3 * 100 < rows[3]["bytes"] == rows[4]["bytes"] < 3 * 700
    # Of all the generator's weights: bytes that hardly change with the classes, far more than three images.
    assert rows[0]["bytes"] > rows[3]["bytes"]
    assert all(0.0 <= a <= 1.0 for row in rows for pair in row["accuracies"] for a in pair)
    assert len({tuple(row["accuracies"][0]) for row in rows}) > 1
    assert (tmp_path / "worth.png").read_bytes().startswith(b"\x89PNG")


def test_the_figure_shows_test_accuracies_of_the_runs_own_settings(project_root):
    rows = [
        {"source": "memory", "variant": "", "bytes": 900, "accuracies": [[0.1, 0.75], [0.1, 0.25]]},
        {"source": "memory", "variant": "closing_epochs=1", "bytes": 900, "accuracies": [[0.1, 0.2]]},
        {"source": "3 real", "variant": "", "bytes": 300, "accuracies": [[0.1, 0.5]]},
    ]
    code = f"import json, replay_worth; print(json.dumps(replay_worth.curves({rows})))"
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, capture_output=True, text=True, cwd=project_root / "tools", check=True)
    assert json.loads(result.stdout) == {"memory": [[900, 0.5]], "real images": [[300, 0.5]]}
