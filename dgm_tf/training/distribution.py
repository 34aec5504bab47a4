"""Choosing a tf.distribute strategy, and applying gradients under it."""

import signal
import threading

import tensorflow as tf

from dgm_tf.errors import UserError
from dgm_tf.training.agreement import is_chief  # noqa: F401 - the name by which others know it
from dgm_tf.training.cluster import EXAMPLE
from dgm_tf.training.randomness import replica_count

STRATEGIES = ("auto", "none", "mirrored", "multi_worker")


def make_strategy(name="auto"):
    """Makes the strategy of that name; "auto": mirrored if there are several GPUs, else none.

    Raises:
      UserError: for another name.
    """
    if name not in STRATEGIES:
        raise UserError(f"strategy: expected one of {', '.join(STRATEGIES)}, got {name!r}")
    for gpu in tf.config.list_physical_devices("GPU"):
        tf.config.experimental.set_memory_growth(gpu, True)
    if name == "multi_worker":
        return _multi_worker()
    devices = [device.name for device in tf.config.list_logical_devices("GPU")]
    if name == "mirrored" or (name == "auto" and len(devices) > 1):
        return tf.distribute.MirroredStrategy(devices or logical_cpus())
    return tf.distribute.get_strategy()


def _multi_worker():
    """TensorFlow's coordination service takes SIGTERM for itself, in C++: what became of it before is put back."""
    handler = signal.getsignal(signal.SIGTERM)
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_DFL if handler is None else handler)
    return strategy


def description(name, strategy, workers=None):
    """Describes the strategy in a sentence if it needs an explanation, else returns None.

    workers: `Cluster` of the environment, or None.
    """
    gpus, replicas = len(tf.config.list_logical_devices("GPU")), strategy.num_replicas_in_sync
    several = workers is not None and len(workers.addresses) > 1
    if name == "multi_worker" and several:
        return f"{workers.name(workers.index)}, {replicas} replicas in all{_on(gpus)}"
    if name == "multi_worker":
        return f"TF_CONFIG names no other worker: {_few(replicas)}. Several processes: {EXAMPLE}"
    if several:
        return f"TF_CONFIG names {len(workers.addresses)} workers, this process works alone; multi_worker joins them"
    if name == "mirrored" and replicas == 1:
        return (
            f"one replica, as there is {'one GPU' if gpus else 'no GPU'} here: nothing is mirrored. It takes a machine "
            "with several GPUs, or multi_worker with several processes"
        )
    if replicas > 1:
        return f"{replicas} replicas{_on(gpus)}"
    return f"one of {gpus} GPUs is used; mirrored takes all" if gpus > 1 else None


def _on(gpus):
    return f", on {gpus} GPU{'s'[: gpus > 1]} here" if gpus else ", on CPU"


def _few(replicas):
    return "one replica" if replicas == 1 else f"{replicas} replicas"


def logical_cpus():
    """Names of the logical CPU devices."""
    return [device.name for device in tf.config.list_logical_devices("CPU")]


def mean_gradients(gradients):
    """The gradients' mean over replicas, the same on each; to be called per replica."""
    if replica_count() == 1:
        return gradients
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, gradients)


def apply_mean_gradients(optimizer, gradients, variables, clip_norm=None):
    """One optimizer step with the gradients' mean over replicas, clipped by global norm after the reduction."""
    gradients = mean_gradients(gradients)
    if clip_norm is not None:
        gradients = clipped(gradients, clip_norm)
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
