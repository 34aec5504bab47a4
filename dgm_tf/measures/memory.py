"""Memory: bytes kept for the next task, and sizes of the networks."""

import numpy as np

from dgm_tf.layers.storage import Storage, storage_of
from dgm_tf.measures.measure import Detail, Kept


class MemoryBytes(Detail):
    """Bytes, in memory, of all that the method remembers for the next task, the classifier left out."""

    name = "memory_bytes"

    def after_task(self, view):
        """{what: bytes}."""
        return view.learner.method.memory_bytes()


class WhatIsKept(Detail):
    """What is kept of earlier images, in words."""

    name, kept = "what_is_kept", Kept.LAST

    def after_task(self, view):
        """{"of images": a `Keeps`, "pretrained": whether something of it was trained on other images}."""
        method = view.learner.method
        return {"of images": str(method.keeps), "pretrained": method.pretrained}


class Parameters(Detail):
    """Trainable weights of each network, without those that follow from others."""

    name = "parameters"

    def after_task(self, view):
        """{network: weights}."""
        return {
            name: sum(int(np.prod(v.shape)) for v in network.trainable_weights if storage_of(v) is Storage.KEEP)
            for name, network in view.learner.method.networks.by_name().items()
        }
