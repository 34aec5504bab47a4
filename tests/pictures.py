"""Folders of pictures, drawn at random."""

import numpy as np
from PIL import Image


def fill(folder, *names, count=3):
    """Empty files <folder>/<name>/0.png ...: a listing does not look into them."""
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for index in range(count):
            (folder / name / f"{index}.png").touch()
    return folder


def draw(folder, *names, count=3, seed=0):
    """The same with pictures, all of which differ."""
    rng = np.random.default_rng(seed)
    for path in [path for name in names for path in sorted((fill(folder, name, count=count) / name).iterdir())]:
        Image.fromarray(rng.integers(0, 256, (20, 20)).astype(np.uint8)).save(path)
    return folder
