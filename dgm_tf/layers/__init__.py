"""Keras layers: mask algebra, masked layers that grow, normalization and outputs for each task."""

from dgm_tf import keras_setup  # noqa: F401 - checks Keras before it is imported
from dgm_tf.layers.class_codes import ClassCodes
from dgm_tf.layers.class_normalization import ClassBatchNormalization
from dgm_tf.layers.convolution import MaskedConv2D, MaskedConv2DTranspose
from dgm_tf.layers.dense import MaskedDense
from dgm_tf.layers.masked import MaskedLayer
from dgm_tf.layers.normalization import BatchNormalization, LayerNormalization, TaskBatchNormalization
from dgm_tf.layers.spectral import SpectralConv2D
from dgm_tf.layers.task_output import TaskConv2D, TaskConv2DTranspose, TaskDense

__all__ = [
    "BatchNormalization",
    "ClassBatchNormalization",
    "ClassCodes",
    "LayerNormalization",
    "MaskedConv2D",
    "MaskedConv2DTranspose",
    "MaskedDense",
    "MaskedLayer",
    "SpectralConv2D",
    "TaskBatchNormalization",
    "TaskConv2D",
    "TaskConv2DTranspose",
    "TaskDense",
]
