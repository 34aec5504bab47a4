"""Excerpts tell images from others, and not a decoder's rounding."""

import json

import numpy as np
import pytest

from dgm_tf.data import excerpts


def _images(seed=0, count=30):
    return np.random.default_rng(seed).integers(0, 256, (count, 1, 1, 1)).astype(np.uint8).repeat(16, 1)


def test_it_is_how_many_and_the_levels_of_ten_from_the_first_to_the_last():
    images = _images()
    excerpt = excerpts.of_class(images, 90)
    assert excerpt["sizes"] == [30, 90] and len(excerpt["levels"]) == 10
    assert (excerpt["levels"][0], excerpt["levels"][-1]) == (images[0].mean(), images[-1].mean())
    assert excerpts.of_class(images[:2], 9)["levels"] == [images[0].mean(), images[1].mean()]
    assert excerpts.of_class(images[:0], 9) is None
    assert json.loads(json.dumps(excerpt)) == excerpt


def test_rounding_is_no_difference():
    images = np.clip(_images(), 1, 254)
    assert excerpts.alike(excerpts.of_class(images, 9), excerpts.of_class(images + np.uint8(1), 9))


@pytest.mark.parametrize("change", [lambda x: x[:-1], lambda x: x[::-1], lambda x: np.roll(x, 1, axis=0)])
def test_other_images_are_told(change):
    assert not excerpts.alike(excerpts.of_class(_images(), 9), excerpts.of_class(change(_images()), 9))


def test_a_class_that_has_grown_is_told_though_its_test_images_are_as_many():
    assert not excerpts.alike(excerpts.of_class(_images(), 90), excerpts.of_class(_images(), 91))


@pytest.mark.parametrize("levels", [None, [1.0], ["x"] * 10, [[]]])
def test_what_is_no_excerpt_is_of_other_images(levels):
    """It may come from a stranger's run folder, whose checksums are right."""
    excerpt = excerpts.of_class(_images(), 9)
    assert not excerpts.alike(excerpt | {"levels": levels}, excerpt) and not excerpts.alike({}, excerpt)
