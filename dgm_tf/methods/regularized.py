"""Base class of importance-regularised classifiers: anchors, importances, a penalty, and a few stored images."""

import dataclasses

import numpy as np

from dgm_tf import checks
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.exemplars import random_order
from dgm_tf.methods.single_classifier import RehearsingClassifier, keeps_no_images
from dgm_tf.serialization import keys, to_arrays
from dgm_tf.training.classifier import CLASSIFIER_LOSS, class_variables
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.pool import RehearsalPool
from dgm_tf.training.quadratic_penalty import PenaltyRules, QuadraticPenalty, trace
from dgm_tf.training.randomness import numpy_generator


@dataclasses.dataclass
class RegularizedClassifier(RehearsingClassifier):
    """Fine-tuning that holds each parameter near its anchor, the more the more important it was for earlier tasks.

    A subclass says in `consolidate` what a task leaves behind, and may watch training through `rules`. Lists of arrays
    are parallel to `class_variables` of the network; outputs for new classes begin with zeros in all of them.

    Attributes:
      samples_per_class: real images kept of each class, chosen at random when its task ends; with 0 the method
        is left to its penalty ("-S" in the tables of Chaudhry et al., 2018, is with them).
      current_share: share in (0, 1] of a batch that is the current task's, on average; None: every class seen so far
        equally often.
      strength: of the penalty, >= 0; with 0 stored images alone are left.
    """

    samples_per_class: int = 10
    current_share: float | None = None
    strength: float = 1.0

    remedies = (
        *RehearsingClassifier.remedies,
        Remedy("classifier", CLASSIFIER_LOSS, "a lower", "strength"),
    )

    # Names of the lists of arrays that go from task to task.
    carried_names = ("anchors", "importances")

    def __post_init__(self):
        super().__post_init__()
        checks.integer(self, "samples_per_class", "[0, inf)")
        if self.current_share is not None:
            checks.number(self, "current_share", "(0, 1]")
        checks.number(self, "strength", "[0, inf)")
        self.carried = {name: [] for name in self.carried_names}
        self.traces = {}

    @property
    def calibrates(self):
        """Unless nothing is stored."""
        return bool(self.samples_per_class)

    @property
    def importances(self):
        """List of arrays >= 0: the penalty's factors."""
        return self.carried["importances"]

    def consolidate(self, context, weights):
        """Dict of the lists `carried_names` for the tasks to come; weights: list, as the task left them."""
        raise NotImplementedError

    def first_traces(self, weights):
        """Dict of lists of arrays: what `rules` add up within a task begins with; weights: list, at its start."""
        return {}

    def rules(self):
        """Cross-entropy and the penalty."""
        return PenaltyRules(self.penalty())

    def penalty(self):
        """The `QuadraticPenalty` of the tasks before."""
        return QuadraticPenalty(self.strength, self.importances, self.carried["anchors"])

    def begin_task(self, context):
        """A network at the first task, new outputs at the others, and arrays to match."""
        super().begin_task(context)
        variables = class_variables(self.networks.classifier)
        self.carried = {name: _padded(arrays, variables) for name, arrays in self.carried.items()}
        first = self.first_traces([np.asarray(v).copy() for v in variables])
        self.traces = {name: [trace(array) for array in arrays] for name, arrays in first.items()}

    def pool(self, context):
        """The task's images, and those stored of earlier classes."""
        if not len(self.exemplars):
            return super().pool(context)
        train = context.task.train
        return RehearsalPool(self.exemplars.group(), (train.images, train.labels), self.current_share)

    def end_task(self, context):
        """Consolidates the task and stores some of its images."""
        weights = [np.asarray(v).copy() for v in class_variables(self.networks.classifier)]
        self.carried = self.consolidate(context, weights)
        self.traces = {}
        train = context.task.train
        for label in context.task.classes if self.samples_per_class else ():
            images = train.of_class(label)
            rng = numpy_generator(context.task_seed, "stored images", label)
            self.exemplars.add(label, images[random_order(rng, images, self.samples_per_class)])
        return {}

    def arrays(self):
        """Stored images, what goes from task to task and, within one, what has been added up so far."""
        arrays = super().arrays()
        for name, values in self.carried.items():
            arrays |= to_arrays(name, values)
        for name, values in self.traces.items():
            arrays |= to_arrays(f"traces/{name}", values)
        return arrays

    def array_specs(self, networks, num_classes, image_shape):
        """Stored images, if any are, and for each variable an array of each list that is carried."""
        images = super().array_specs(networks, num_classes, image_shape) if self.samples_per_class else {}
        specs = [ArraySpec(tuple(v.shape)) for v in class_variables(networks.classifier)]
        return images | {key: spec for name in self.carried_names for key, spec in _named(name, specs)}

    def restore_arrays(self, arrays):
        """The inverse of `arrays`."""
        super().restore_arrays(arrays)
        lists = {}
        for key in sorted(arrays):
            lists.setdefault(key.rpartition("/")[0], []).append(arrays[key])
        self.carried = {name: lists[name] for name in self.carried_names}
        self.traces = {
            name.removeprefix("traces/"): [trace(array) for array in values]
            for name, values in lists.items()
            if name.startswith("traces/")
        }

    def memory_bytes(self):
        """Stored images, anchors, and all from which importances come."""
        sizes = {name: sum(array.nbytes for array in arrays) for name, arrays in self.carried.items()}
        anchors = sizes.pop("anchors")
        return super().memory_bytes() | {"importances": sum(sizes.values()), "anchors": anchors}

    def watch(self, schedule):
        """The penalty's present value."""
        return {"loss/penalty": float(self.penalty().value(class_variables(self.networks.classifier)))}, {}

    @property
    def caution(self):
        """That a penalty alone does not prevent forgetting, if no images are stored."""
        return None if self.samples_per_class else keeps_no_images(self)


def _named(name, specs):
    return zip(keys(name, specs), specs, strict=True)


def _padded(arrays, variables):
    """Arrays in the variables' shapes: outputs of new classes are zeros; all of it where there are no arrays yet."""
    if not arrays:
        return [np.zeros(v.shape, np.float32) for v in variables]
    return [
        np.pad(array, [(0, new - old) for new, old in zip(v.shape, array.shape, strict=True)])
        for array, v in zip(arrays, variables, strict=True)
    ]
