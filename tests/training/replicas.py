"""Two replicas without devices of their own: a function run in two threads, whose reductions wait for each other."""

import threading
import types

import tensorflow as tf


class _Context:
    """What is asked of a replica's context; values of both replicas meet in `slots`."""

    num_replicas_in_sync = 2

    def __init__(self, index, slots, barrier):
        self.replica_id_in_sync_group, self._slots, self._barrier = index, slots, barrier

    def all_reduce(self, operation, value):
        self._slots[self.replica_id_in_sync_group] = value
        self._barrier.wait()
        totals = [tf.add_n(parts) for parts in zip(*map(tf.nest.flatten, self._slots), strict=True)]
        self._barrier.wait()
        if str(operation).upper().endswith("MEAN"):
            totals = [total / 2.0 for total in totals]
        return tf.nest.pack_sequence_as(value, totals)


def on_two_replicas(monkeypatch, function):
    """[function(0), function(1)], each as if on a replica of its own, eagerly."""
    local, results, slots, barrier = threading.local(), [None, None], [None, None], threading.Barrier(2, timeout=20)

    def work(index):
        local.context = _Context(index, slots, barrier)
        try:
            results[index] = function(index)
        except BaseException as error:
            results[index] = error
            barrier.abort()

    with monkeypatch.context() as patch:
        patch.setattr(tf.distribute, "get_replica_context", lambda: local.context)
        patch.setattr(tf.distribute, "get_strategy", lambda: types.SimpleNamespace(num_replicas_in_sync=2))
        threads = [threading.Thread(target=work, args=(index,)) for index in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for error in results:
        if isinstance(error, BaseException) and not isinstance(error, threading.BrokenBarrierError):
            raise error
    return results
