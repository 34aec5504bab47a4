"""What spreads are computed of: all vectors of a class, or those of evenly spaced images where they are many."""

import numpy as np
import pytest

from dgm_tf.methods import spreads
from dgm_tf.methods.spreads import Sample


def taken(images, views, batch, *counts):
    """What a sample holds after parts of so many images, in batches."""
    sample, start = Sample(images, views, 2), 0
    for count in counts:
        numbers = np.concatenate([1000 * view + np.arange(start, start + count) for view in range(views)])
        vectors = np.repeat(numbers[:, None], 2, axis=1).astype(np.float32)
        sample.begin(count)
        for first in range(0, len(vectors), batch):
            rows = vectors[first : first + batch]
            sample.add(rows[sample.next(len(rows))])
        start += count
    return sample.vectors()[:, 0].tolist()


@pytest.mark.parametrize("batch", [3, 7, 100])
def test_few_are_all_taken_their_first_views_first(batch):
    assert taken(10, 2, batch, 6, 4) == [*range(10), *range(1000, 1010)]


@pytest.mark.parametrize("batch", [3, 7, 100])
def test_of_many_images_some_are_taken_with_both_views(batch, monkeypatch):
    monkeypatch.setattr(spreads, "_MOST_NUMBERS", 2 * 2 * 6)
    chosen = [0, 4, 8, 12, 16, 20]
    assert taken(21, 2, batch, 15, 6) == [*chosen, *(1000 + image for image in chosen)]


def test_there_are_always_as_many_as_say_something(monkeypatch):
    monkeypatch.setattr(spreads, "_MOST_NUMBERS", 1)
    assert len(taken(9, 1, 4, 9)) == 5
