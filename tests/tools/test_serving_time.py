"""tools/serving_time.py: a row for each format, with equal labels; `prepare` of the page sees what training saw."""

import json

import numpy as np
import pytest
from PIL import Image

from dgm_tf.data.sources.decoding import decode
from dgm_tf.methods.fine_tuning import FineTuning
from tests import documents, letters, script
from tests.conftest import ROOT
from tests.export.test_write import learn_random_tasks


def prepare_of_the_page():
    """The function that docs/serving.md gives."""
    blocks = documents.blocks((ROOT / "docs" / "serving.md").read_text(encoding="utf-8"), "python")
    (code,) = [block for block in blocks if "def prepare(" in block]
    names = {}
    exec(code, names)
    return names["prepare"]


@pytest.mark.parametrize("channels", [1, 3])
def test_the_ten_lines_of_the_page_give_the_pixels_of_training(tmp_path, channels):
    prepare = prepare_of_the_page()
    letters.write_oddities(tmp_path / "odd")
    rng = np.random.default_rng(0)
    for name, size, quality in (("wide", (1500, 700), 80), ("tall", (300, 2000), 95), ("small", (20, 30), 90)):
        noise = Image.fromarray(rng.integers(0, 256, (9, 9, 3)).astype(np.uint8)).resize(size)
        exif = Image.Exif()
        exif[0x0112] = 6
        noise.save(tmp_path / "odd" / f"{name}.jpg", quality=quality, exif=exif)
    paths = [path for path in (tmp_path / "odd").iterdir() if path.is_file() and path.name not in letters.NO_IMAGES]
    paths = [path for path in paths if path.name != "sixteen_bits.png"]  # the page says that the lines are not for it
    assert len(paths) == 11
    for path in paths:
        for size in (32, 128):
            expected = decode(path, size, channels)
            np.testing.assert_array_equal(prepare(path, size, channels), expected, path.name)


@pytest.mark.ci
def test_a_row_for_each_format(tmp_path):
    learn_random_tasks(FineTuning()).save(tmp_path / "run")
    photos = letters.write_letters(tmp_path / "photos", "ab", count=3)
    done = script.give(
        "serving_time.py", f"--run_dir={tmp_path / 'run'}", f"--image_dir={photos}", f"--json={tmp_path / 'x.json'}"
    )
    assert done.returncode == 0, done.stderr
    content = json.loads((tmp_path / "x.json").read_text())
    assert {"command", "commit", "machine", "date", "load_before"} < set(content) and str(tmp_path) not in str(content)
    assert [row["format"] for row in content["runs"]] == ["saved_model", "litert", "onnx"]
    for row in content["runs"]:
        assert row["equal"] == row["compared"] <= row["photos"] == 6 and row["bytes"] > 10_000
        assert row["largest_difference"] < 1e-4 and row["classify_ms"] > 0
