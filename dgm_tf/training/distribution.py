"""Choosing a tf.distribute strategy, and applying gradients under it."""

import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.training.randomness import replica_count

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")


def make_strategy(name="auto"):
    """The strategy of that name; "auto": mirrored where there are several GPUs, else none.

    Raises:
      UserError: for another name.
    """
    if name not in STRATEGIES:
        raise UserError(f"strategy: expected one of {', '.join(STRATEGIES)}, got {name!r}")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if name == "multi_worker":
        return tf.distribute.MultiWorkerMirroredStrategy()
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored" or (name == "auto" and len(devices) > 1):
        return tf.distribute.MirroredStrategy(devices or logical_cpus())
    return tf.distribute.get_strategy()


def logical_cpus():
    """Names of the logical CPU devices."""
    return [device.name for device in tf.config.list_logical_devices("CPU")]


def is_chief():
    """Whether this process is the one that writes files."""
    resolver = tf.distribute.get_strategy().cluster_resolver
    return resolver is None or not resolver.task_type or resolver.task_type == "chief" or (
        resolver.task_type == "worker" and resolver.task_id == 0 and "chief" not in resolver.cluster_spec().jobs
    )  # fmt: skip


def mean_gradients(gradients):
    """The gradients' mean over replicas, the same on each; to be called per replica."""
    if replica_count() == 1:
        return gradients
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)


def apply_mean_gradients(optimizer, gradients, variables, clip_norm=None):
    """One optimizer step with the gradients' mean over replicas, clipped by global norm after the reduction."""
    gradients, replicas = mean_gradients(gradients), replica_count()
    if clip_norm is not None:
        gradients = clipped(gradients, clip_norm)
    if replicas > 1:
        gradients = [gradient / replicas for gradient in gradients]  # Keras sums them over replicas
    optimizer.apply(gradients, variables)


def clipped(gradients, clip_norm):
    """The gradients, scaled down to a global norm where theirs is larger; NaN where theirs is not finite.

    As `tf.clip_by_global_norm`, but a gradient of 0, which may protect a weight, stays 0 whatever the others are.
    """
    norm = tf.linalg.global_norm(gradients)
    scale = clip_norm * tf.minimum(1.0 / norm, tf.constant(1.0) / clip_norm) + (norm - norm)
    return [tf.math.multiply_no_nan(scale, gradient) for gradient in gradients]


def mean_over_replicas(strategy, metrics):
    """Per-replica dict of scalars -> dict of their means."""
    return {k: strategy.reduce(tf.distribute.ReduceOp.MEAN, v, axis=None) for k, v in metrics.items()}
