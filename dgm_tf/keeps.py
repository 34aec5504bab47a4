"""What a method keeps of earlier tasks' images, from the least to the most."""

import enum


class Keeps(enum.StrEnum):
    """Each includes those before it."""

    WEIGHTS = "nothing but weights"
    STATISTICS = "class statistics"
    FEATURES = "features of images"
    IMAGES = "images"
