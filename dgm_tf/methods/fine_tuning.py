"""FT: plain fine-tuning, the lower bound. It trains on each task's images and forgets earlier tasks."""

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
        """Says that forgetting is to be expected."""
        return keeps_no_images(self)
