"""What an array of a saved learner may be like."""

import numpy as np
import pytest

from dgm_tf.methods.array_spec import ArraySpec

SPEC = ArraySpec((None, 4, 1), np.dtype(np.uint8))


@pytest.mark.parametrize(
    ("shape", "dtype", "fits"),
    [
        ((0, 4, 1), np.uint8, True), ((9, 4, 1), np.uint8, True), ((9, 4, 1), np.float32, False),
        ((9, 5, 1), np.uint8, False), ((9, 4), np.uint8, False), ((9, 4, 1, 1), np.uint8, False), ((), np.uint8, False),
    ],
)  # fmt: skip
def test_an_array_fits_by_its_type_its_axes_and_each_length_that_is_given(shape, dtype, fits):
    assert SPEC.admits(shape, np.dtype(dtype)) is fits


def test_float32_is_the_rule_and_an_array_must_be_there():
    assert ArraySpec((2,)) == ((2,), np.dtype(np.float32), True)
    assert str(SPEC) == "uint8 [?, 4, 1]"
