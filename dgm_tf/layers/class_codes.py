"""Learned codes of classes, stored for each task."""

import keras
import numpy as np
import tensorflow as tf


@keras.saving.register_keras_serializable("dgm_tf")
class ClassCodes(keras.layers.Layer):
    """A learned vector for each class. Those of the current task are trained, those of earlier tasks are frozen.

    Args:
      size: int, entries of a code.
      classes: list of int, number of classes of each task so far, the present one last.

    Shapes: one-hot [batch, classes of the present task] -> [batch, size].
    """

    def __init__(self, size, classes, **kwargs):
        super().__init__(**kwargs | {"autocast": False})
        self.size, self.classes = size, list(classes)

    def build(self, input_shape=None):
        """Creates the current task's table, N(0, 1) like the noise beside it, and the frozen ones."""
        self.table = self._table("table", self.classes[-1], keras.initializers.RandomNormal(stddev=1.0))
        self.task_tables = [
            self._table(f"task_{k}_table", count, "zeros", trainable=False) for k, count in enumerate(self.classes[:-1])
        ]
        super().build(input_shape)

    def _table(self, name, count, initializer, trainable=True):
        return self.add_weight(name=name, shape=(count, self.size), initializer=initializer, trainable=trainable)

    def call(self, one_hot, task=None):
        """Returns codes of the current task's classes, or of a learned task's."""
        if task is not None and task < len(self.task_tables):
            with tf.init_scope():  # a constant, also in a graph that is exported
                table = self.task_table(task)
        else:
            table = self.table
        # A product, not a lookup: the optimizer's kernels take dense gradients.
        return tf.matmul(one_hot, tf.convert_to_tensor(table))

    def task_table(self, task):
        """Returns the codes of a task, numpy [classes, size]."""
        return np.asarray(self.task_tables[task] if task < len(self.task_tables) else self.table)

    def inherit(self, layer):
        """Takes over the codes of all tasks so far. Those of the next task are new."""
        for task, table in enumerate(self.task_tables):
            table.assign(layer.task_table(task))

    def get_config(self):
        """Keras config."""
        return super().get_config() | {"size": self.size, "classes": self.classes}
