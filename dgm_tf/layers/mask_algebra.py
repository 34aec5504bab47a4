"""The arithmetic of masks: equations 2-6 of Ostapenko et al. (CVPR 2019), as pure functions.

A mask embedding e becomes a mask m = sigmoid(s e). The mask scale s is annealed so that m starts soft and
ends binary. `reserved` is the cumulated binary mask of the earlier tasks, m^{<t}.
"""

import math

import numpy as np
import tensorflow as tf

_MAX_EXPONENT = 50.0  # the clip of cosh in the compensation (HAT, Serra et al. 2018, section 2.5)


def soft_mask(embedding, scale):
    """m = sigmoid(scale * embedding) (eq. 2), values in [0, 1], of the embedding's shape.

    The half above 0 is written as 1 - sigmoid(-x): TensorFlow's gradient m * (1 - m) of sigmoid(x) is exactly 0 in
    float32 once x > 17, which would leave entries that saturate at 1 without the gradient that the
    compensation is there to restore, while entries that saturate at 0 keep theirs.
    """
    exponent = scale * embedding
    return tf.where(exponent > 0.0, 1.0 - tf.sigmoid(-exponent), tf.sigmoid(exponent))


def epoch_mask_scale(epoch, epochs, max_scale):
    """s_max^i: linear from 1 / max_scale in the first epoch to max_scale in the last (eq. 3).

    epoch: 0-based; a single epoch takes the end value.
    """
    return _linear(1.0 / max_scale, max_scale, epoch, epochs)


def batch_mask_scale(batch, batches, epoch_scale):
    """s within an epoch: linear from 1 / epoch_scale to epoch_scale over its batches (eq. 4).

    In the first epoch, where epoch_scale < 1, this falls from max_scale to 1 / max_scale: the paper's formula.
    """
    return _linear(1.0 / epoch_scale, epoch_scale, batch, batches)


def _linear(start, end, index, count):
    return end if count <= 1 else start + (end - start) * index / (count - 1)


def compensate(gradient, embedding, scale, epoch_scale):
    """Embedding gradient times (s_max^i / s) (cosh(clip(s e)) + 1) / (cosh(e) + 1) (HAT eq. 5)."""
    exponent = tf.clip_by_value(scale * embedding, -_MAX_EXPONENT, _MAX_EXPONENT)
    return gradient * (epoch_scale / scale) * (tf.cosh(exponent) + 1.0) / (tf.cosh(embedding) + 1.0)


def gated(gradient, gate):
    """gradient * gate for a gate in [0, 1]; 0 where the gate is 0, also where the gradient is NaN or infinite."""
    return tf.math.multiply_no_nan(gradient, gate)


def binarize(embedding):
    """Binary mask [sigmoid(s_max e) >= 0.5] as numpy bool; the scale cancels: it is [e >= 0]."""
    return np.asarray(embedding) >= 0


def blocked_by_units(reserved_inputs, reserved_outputs):
    """[in, out] share in {0, 1} by which a weight is blocked: min(m_i, m_j) (eq. 5 for activations)."""
    return tf.minimum(reserved_inputs[:, None], reserved_outputs[None, :])


def sparsity(masks, reserved):
    """R = sum m (1 - m^{<t}) / sum (1 - m^{<t}) over all masked layers (eq. 6), a scalar in [0, 1]."""
    used = tf.add_n([tf.reduce_sum(m * (1.0 - r)) for m, r in zip(masks, reserved, strict=True)])
    free = tf.add_n([tf.reduce_sum(1.0 - r) for r in reserved])
    return used / tf.maximum(free, 1.0)


def additional_outputs(free, target, fan_in):
    """Outputs to add so that at least `target` weights are free again.

    free: free weights now, what wider inputs brought included; fan_in: weights that one more output brings.
    With delta' newly reserved weights and no surplus, this is ceil((delta' - added by inputs) / fan_in).
    """
    return max(0, math.ceil((target - free) / fan_in))


def pack(mask):
    """Binary array -> uint8 vector of ceil(size / 8) bytes, one bit an entry."""
    return np.packbits(np.asarray(mask, bool).ravel())


def unpack(bits, shape):
    """The inverse of `pack`: numpy bool of the given shape."""
    return np.unpackbits(np.asarray(bits), count=int(np.prod(shape))).reshape(shape).astype(bool)


def packed_size(shape):
    """Bytes that a mask of this shape takes when packed."""
    return math.ceil(int(np.prod(shape)) / 8)
