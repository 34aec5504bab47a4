"""The contact sheet shows the least certain photos of each label, and no more than a page can hold."""

import base64
import io
import pathlib
import re

import numpy as np
import pytest
from PIL import Image

from dgm_tf.learner.photos import Photo
from dgm_tf.report import contact_sheet
from dgm_tf.report.contact_sheet import ContactSheet


def photo(probability, label="cat", other="dog", channels=3):
    image = np.full((32, 32, channels), int(100 * probability), np.uint8)
    return Photo(pathlib.Path("x"), ((label, probability), (other, 1 - probability)), image, "")


def names(page):
    return re.findall(r"<br>([^<]*)</figcaption>", page)


def test_the_least_certain_come_first_by_label():
    sheet = ContactSheet(["dog", "cat"])
    for index, probability in enumerate([0.9, 0.6, 0.8, 0.6]):
        sheet.add(f"cat{index}", photo(probability))
    sheet.add("dog0", photo(0.99, "dog", "cat"))
    page = sheet.html("a <b> & c")
    assert names(page) == ["dog0", "cat1", "cat3", "cat2", "cat0"]
    assert "<h1>a &lt;b&gt; &amp; c</h1>" in page and "60.0% / dog 40%" in page and "5 files, 0 not read" in page


@pytest.mark.parametrize("num_classes", [1, 7, 1000])
def test_pictures_are_bounded_and_none_is_kept_in_vain(num_classes, monkeypatch):
    monkeypatch.setattr(contact_sheet, "MOST_PICTURES", 20)
    labels = [f"class {index}" for index in range(num_classes)]
    sheet, rng = ContactSheet(labels), np.random.default_rng(0)
    certain = {}
    for index, probability in enumerate(rng.permutation(3000) / 3000):
        label = labels[index % num_classes]
        sheet.add(f"file {index}", photo(probability, label))
        certain.setdefault(label, []).append((probability, f"file {index}"))
    kept = sum(map(len, sheet._kept.values()))
    page = sheet.html("x")
    assert kept <= max(20, num_classes) and page.count("<img ") == min(kept, 20) and len(page) < 100_000
    first = [name for _, name in sorted(certain[labels[0]])][: max(1, 20 // num_classes)]
    assert names(page)[: len(first)] == first


def test_what_cannot_be_read_is_named_with_the_reason_and_bounded(monkeypatch):
    monkeypatch.setattr(contact_sheet, "MOST_UNREADABLE", 3)
    sheet = ContactSheet(["cat"])
    for index in range(5):
        sheet.add(f"<{index}>", Photo(pathlib.Path("x"), (), np.zeros((2, 2, 3), np.uint8), "not an image: <svg>"))
    page = sheet.html("x")
    assert page.count("<tr>") == 3 and "5 files, the first 3 of them" in page
    assert "<td>&lt;0&gt;</td><td>not an image: &lt;svg&gt;</td>" in page and "<svg" not in page


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_are_what_the_classifier_saw(channels):
    sheet = ContactSheet(["cat"])
    sheet.add("x", photo(0.5, channels=channels))
    (data,) = re.findall(r'src="data:image/jpeg;base64,([^"]+)"', sheet.html("x"))
    image = Image.open(io.BytesIO(base64.b64decode(data)))
    assert image.size == (32, 32) and image.mode == ("L" if channels == 1 else "RGB")
    assert np.abs(np.asarray(image).astype(int) - 50).max() <= 2


def test_the_page_loads_nothing_and_runs_nothing():
    page = ContactSheet(["cat"]).html("x")
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in page
    assert "<script" not in page and "http:" not in page and "https:" not in page
