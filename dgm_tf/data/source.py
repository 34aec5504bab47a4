"""Base class of all data sources, including your own."""

import pathlib

from dgm_tf.data.arrays import Arrays
from dgm_tf.errors import UserError


class Source:
    """Source of a stream's images.

    A data set of your own is a subclass with `name` and `load`, in one file; the rest has defaults. With
    `@gin.register` above it, a gin file binds `ClassIncrementalStream.source = @MyImages()`. `PackagedMNIST` is the
    smallest, in `sources/packaged.py`.

    Attributes:
        is_like_imagenet: whether its classes are among ImageNet's: then a network that was trained on those has seen
            their labels, and learns no new class here.
        name: what tells these images from others: what a run keeps for the next one on the same data goes by it.
        size: height and width of its images where it decodes them itself, which the stream's `image_size` must be;
            None: the stream resizes them.
        report: after `load`: what a person should know of the data, a dict for JSON, or None; results.json has it.
            The overview that is printed before training counts what was left out by "num_skipped" and "reasons".
    """

    name: str
    size: int | None = None
    report: dict | None = None
    is_like_imagenet: bool = False

    def load(self) -> Arrays:
        """All images and labels, for training and for the test; the stream orders, splits and resizes them.

        It may be called several times, and gives the same images each time. A mistake of the person's, such as a
        missing file, is a `UserError`.
        """
        raise NotImplementedError(f"{type(self).__name__}.load")

    def keep_in(self, folder: pathlib.Path) -> None:
        """Names a cache folder for what the source makes of its files. Called before `load`; may be ignored."""


class _Plain(Source):
    """Adapter for an object with `name` and `load()` that is no `Source`, as in dgm_tf 0.1."""

    def __init__(self, plain):
        self._plain, self.name = plain, plain.name

    def load(self):
        return self._plain.load()


def as_source(value) -> Source:
    """Returns the value as a `Source`.

    Raises:
        UserError: it is none, such as a class that is not called.
    """
    if isinstance(value, Source):
        return value
    if isinstance(value, type) or not callable(getattr(value, "load", None)):
        raise UserError(
            f"source: expected an object with load(), such as TFDS('mnist') (in gin: @TFDS() with brackets), got "
            f"{value!r}"
        )
    return _Plain(value)
