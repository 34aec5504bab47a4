"""Settings of evaluation."""

import dataclasses

import gin

from dgm_tf import checks
from dgm_tf.measures.measure import check_measures
from dgm_tf.measures.standard import STANDARD

PROTOCOLS = ("strict", "published")


@gin.register
@dataclasses.dataclass(frozen=True)
class EvaluationSettings:
    """Settings of how a run is evaluated.

    Attributes:
      protocol: "strict" chooses the best epoch on the current task's validation images and replayed earlier
        ones (none of methods that cannot replay); "published" on real validation images of all classes, as the
        paper's experiments did: not strict.
      validation_per_class: at most so many validation images of each class.
      gan_test_per_class: generated images of each class for GAN-test, and test images at most that they are compared
        with for `fidelity`; 0 leaves both out.
      gan_train_epochs: passes of GAN-train's classifier over the replay; 0 leaves GAN-train out.
      gan_train_every_task: measure GAN-train after every task, not only after the last.
      judge_epochs: passes over the real images of the classifier behind GAN-test (joint training).
      fine_tuning_epochs: passes over each task's images for the lower bound; 0 leaves it out.
      measures: `Measure`s of your own beside the standard ones, a list.
    """

    protocol: str = "strict"
    validation_per_class: int = 200
    gan_test_per_class: int = 500
    gan_train_epochs: int = 3
    gan_train_every_task: bool = False
    judge_epochs: int = 3
    fine_tuning_epochs: int = 1
    measures: tuple = ()

    def __post_init__(self):
        checks.choice(self, "protocol", PROTOCOLS)
        for name in ("validation_per_class", "judge_epochs"):
            checks.integer(self, name, "[1, inf)")
        for name in ("gan_test_per_class", "gan_train_epochs", "fine_tuning_epochs"):
            checks.integer(self, name, "[0, inf)")
        checks.flag(self, "gan_train_every_task")
        checks.argument("EvaluationSettings.measures", self.measures, isinstance(self.measures, tuple | list), "a list")
        check_measures(self.all_measures)

    @property
    def all_measures(self):
        """The standard measures and the user's own, a tuple."""
        return (*STANDARD, *self.measures)
