"""A method's networks, by what they do."""

import dataclasses

from dgm_tf.errors import UserError

# Names in saved learners. Those of earlier versions are read, too.
SAVED_NAMES = {
    "extractor": "extractor",
    "generator": "generator",
    "student": "student",
    "classifier": "discriminator",
    "critic": "critic",
    "teacher": "teacher",
}
_ROLES = {name: role for role, name in SAVED_NAMES.items()} | {"labeller": "teacher", "previous": "teacher"}


@dataclasses.dataclass
class Networks:
    """The networks that a method holds, or their classes; None where it has no such network now.

    Attributes:
      extractor: makes feature vectors of images, which all others then learn; it is fixed.
      generator: makes images of the tasks that have ended.
      student: in the middle of a task the generator that is trained, where it is a copy.
      classifier: its class head classifies; as a rule its realness head is the critic, too.
      critic: judges the generator, where the classifier does not.
      teacher: in the middle of a task the classifier of before it, which the new one learns from.
    """

    extractor: object = None
    generator: object = None
    student: object = None
    classifier: object = None
    critic: object = None
    teacher: object = None

    def by_name(self):
        """Dict name in saved learners -> network, of those that are there."""
        held = {name: getattr(self, role) for role, name in SAVED_NAMES.items()}
        return {name: network for name, network in held.items() if network is not None}

    @classmethod
    def from_names(cls, networks):
        """The inverse of `by_name`.

        Raises:
          UserError: for a name that no version has saved.
        """
        unknown = networks.keys() - _ROLES.keys()
        if unknown:
            raise UserError(f"networks: expected names among {', '.join(SAVED_NAMES.values())}, got {min(unknown)}")
        return cls(**{_ROLES[name]: network for name, network in networks.items()})
