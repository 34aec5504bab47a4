"""DGM + real (Table 2): a part of each earlier class's replay is stored real images."""

import dataclasses

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.methods.exemplars import ExemplarMemory, herded, random_order
from dgm_tf.registry import register
from dgm_tf.training.pool import merged
from dgm_tf.training.randomness import numpy_generator

SELECTIONS = ("random", "herding")


@gin.register
@register
@dataclasses.dataclass(frozen=True)
class RealReplay:
    """How many real images are stored, and which; `ratio` or `budget`, one of the two.

    Attributes:
      ratio: r in (0, 1]: of the n images that a class has, round(r n) are stored, and of the n images that are later
        replayed of it at most round(r n) are real.
      budget: K >= 1, images of all classes together: floor(K / classes seen so far) of each are kept.
      selection: "random", or "herding" by the features of the task's own discriminator at the task's end.
    """

    ratio: float | None = None
    budget: int | None = None
    selection: str = "random"

    def __post_init__(self):
        if (self.ratio is None) == (self.budget is None):
            raise UserError(
                f"RealReplay: expected either a ratio or a budget, got ratio {self.ratio} and budget {self.budget}"
            )
        if self.ratio is not None:
            checks.number(self, "ratio", "(0, 1]")
        else:
            checks.integer(self, "budget", "[1, inf)")
        checks.choice(self, "selection", SELECTIONS)

    def share_of(self, count):
        """How many of a class's `count` images may be real."""
        return count if self.ratio is None else round(self.ratio * count)

    def per_class(self, count, num_classes):
        """How many real images are stored of a class that has `count`, when `num_classes` have been seen."""
        return self.share_of(count) if self.budget is None else self.budget // num_classes


class RealMemory:
    """Real images that a method stores beside its generator.

    Args:
      settings: `RealReplay`; None: nothing is ever stored.
    """

    def __init__(self, settings):
        self._settings, self._images = settings, ExemplarMemory()

    def check_classes(self, num_classes):
        """As `Method.check_classes`: a budget that holds no image of a class would be plain generated replay."""
        budget = None if self._settings is None else self._settings.budget
        if budget is not None and budget < num_classes:
            raise UserError(
                f"RealReplay.budget: expected at least one image for each of {num_classes} classes, got {budget}"
            )

    def check_images(self, count):
        """Raises UserError where a share of a class's `count` images is none."""
        if self._settings is not None and self._settings.share_of(count) < 1:
            raise UserError(
                f"RealReplay.ratio: expected at least one of a class's {count} images, got {self._settings.ratio}"
            )

    def store(self, context, network):
        """Chooses images of the task that ends, and makes room for them where there is a budget.

        network: two-headed network of the task, for herding.
        """
        if self._settings is None:
            return
        count = self._settings.per_class(context.images_per_class, context.num_classes)
        if self._settings.budget is not None:
            self._images.truncate(count)
        for label in context.task.classes:
            images = context.task.train.of_class(label)
            self._images.add(label, self._chosen(label, images, count, context, network))

    def _chosen(self, label, images, count, context, network):
        if self._settings.selection == "herding":
            return herded(network, images, count)
        return images[random_order(numpy_generator(context.task_seed, "stored", label), images, count)]

    def completed(self, classes, count, generate):
        """`count` images of each class, (images, labels): stored ones as far as there are, the others generated.

        generate: function of labels int32 [N] returning N images, uint8 or float32 in [-1, 1].
        """
        groups, missing = [], []
        for label in classes:
            images = self._real(label, count)
            missing += [label] * (count - len(images))
            if len(images):
                groups.append((images, np.full(len(images), label, np.int32)))
        if missing:
            labels = np.asarray(missing, np.int32)
            groups.append((generate(labels), labels))
        return merged(groups)

    def _real(self, label, count):
        if label not in self._images.classes:
            return []
        return self._images.images_of(label)[: self._settings.share_of(count)]

    def remove(self, labels):
        """Drops the images of some classes; the labels of later ones move down."""
        self._images.remove(labels)

    def memory_bytes(self):
        """As `Method.memory_bytes`."""
        return {} if self._settings is None else {"images": self._images.nbytes}

    def arrays(self):
        """As `Method.arrays`."""
        return self._images.arrays()

    def array_specs(self, num_classes, image_shape):
        """As `Method.array_specs`."""
        return {} if self._settings is None else self._images.array_specs(num_classes, image_shape)

    def restore(self, arrays):
        """The inverse of `arrays`."""
        self._images.restore(arrays)
