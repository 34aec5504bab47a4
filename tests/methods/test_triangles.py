"""Packed symmetric matrices: what is computed of a triangle is what the whole matrix gives."""

import numpy as np
import pytest

from dgm_tf.methods import triangles

SIZE = 150  # more rows than are packed at once
RNG = np.random.default_rng(0)
MATRIX = RNG.normal(size=(SIZE, SIZE))
MATRIX = MATRIX + MATRIX.T
TRIANGLE = triangles.packed(np.asfortranarray(MATRIX))


def test_rows_lie_one_after_the_other_up_to_the_diagonal():
    assert np.array_equal(TRIANGLE, MATRIX[np.tril_indices(SIZE)])
    assert triangles.packed(MATRIX, np.float32).dtype == np.float32
    assert len(TRIANGLE) == triangles.length(SIZE)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_unpacking_is_the_inverse_in_the_order_of_blas(dtype):
    found = triangles.unpacked(TRIANGLE.astype(dtype), SIZE)
    assert found.dtype == np.float64 and found.flags.f_contiguous
    assert np.array_equal(found, np.tril(MATRIX.astype(dtype)))


def test_triangles_are_added_with_weights():
    total = triangles.unpacked(TRIANGLE, SIZE)
    triangles.add_to(total, TRIANGLE, 3.0)
    np.testing.assert_allclose(total, 4.0 * np.tril(MATRIX))
    assert np.array_equal(TRIANGLE, MATRIX[np.tril_indices(SIZE)]), "it is not changed"


def test_products_and_traces_are_those_of_the_matrix():
    columns, other = RNG.normal(size=(SIZE, 4)), np.tril(RNG.normal(size=(SIZE, SIZE)))
    np.testing.assert_allclose(triangles.product(TRIANGLE, columns), MATRIX @ columns, atol=1e-10)
    symmetric = other + np.tril(other, -1).T
    assert triangles.trace_of_product(other, TRIANGLE) == pytest.approx(np.trace(symmetric @ MATRIX))
    assert triangles.trace(TRIANGLE, SIZE) == pytest.approx(np.trace(MATRIX))
