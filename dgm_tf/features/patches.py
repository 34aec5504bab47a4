"""Patches of images: drawn, normalised, whitened and clustered into filters.

A patch is a flattened float32 vector, in images in [-1, 1]. Everything is numpy, and a function of its arguments.
"""

import numpy as np

_BLOCK = 10_000  # patches whose products with all filters are held at once


def drawn(images, size, count, generator):
    """Square patches of images, float32 [count, size * size * channels], from places drawn with replacement.

    images: float32 [N, H, W, channels].
    """
    windows = np.lib.stride_tricks.sliding_window_view(images, (size, size), axis=(1, 2))
    places = tuple(generator.integers(0, length, count) for length in windows.shape[:3])
    return np.moveaxis(windows[places], 1, -1).reshape(count, -1)


def normalised(patches, contrast):
    """Patches with mean 0, divided by their standard deviation; contrast: added to the variance."""
    centred = patches - patches.mean(axis=1, keepdims=True)
    return centred / np.sqrt(np.mean(np.square(centred), axis=1, keepdims=True) + contrast)


def whitening(patches, epsilon):
    """(mean, matrix) with which (patches - mean) @ matrix has the identity for covariance: ZCA.

    epsilon: added to the variance along each principal axis, so that those of noise stay small.
    """
    mean = patches.mean(axis=0)
    centred = patches - mean
    variances, axes = np.linalg.eigh(np.float64(centred.T @ centred) / len(patches))
    scaled = axes / np.sqrt(np.maximum(variances, 0.0) + epsilon)
    return mean, np.float32(scaled @ axes.T)


def spherical_means(patches, count, iterations, generator):
    """Unit vectors, float32 [count, length], by spherical k-means (Coates & Ng, 2012).

    A patch belongs to the vector with the largest product, whatever its sign. It enters the next vector with that
    product. A vector to which nothing belongs is drawn anew.
    """
    means = _unit(generator.standard_normal((count, patches.shape[1]), np.float32))
    for _ in range(iterations):
        sums = means + _sums(patches, means)
        lost = np.linalg.norm(sums - means, axis=1) == 0.0
        sums[lost] = generator.standard_normal((np.sum(lost), patches.shape[1]), np.float32)
        means = _unit(sums)
    return means


def _sums(patches, means):
    """Sum of the patches of each mean, weighted by the products."""
    total = np.zeros_like(means)
    for block in np.split(patches, range(_BLOCK, len(patches), _BLOCK)):
        products = block @ means.T
        rows, nearest = np.arange(len(block)), np.argmax(np.abs(products), axis=1)
        weights = np.zeros_like(products)
        weights[rows, nearest] = products[rows, nearest]
        total += weights.T @ block
    return total


def _unit(vectors):
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)


def principal_axes(batches, count):
    """(mean, axes [channels, count]) along which vectors vary most.

    batches: iterable of float32 [..., channels]; each is let go before the next.
    """
    number, total, products = 0, 0.0, 0.0
    for batch in batches:
        vectors = batch.reshape(-1, batch.shape[-1])
        number += len(vectors)
        total = total + vectors.sum(axis=0, dtype=np.float64)
        products = products + np.float64(vectors.T @ vectors)
    mean = total / number
    _, axes = np.linalg.eigh(products / number - np.outer(mean, mean))
    return np.float32(mean), np.float32(axes[:, ::-1][:, :count])
