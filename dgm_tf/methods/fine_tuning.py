"""FT: plain fine-tuning, the lower bound: it learns each task's real images and forgets the others."""

import dataclasses

import gin

from dgm_tf.methods.single_classifier import SingleClassifier, keeps_no_images
from dgm_tf.registry import register


@gin.register
@register
@dataclasses.dataclass
class FineTuning(SingleClassifier):
    """The classifier alone, its class head widened at each task; settings as in `SingleClassifier`.

    In the class-incremental setting it is known to keep nothing but the last task (van de Ven and Tolias, 2019).
    """

    @property
    def caution(self):
        """That forgetting is to be expected."""
        return keeps_no_images(self)
