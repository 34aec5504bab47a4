"""Data: sources of images, class-incremental streams, and the tasks that they yield."""

from dgm_tf.data.arrays import Arrays, Split
from dgm_tf.data.protocol import Stream
from dgm_tf.data.source import Source
from dgm_tf.data.sources.archive import ImageArchive
from dgm_tf.data.sources.folder import ImageFolder
from dgm_tf.data.sources.packaged import PackagedMNIST
from dgm_tf.data.sources.tfds import TFDS
from dgm_tf.data.stream import ClassIncrementalStream, PastTaskError, Task

__all__ = [
    "TFDS", "Arrays", "ClassIncrementalStream", "ImageArchive", "ImageFolder", "PackagedMNIST", "PastTaskError",
    "Source", "Split", "Stream", "Task",
]  # fmt: skip
