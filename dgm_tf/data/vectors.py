"""Feature vectors of labelled images, which a method in a feature space has in the images' place."""

import dataclasses

import numpy as np

from dgm_tf.data.arrays import Split
from dgm_tf.errors import UserError


@dataclasses.dataclass(frozen=True, eq=False)
class VectorSplit(Split):
    """Labelled feature vectors: `images` are float32 [N, D], an array or `Rows`; labels: int32 [N].

    views: 2 where the second half are of mirrored copies of the first half's images, in the same order.

    Raises:
        UserError: shapes or types differ from these.
    """

    views: int = 1

    def __post_init__(self):
        if np.ndim(self.images) != 2 or self.images.dtype != np.float32:
            raise UserError(f"VectorSplit.images: expected float32 [N, D], got {self.images.dtype} {self.images.shape}")
        if np.shape(self.labels) != (len(self.images),):
            raise UserError(f"VectorSplit.labels: expected [{len(self.images)}], got {np.shape(self.labels)}")
