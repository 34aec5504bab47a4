"""Learned codes of classes: trained for the present task, frozen for the ended ones."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import ClassCodes


def built(classes, **kwargs):
    layer = ClassCodes(4, classes, **kwargs)
    layer.build()
    return layer


def test_it_looks_up():
    layer = built([3])
    np.testing.assert_array_equal(layer(tf.one_hot([2, 0], 3)), np.asarray(layer.table)[[2, 0]])


def test_ended_tasks_keep_theirs():
    first = built([2])
    second = built([2, 3])
    assert not np.any(second.task_table(0)), "they draw no number before they are inherited"
    second.inherit(first)
    table = np.asarray(first.table)
    np.testing.assert_array_equal(second(tf.one_hot([1, 0], 2), task=0), table[[1, 0]])
    assert [v.name for v in second.trainable_variables] == ["table"] and second.table.shape == (3, 4)
    third = built([2, 3, 1])
    third.inherit(second)
    np.testing.assert_array_equal(third.task_table(0), table)
    np.testing.assert_array_equal(third.task_table(1), second.table)


def test_codes_of_ended_tasks_are_constants_of_a_graph():
    second = built([2, 3])
    second.inherit(built([2]))
    look_up = tf.function(lambda: second(tf.one_hot([1], 2), task=0)).get_concrete_function()
    assert not look_up.captured_inputs
    np.testing.assert_array_equal(look_up(), second.task_table(0)[[1]])


def test_the_present_tasks_codes_are_trained_whether_it_is_named_or_not():
    layer = built([2, 3])
    for task in (None, 1):
        with tf.GradientTape() as tape:
            codes = layer(tf.one_hot([2, 0], 3), task=task)
        assert tape.gradient(codes, layer.table.value) is not None
        np.testing.assert_array_equal(codes, np.asarray(layer.table)[[2, 0]])


def test_they_begin_as_wide_as_the_noise():
    assert np.std(np.asarray(built([500]).table)) == pytest.approx(1.0, abs=0.1)


def test_they_stay_float32_beside_layers_of_mixed_precision():
    layer = built([3], dtype="mixed_bfloat16")

    class Network(keras.layers.Layer):
        def call(self, labels):
            return layer(tf.one_hot(labels, 3))

    codes = Network(dtype="mixed_bfloat16")(tf.constant([2, 0]))
    assert codes.dtype == tf.float32
    np.testing.assert_array_equal(codes, np.asarray(layer.table)[[2, 0]])


def test_config_round_trips():
    copy = ClassCodes.from_config(built([2, 3]).get_config())
    assert (copy.size, copy.classes) == (4, [2, 3])
