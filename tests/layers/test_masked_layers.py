"""What all masked layers promise, whatever their geometry."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgm_tf.layers import MaskedConv2D, MaskedConv2DTranspose, MaskedDense

INPUTS, WIDTH = 3, 5
LAYERS = {
    "dense": (MaskedDense, {"units": WIDTH}, (2, INPUTS)),
    "convolution": (MaskedConv2D, {"filters": WIDTH, "kernel_size": 3}, (2, 6, 8, INPUTS)),
    "strided convolution": (
        MaskedConv2D,
        {"filters": WIDTH, "kernel_size": 4, "strides": 2, "padding": "valid"},
        (2, 9, 8, INPUTS),
    ),
    "transposed": (MaskedConv2DTranspose, {"filters": WIDTH, "kernel_size": 4, "strides": 2}, (2, 4, 5, INPUTS)),
    "transposed valid": (
        MaskedConv2DTranspose,
        {"filters": WIDTH, "kernel_size": 4, "strides": 2, "padding": "valid"},
        (2, 4, 5, INPUTS),
    ),
    "transposed pixel": (
        MaskedConv2DTranspose,
        {"filters": WIDTH, "kernel_size": 4, "padding": "valid"},
        (2, 1, 1, INPUTS),
    ),
    "kernel below strides": (
        MaskedConv2DTranspose,
        {"filters": WIDTH, "kernel_size": 2, "strides": 3, "padding": "valid"},
        (2, 1, 1, INPUTS),
    ),
}
PLASTICITIES = ("weights", "units", None)
LARGE = tf.constant(1e6)  # a scale at which soft masks are binary


@pytest.fixture(params=LAYERS, ids=lambda name: name.replace(" ", "-"))
def geometry(request):
    """(layer class, its arguments, input shape)."""
    return LAYERS[request.param]


@pytest.fixture(params=PLASTICITIES)
def plasticity(request):
    return request.param


@pytest.fixture(params=PLASTICITIES[:2])
def plastic(request):
    """A plasticity that has masks."""
    return request.param


def built(geometry, plasticity, seed=0, **kwargs):
    layer_class, arguments, input_shape = geometry
    layer = layer_class(**arguments, plasticity=plasticity, **kwargs)
    layer.build((None, *input_shape[1:]))
    layer.kernel.assign(np.random.default_rng(seed).normal(size=layer.kernel.shape))
    return layer


def inputs_for(geometry, seed=1):
    return tf.constant(np.random.default_rng(seed).normal(size=geometry[2]), tf.float32)


def random_bits(layer, seed):
    return np.random.default_rng(seed).random(layer.embedding.shape) < 0.5


def learn(layer, seed):
    """Ends a task with random mask bits; returns them."""
    bits = random_bits(layer, seed)
    layer.embedding.assign(np.where(bits, 1.0, -1.0))
    layer.reserve()
    return bits


def plain_outputs(layer, inputs, kernel):
    if isinstance(layer, MaskedDense):
        plain = keras.layers.Dense(layer.width, use_bias=False)
    else:
        transposed = isinstance(layer, MaskedConv2DTranspose)
        keras_class = keras.layers.Conv2DTranspose if transposed else keras.layers.Conv2D
        plain = keras_class(layer.width, layer.kernel_size, layer.strides, padding=layer.padding, use_bias=False)
    plain.build((None, *inputs.shape[1:]))
    plain.set_weights([kernel])
    return plain(inputs).numpy()


def test_output_has_the_announced_shape(geometry, plasticity):
    layer = built(geometry, plasticity)
    outputs = layer(inputs_for(geometry), LARGE)
    assert tuple(outputs.shape) == tuple(layer.compute_output_shape(geometry[2]))
    assert layer.compute_output_shape((None, *geometry[2][1:]))[0] is None


@pytest.mark.parametrize(("size", "expected"), [((7, 8), (4, 4)), ((None, 1), (None, 1))])
def test_same_padding_keeps_a_position_for_each_stride_begun(size, expected):
    layer = MaskedConv2D(WIDTH, 3, strides=2, padding="same")
    assert layer.compute_output_shape((None, *size, INPUTS)) == (None, *expected, WIDTH)
    if None not in size:
        layer.build((None, *size, INPUTS))
        assert layer(tf.zeros([2, *size, INPUTS])).shape == (2, *expected, WIDTH)


def test_all_ones_mask_gives_the_plain_keras_layer(geometry, plasticity):
    layer = built(geometry, plasticity)
    if plasticity:
        layer.embedding.assign(np.ones(layer.embedding.shape))
    inputs = inputs_for(geometry)
    np.testing.assert_allclose(layer(inputs, LARGE), plain_outputs(layer, inputs, layer.kernel), rtol=1e-5, atol=1e-5)


def test_all_zeros_mask_gives_nothing(geometry, plastic):
    layer = built(geometry, plastic)
    layer.embedding.assign(-np.ones(layer.embedding.shape))
    assert np.max(np.abs(layer(inputs_for(geometry), LARGE))) == 0.0


def test_weight_masks_multiply_the_kernel(geometry):
    layer, inputs = built(geometry, "weights"), inputs_for(geometry)
    layer.embedding.assign(np.random.default_rng(2).normal(size=layer.embedding.shape))
    kernel = np.asarray(layer.kernel) / (1 + np.exp(-2.0 * np.asarray(layer.embedding)))
    np.testing.assert_allclose(
        layer(inputs, tf.constant(2.0)), plain_outputs(layer, inputs, kernel), rtol=1e-4, atol=1e-5
    )


def test_unit_masks_multiply_the_outputs(geometry):
    layer, inputs = built(geometry, "units"), inputs_for(geometry)
    layer.embedding.assign(np.linspace(-1, 1, WIDTH))
    mask = 1 / (1 + np.exp(-2.0 * np.linspace(-1, 1, WIDTH)))
    np.testing.assert_allclose(
        layer(inputs, tf.constant(2.0)), plain_outputs(layer, inputs, layer.kernel) * mask, rtol=1e-4, atol=1e-5
    )


def test_one_pixel_is_transposed_as_tensorflow_does():
    layer = built(LAYERS["transposed pixel"], None)
    inputs = inputs_for(LAYERS["transposed pixel"])
    expected = tf.nn.conv2d_transpose(inputs, layer.kernel.value, [2, 4, 4, WIDTH], 1, "VALID")
    np.testing.assert_allclose(layer(inputs), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("size", "strides", "height", "padding", "by"),
    [(4, 1, 1, "valid", "MatMul"), (2, 2, 1, "valid", "MatMul"), (2, 3, 1, "valid", "Conv2DBackpropInput"),
     (4, 1, 2, "valid", "Conv2DBackpropInput"), (4, 1, 1, "same", "Conv2DBackpropInput")],
)  # fmt: skip
def test_over_a_single_pixel_a_transposed_convolution_is_a_matrix_product(size, strides, height, padding, by):
    layer = MaskedConv2DTranspose(WIDTH, size, strides, padding)
    layer.build((None, height, 1, INPUTS))
    graph = tf.function(layer).get_concrete_function(tf.zeros([2, height, 1, INPUTS])).graph
    assert {"MatMul", "Conv2DBackpropInput"} & {operation.type for operation in graph.get_operations()} == {by}


def test_a_single_unit_is_enough_and_what_growth_adds_comes_from_the_initializer():
    layer = MaskedDense(1, kernel_initializer="ones")
    layer.build((None, 2))
    grown = layer.grow(2, 3)
    np.testing.assert_array_equal(layer.kernel, np.ones((2, 1)))
    np.testing.assert_array_equal(grown.kernel, np.ones((3, 2)))


def test_masks_have_a_trainable_embedding_and_stored_bits(geometry, plastic):
    layer = built(geometry, plastic)
    shape = layer.kernel.shape if plastic == "weights" else (WIDTH,)
    assert tuple(layer.embedding.shape) == tuple(layer.reserved.shape) == tuple(shape)
    assert not np.any(layer.embedding) and not np.any(layer.reserved)
    assert [v.name for v in layer.trainable_variables] == ["kernel", "embedding"]
    assert len(layer.task_bits) == 1 and layer.task_bits[0].dtype == "uint8"
    assert layer.task_bits[0].shape[0] == -(-int(np.prod(shape)) // 8)


def test_no_plasticity_is_a_kernel_alone(geometry):
    assert [v.name for v in built(geometry, None).weights] == ["kernel"]


def test_reserve_stores_the_bits_and_cumulates_them(geometry, plastic):
    layer = built(geometry, plastic)
    earlier = random_bits(layer, 0)
    layer.reserved.assign(earlier.astype(np.float32))
    bits = learn(layer, 1)
    np.testing.assert_array_equal(layer.task_mask(0), bits)
    np.testing.assert_array_equal(np.asarray(layer.reserved), earlier | bits)


def test_reserving_twice_is_reserving_once(geometry, plastic):
    layer = built(geometry, plastic)
    learn(layer, 0)
    before = [v.numpy().copy() for v in layer.weights]
    layer.reserve()
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_kernel_gate_of_weight_masks_blocks_reserved_weights(geometry):
    layer = built(geometry, "weights")
    bits = learn(layer, 0)
    np.testing.assert_array_equal(layer.kernel_gate(), ~bits)


def test_kernel_gate_of_unit_masks_blocks_between_reserved_units(geometry):
    layer = built(geometry, "units")
    layer.reserved_inputs.assign([1.0, 0.0, 1.0])
    layer.reserved.assign([1.0, 0.0, 0.0, 1.0, 1.0])
    gate = np.broadcast_to(layer.kernel_gate(), layer.kernel.shape)
    blocked = np.outer([1, 0, 1], [1, 0, 0, 1, 1])
    for kernel_position in np.ndindex(gate.shape[:-2]):
        in_out = gate[kernel_position].T if "Transpose" in type(layer).__name__ else gate[kernel_position]
        np.testing.assert_array_equal(in_out, 1 - blocked)


def test_first_layers_units_are_blocked_whatever_their_inputs(geometry):
    layer = built(geometry, "units")
    layer.reserved.assign([1.0, 0.0, 0.0, 1.0, 1.0])
    gate = np.broadcast_to(layer.kernel_gate(), layer.kernel.shape)
    kernel = np.ones(layer.kernel.shape) * gate
    outputs_axis = -2 if "Transpose" in type(layer).__name__ else -1
    per_output = np.moveaxis(kernel, outputs_axis, 0).reshape(WIDTH, -1)
    np.testing.assert_array_equal(per_output.max(axis=1), [0, 1, 1, 0, 0])
    np.testing.assert_array_equal(per_output.min(axis=1), [0, 1, 1, 0, 0])


def test_task_kernel_is_what_the_task_was_learned_with(geometry, plasticity):
    layer = built(geometry, plasticity)
    bits = learn(layer, 0) if plasticity else None
    expected = np.asarray(layer.kernel) * bits if plasticity == "weights" else np.asarray(layer.kernel)
    np.testing.assert_array_equal(layer.task_kernel(0), expected)
    grown = layer.grow(WIDTH + 2, INPUTS + 1)
    np.testing.assert_array_equal(grown.task_kernel(0), expected)


def test_growing_keeps_old_weights_in_their_corner(geometry, plasticity):
    layer = built(geometry, plasticity)
    bits = learn(layer, 0) if plasticity else None
    grown = layer.grow(WIDTH + 2, INPUTS + 1)
    corner = tuple(slice(0, n) for n in layer.kernel.shape)
    assert tuple(grown.kernel.shape) == tuple(layer.kernel_shape(INPUTS + 1, WIDTH + 2))
    np.testing.assert_array_equal(np.asarray(grown.kernel)[corner], np.asarray(layer.kernel))
    assert np.asarray(grown.kernel).all()  # what is new is initialised, not zero
    if plasticity:
        reserved = np.asarray(grown.reserved)
        mask_corner = tuple(slice(0, n) for n in layer.reserved.shape)
        np.testing.assert_array_equal(reserved[mask_corner], bits)
        assert reserved.sum() == bits.sum()
        assert not np.any(grown.embedding)
        np.testing.assert_array_equal(grown.task_mask(0), bits)
        assert not np.any(grown.task_bits[1])


def test_growing_leaves_the_layer_it_came_from_alone(geometry, plastic):
    layer = built(geometry, plastic)
    learn(layer, 0)
    before = [v.numpy().copy() for v in layer.weights]
    grown = layer.grow(WIDTH + 2)
    grown.kernel.assign(np.zeros(grown.kernel.shape))
    for old, new in zip(before, layer.weights, strict=True):
        np.testing.assert_array_equal(old, np.asarray(new))


def test_earlier_mask_is_the_union_of_all_tasks(geometry, plastic):
    layer, masks = built(geometry, plastic), []
    for task in range(4):
        masks.append(learn(layer, task))
        layer = layer.grow(WIDTH + task, INPUTS + task)
    union = np.zeros(layer.reserved.shape, bool)
    for mask in masks:
        union[tuple(slice(0, n) for n in mask.shape)] |= mask
    np.testing.assert_array_equal(layer.earlier_mask(4), union)
    np.testing.assert_array_equal(np.asarray(layer.reserved), union)
    for task, mask in enumerate(masks):
        np.testing.assert_array_equal(layer.task_mask(task), mask)


def test_growing_to_the_same_width_is_allowed(geometry, plastic):
    layer = built(geometry, plastic)
    assert layer.grow(WIDTH).width == WIDTH


@pytest.mark.parametrize(("width", "inputs"), [(WIDTH - 1, None), (WIDTH, INPUTS - 1)])
def test_growing_narrower_is_refused(geometry, plastic, width, inputs):
    with pytest.raises(ValueError, match=f"expected at least {INPUTS} x {WIDTH} channels"):
        built(geometry, plastic).grow(width, inputs)


def test_config_round_trips_with_its_growth_history(geometry, plastic):
    layer = built(geometry, plastic, kernel_initializer="he_normal")
    learn(layer, 0)
    grown = layer.grow(WIDTH + 2, INPUTS + 1)
    copy = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(grown))
    assert type(copy) is type(grown) and copy.get_config() == grown.get_config()
    copy.set_weights(grown.get_weights())
    np.testing.assert_array_equal(copy.task_mask(0), layer.task_mask(0))
    np.testing.assert_array_equal(copy.task_kernel(0), layer.task_kernel(0))


def test_a_keras_model_with_the_layer_saves_and_loads(geometry, plastic, tmp_path):
    layer_class, arguments, input_shape = geometry
    inputs = keras.Input(input_shape[1:])
    model = keras.Model(inputs, layer_class(**arguments, plasticity=plastic)(inputs, mask_scale=3.0))
    model.layers[1].embedding.assign(np.random.default_rng(0).normal(size=model.layers[1].embedding.shape))
    model.layers[1].reserve()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    batch = inputs_for(geometry)
    np.testing.assert_array_equal(loaded(batch), model(batch))
    np.testing.assert_array_equal(loaded.layers[1].task_mask(0), model.layers[1].task_mask(0))


@pytest.mark.parametrize("bad", [{"plasticity": "neurons"}, {"units": 0}, {"units": 2.5}])
def test_bad_arguments_are_named(bad):
    with pytest.raises(ValueError, match=f"{next(iter(bad))}.*got {next(iter(bad.values()))!r}"):
        MaskedDense(**{"units": 3} | bad)


def test_bad_padding_is_named():
    with pytest.raises(ValueError, match="padding of .* got 'full'"):
        MaskedConv2D(3, 3, padding="full")
