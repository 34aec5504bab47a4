"""Fingerprint of each image in 10 bytes: a hash of its pixels, its darkest and its brightest level."""

import hashlib

import numpy as np

FACTS = np.dtype([("digest", "<u8"), ("low", "u1"), ("high", "u1")])
_BATCH = 1024  # images read at once


def facts_of(images):
    """FACTS [N] of uint8 images [N, ...], an array or `Rows`, each read once."""
    facts = np.zeros(len(images), FACTS)
    for start in range(0, len(images), _BATCH):
        batch = np.ascontiguousarray(images[start : start + _BATCH])
        rows = batch.reshape(len(batch), -1)
        part = facts[start : start + len(batch)]
        part["low"], part["high"] = rows.min(axis=1), rows.max(axis=1)
        digests = b"".join(hashlib.blake2b(row.data, digest_size=8).digest() for row in rows)
        part["digest"] = np.frombuffer(digests, "<u8")
    return facts
