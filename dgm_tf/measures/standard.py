"""The measures of every run."""

from dgm_tf.measures.accuracy import (
    AccuracyMatrix,
    AccuracyOnReplay,
    AverageAccuracy,
    Confusion,
    MicroAccuracy,
    PerClassAccuracy,
    Readings,
    Top5Accuracy,
)
from dgm_tf.measures.best_epoch import BestAccuracy, ValidationAccuracy
from dgm_tf.measures.bounds import Bounds
from dgm_tf.measures.calibration import ExpectedCalibrationError, ReliabilityDiagram, UncalibratedError
from dgm_tf.measures.capacity import Capacity
from dgm_tf.measures.drift import DeviceDifference, LargestDrift, ReplayIsFrozen
from dgm_tf.measures.fidelity import Fidelity
from dgm_tf.measures.forgetting import BackwardTransfer, Forgetting
from dgm_tf.measures.gan_test import GANTest
from dgm_tf.measures.gan_train import GANTrain
from dgm_tf.measures.incremental import AverageIncrementalAccuracy
from dgm_tf.measures.known import FalseAlarms, UnknownAUROC
from dgm_tf.measures.mask_trajectories import MaskTrajectories
from dgm_tf.measures.memory import MemoryBytes, Parameters, WhatIsKept

# In the order in which tables have them.
STANDARD = (
    AverageAccuracy(), BestAccuracy(), Top5Accuracy(), GANTest(), GANTrain(), AverageIncrementalAccuracy(),
    ExpectedCalibrationError(), UncalibratedError(), UnknownAUROC(), FalseAlarms(), Forgetting(), BackwardTransfer(),
    MicroAccuracy(), AccuracyMatrix(), PerClassAccuracy(), Confusion(), ValidationAccuracy(), Readings(),
    AccuracyOnReplay(), ReplayIsFrozen(), LargestDrift(), DeviceDifference(), Fidelity(), Capacity(),
    MaskTrajectories(), MemoryBytes(), WhatIsKept(), Parameters(), ReliabilityDiagram(), Bounds(),
)  # fmt: skip
# What a results.json holds that does not say what it holds.
_OF_VERSION_0_1 = (
    "average_accuracy", "best_accuracy", "top5_average_accuracy", "gan_test", "gan_train", "forgetting",
    "backward_transfer", "micro_accuracy", "accuracy_matrix", "per_class_accuracy", "confusion", "validation_accuracy",
    "readings", "accuracy_on_replay", "replay_is_frozen", "replay_drift", "replay_device_difference", "fidelity",
    "capacity", "memory_bytes", "parameters", "bounds",
)  # fmt: skip


def descriptions(measures=STANDARD):
    """{name: `Description`} of measures."""
    return {measure.name: measure.description() for measure in measures}


def of_version_0_1():
    """Those of a results.json that does not say what it holds."""
    known = descriptions()
    return {name: known[name] for name in _OF_VERSION_0_1}
