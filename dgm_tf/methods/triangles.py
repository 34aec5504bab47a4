"""Symmetric matrices packed as their lower triangles, row by row: half of the memory, and as they are saved."""

import numpy as np

_ROWS = 64  # packed at once: a row alone lies across the columns of a matrix that BLAS works on


def length(size):
    """Number of entries of a triangle of `size` rows."""
    return size * (size + 1) // 2


def packed(matrix, dtype=np.float64):
    """The lower triangle of a matrix [D, D], [D (D + 1) / 2] of a dtype."""
    triangle = np.empty(length(len(matrix)), dtype)
    for start in range(0, len(matrix), _ROWS):
        for row, values in enumerate(np.ascontiguousarray(matrix[start : start + _ROWS]), start):
            triangle[length(row) : length(row + 1)] = values[: row + 1]
    return triangle


def zeros(size):
    """float64 [size, size] in Fortran's order, as BLAS updates it in place."""
    return np.zeros((size, size), order="F")


def unpacked(triangle, size):
    """The inverse of `packed`, float64 in Fortran's order, 0 above the diagonal."""
    matrix = zeros(size)
    for start, block in _blocks(triangle, size):
        matrix[start : start + len(block), : block.shape[1]] = block
    return matrix


def add_to(matrix, triangle, weight=1.0):
    """Adds weight times a triangle to the lower triangle of a matrix, in place."""
    for start, block in _blocks(triangle, len(matrix)):
        block *= weight
        matrix[start : start + len(block), : block.shape[1]] += block


def product(triangle, columns):
    """The matrix times columns, float64 [D, n], without unpacking it."""
    result = np.zeros(columns.shape)
    for start, block in _blocks(triangle, len(columns)):
        rows, stop = columns[start : start + len(block)], block.shape[1]
        result[:stop] += block.T @ rows
        np.einsum("ii->i", block[:, start:])[:] = 0.0  # the diagonal counts once
        result[start:stop] += block @ columns[:stop]
    return result


def trace_of_product(matrix, triangle):
    """Trace of the product of a symmetric matrix [D, D], of which the lower triangle counts, and a triangle's."""
    total = 0.0
    for start, block in _blocks(triangle, len(matrix)):
        block[:, :start] *= 2.0
        block[:, start:] *= 2.0 - np.eye(len(block))
        total += float(np.sum(block * matrix[start : start + len(block), : block.shape[1]]))
    return total


def trace(triangle, size):
    """Sum of the diagonal."""
    return float(triangle[length(np.arange(1, size + 1)) - 1].sum(dtype=np.float64))


def _blocks(triangle, size):
    """Yields (first row, float64 [rows, columns up to the diagonal])."""
    for start in range(0, size, _ROWS):
        stop = min(start + _ROWS, size)
        block = np.zeros((stop - start, stop))
        for row in range(start, stop):
            block[row - start, : row + 1] = triangle[length(row) : length(row + 1)]
        yield start, block
