"""What tells a data set's images from others, small enough for results.json: numbers of images, mean levels of some.

Levels and not bits, since another version of a decoder may round otherwise.
"""

import numpy as np

_TOLERANCE = 2.0  # of 255, by which an image's mean may differ from one decoder to another
_SAMPLES = 10  # images of a class


def of_splits(splits):
    """Of `Split`s: their sizes, and the levels of the first and the last image of each."""
    return {
        "sizes": [len(split) for split in splits],
        "levels": [_level(split.images[end]) for split in splits if len(split) for end in (0, -1)],
    }


def of_class(images, num_others):
    """Of a class's test images [N, H, W, C]: how many, and the levels of up to ten spread over them; None without any.

    num_others: its images that are for training and validation, since a share of all is for the test.
    """
    if not len(images):
        return None
    chosen = np.unique(np.linspace(0, len(images) - 1, _SAMPLES).astype(int))
    return {"sizes": [len(images), num_others], "levels": [_level(images[i]) for i in chosen]}


def alike(excerpt, other):
    """Whether two excerpts can be of the same images."""
    try:
        same_sizes = excerpt["sizes"] == other["sizes"]
        return same_sizes and np.allclose(excerpt["levels"], other["levels"], rtol=0.0, atol=_TOLERANCE)
    except (KeyError, TypeError, ValueError):  # of a file that somebody has changed: no excerpt at all
        return False


def _level(image):
    return round(float(np.mean(image)), 2)
