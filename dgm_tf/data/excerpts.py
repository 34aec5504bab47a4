"""Small excerpts that identify a data set in results.json: image counts, and mean levels of some images.

They hold levels, not bits, since another version of a decoder may round differently.
"""

import numpy as np

_TOLERANCE = 2.0  # of 255, by which an image's mean may differ from one decoder to another
_SAMPLES = 10  # images of a class


def of_splits(splits):
    """Excerpt of `Split`s: their sizes, and the mean levels of the first and last image of each."""
    return {
        "sizes": [len(split) for split in splits],
        "levels": [_level(split.images[end]) for split in splits if len(split) for end in (0, -1)],
    }


def of_class(images, num_others):
    """Excerpt of a class's test images [N, H, W, C]: their number and up to ten mean levels. None without images.

    num_others: number of the class's training and validation images.
    """
    if not len(images):
        return None
    chosen = np.unique(np.linspace(0, len(images) - 1, _SAMPLES).astype(int))
    return {"sizes": [len(images), num_others], "levels": [_level(images[i]) for i in chosen]}


def alike(excerpt, other):
    """Whether two excerpts may belong to the same images."""
    try:
        same_sizes = excerpt["sizes"] == other["sizes"]
        return same_sizes and np.allclose(excerpt["levels"], other["levels"], rtol=0.0, atol=_TOLERANCE)
    except (KeyError, TypeError, ValueError):  # of a file that somebody has changed: no excerpt at all
        return False


def _level(image):
    return round(float(np.mean(image)), 2)
