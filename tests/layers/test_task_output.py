"""The output layer that each task has for itself."""

import numpy as np
import pytest

from dgm_tf.layers import TaskConv2D, TaskConv2DTranspose


@pytest.fixture
def layer():
    layer = TaskConv2DTranspose(2, 4, strides=2)
    layer.build((None, 8, 8, 3))
    return layer


def test_masks_are_refused():
    with pytest.raises(ValueError, match="plasticity of .*: expected None, got 'units'"):
        TaskConv2DTranspose(2, 4, plasticity="units")


def test_every_task_keeps_its_own_kernel(layer):
    first = layer.kernel.numpy().copy()
    second = layer.grow(2, inputs_width=5)
    second_kernel = second.kernel.numpy().copy()
    third = second.grow(2, inputs_width=6)
    third.kernel.assign(np.zeros(third.kernel.shape))
    np.testing.assert_array_equal(third.task_kernel(0), first)
    np.testing.assert_array_equal(third.task_kernel(1), second_kernel)
    assert not third.task_kernel(2).any()


def test_the_next_task_starts_with_a_fresh_kernel(layer):
    grown = layer.grow(2)
    assert not np.array_equal(np.asarray(grown.kernel), np.asarray(layer.kernel))


def test_only_the_current_kernel_is_trained(layer):
    assert [v.name for v in layer.grow(2).trainable_variables] == ["kernel"]


def test_config_round_trips(layer):
    grown = layer.grow(2, inputs_width=5)
    copy = TaskConv2DTranspose.from_config(grown.get_config())
    copy.build((None, 8, 8, 5))
    copy.set_weights(grown.get_weights())
    np.testing.assert_array_equal(copy.task_kernel(0), layer.task_kernel(0))


def test_biases_are_kept_per_task_where_there_are_any(layer):
    assert not any("bias" in v.name for v in layer.weights)
    first = TaskConv2D(2, 3, use_bias=True)
    first.build((None, 8, 8, 3))
    first.bias.assign([1.0, 2.0])
    second = first.grow(4, inputs_width=5)
    assert [v.name for v in second.trainable_variables] == ["kernel", "bias"]
    fresh = TaskConv2D.from_config(second.get_config())
    fresh.build((None, 8, 8, 5))
    np.testing.assert_array_equal(fresh.task_bias(0), [0.0, 0.0])  # draws no number before it is inherited
    np.testing.assert_array_equal(second.task_bias(0), [1.0, 2.0])
    np.testing.assert_array_equal(second.task_bias(1), np.zeros(4))
    np.testing.assert_array_equal(second.task_kernel(0), first.kernel)
    zeros = np.zeros((1, 8, 8, 3), np.float32)
    np.testing.assert_array_equal(first(zeros)[0, 0, 0], [1.0, 2.0])
    assert TaskConv2D.from_config(second.get_config()).use_bias
