"""What is learned and in which order: tasks, class-incremental streams and the sources of images."""

from dgm_tf.benchmarks.arrays import Arrays, Split
from dgm_tf.benchmarks.benchmark import ClassIncrementalBenchmark, PastTaskError, Task
from dgm_tf.benchmarks.image_archive import ImageArchive
from dgm_tf.benchmarks.image_folder import ImageFolder
from dgm_tf.benchmarks.packaged import PackagedMNIST
from dgm_tf.benchmarks.tfds_source import TFDS

__all__ = [
    "TFDS", "Arrays", "ClassIncrementalBenchmark", "ImageArchive", "ImageFolder", "PackagedMNIST", "PastTaskError",
    "Split", "Task",
]  # fmt: skip
