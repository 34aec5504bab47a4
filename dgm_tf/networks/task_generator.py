"""Base class of generators with weights for each task: junctions, norms, outputs, class codes."""

import functools

import keras
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.layers import ClassCodes, TaskBatchNormalization
from dgm_tf.layers.masked import PLASTICITIES
from dgm_tf.networks.folded import of_class

FOLDED_KEPT = 32  # generators of earlier tasks, a float a weight, that are kept for replay
CONDITIONINGS = ("one_hot", "embedding")
OUTPUTS_PER = ("task", "class")
# Arguments that no gin file may bind.
FOLLOW_FROM_TASKS = ["image_shape", "widths", "task_widths", "classes", "forgotten", "first_shapes", "learned_as"]
# Of masked kernels: N(0, 0.02) (Radford et al., 2016), or Glorot's uniform distribution with a gain of sqrt 2.
INITIALIZERS = {
    "normal": functools.partial(keras.initializers.RandomNormal, stddev=0.02),
    "xavier": functools.partial(keras.initializers.VarianceScaling, 2.0, "fan_avg", "uniform"),
}
CODE_SHARE = 4  # a learned code takes one in so many entries of z


def conditional_latents(z, labels, num_classes):
    """z with its first `num_classes` entries overwritten by the class's one-hot code.

    z: float32 [N, latent]; labels: int [N] in [0, num_classes); returns [N, latent].
    """
    return tf.concat([tf.one_hot(labels, num_classes, dtype=z.dtype), z[:, num_classes:]], axis=1)


class TaskGenerator(keras.Model):
    """Masked layers between junctions, each junction followed by batch norm and ReLU, and an output layer.

    Junction 0 is z; the others are places where the outputs of one masked layer, or the sum of several, are read by
    others. Subclasses say what lies between them (`_wiring`), make the layers and define `call(latents, mask_scale,
    training)` and `fold(task)`. Norms, output layer and class codes belong to one task each; what masks share out is
    the matter of `PlasticGenerator`.

    Args:
      image_shape: (H, W, channels): 16, 32, 64 or 128 pixels square, 1 or 3 channels.
      plasticity: "weights" (DGMw) or "units" (DGMa).
      filters: f, of which the first widths are multiples; None: the paper's for MNIST or CIFAR-10, see the subclass.
      latent_size: dimensions of z.
      conditioning: how the class is written over the first entries of z: "one_hot" (the paper's, for up to
        latent_size / 2 classes), or "embedding", a learned code of latent_size / 4 entries.
      output_per: whether each "task" or each "class" has an output layer of its own.
      widths: of the junctions but z, now; default: as at the first task.
      task_widths: list of such lists, for each earlier task.
      classes: list of int, number of classes of each task so far; kept only where something is per class.
      forgotten: list of (task, widths): networks of forgotten tasks, each with the task that came next.
      first_shapes: list of (name, inputs, outputs) of masked layers, at first, once a task was forgotten.
      learned_as: list of (task, num_classes, labels), see `latents`: as the task was learned, where classes were
        forgotten since.
      initializer, grown_initializer: of `INITIALIZERS`, of masked kernels at the first task and of what growth adds;
        None: the subclass's.

    Attributes:
      masked_layers: list of `MaskedLayer`, in the order of the forward pass.
      norms: list of `TaskBatchNormalization`, one for each junction but z.
      num_tasks: tasks learned or being learned; the last one is trainable.

    Shapes: latents float32 [N, latent_size (+ classes of the task, where outputs are per class)] -> images float32
    [N, H, W, channels] in [-1, 1].
    """

    default_filters = 1

    # What is kept of images in its weights, a `Keeps`.
    keeps = Keeps.WEIGHTS

    def __init__(
        self, image_shape=(32, 32, 1), plasticity="weights", filters=None, latent_size=128, widths=None,
        task_widths=(), conditioning="one_hot", output_per="task", classes=(), forgotten=(), first_shapes=(),
        learned_as=(), initializer=None, grown_initializer=None,
    ):  # fmt: skip
        super().__init__(name="generator", autocast=False)
        self.image_shape, self.latent_size = tuple(image_shape), latent_size
        self.filters = self.default_filters if filters is None else filters
        self.conditioning, self.output_per = conditioning, output_per
        self.initializer, self.grown_initializer = initializer, grown_initializer
        self._check(plasticity)
        self.widths = list(widths or self._first_widths())
        self.task_widths = [list(w) for w in task_widths]
        self.classes = list(classes) or [1] * self.num_tasks
        self.forgotten = [(task, list(widths)) for task, widths in forgotten]
        self.first_shapes = {name: tuple(shape) for name, *shape in first_shapes}
        self.learned_as = {task: (count, list(labels)) for task, count, labels in learned_as}
        self.plasticity = plasticity
        self.masked_layers = self._masked_layers()
        for layer in self.masked_layers:
            layer.first_shape = self.first_shapes.get(layer.name)
        self.norms = [
            TaskBatchNormalization(task_widths=[w[i] for w in self.task_widths], name=f"norm_{i}")
            for i in range(len(self.widths))
        ]
        self.output_layer = self._output_layer(
            self._output_channels(-1),
            [(self._output_inputs(w), self._output_channels(task)) for task, w in enumerate(self.task_widths)],
        )
        if conditioning == "embedding":
            self.codes = ClassCodes(latent_size // CODE_SHARE, self.classes, name="codes")
        self._fold_once = functools.lru_cache(FOLDED_KEPT)(self.fold)
        self._build_layers()

    def _check(self, plasticity):
        checks.integer(self, "filters", "[1, inf)")
        checks.integer(self, "latent_size", f"[{CODE_SHARE if self.conditioning == 'embedding' else 1}, inf)")
        checks.choice(self, "conditioning", CONDITIONINGS)
        checks.choice(self, "output_per", OUTPUTS_PER)
        for name in ("initializer", "grown_initializer"):
            checks.choice(self, name, (None, *INITIALIZERS))
        if plasticity not in PLASTICITIES:
            raise UserError(f"{type(self).__name__}.plasticity: expected one of {PLASTICITIES}, got {plasticity!r}")

    def _first_widths(self):
        """Widths of the junctions but z at the first task."""
        raise NotImplementedError

    def _kernel_initializer(self, default):
        """Of a masked kernel as a whole; what was there before growth is pasted over it."""
        name = self.grown_initializer if self.task_widths else self.initializer
        return default if name is None else INITIALIZERS[name]()

    def _wiring(self, task):
        """Dict name -> (junction that it reads, junction that it writes into) of a task's masked layers, in order."""
        raise NotImplementedError

    def wiring(self, task):
        """`_wiring` of a learned task or the present one."""
        return self._wiring(task)

    def _passes(self, task):
        """List of (source, target): junctions of which a task's network adds the first to the second as it is."""
        return []

    def _masked_layers(self):
        """The masked layers of the current task, in order."""
        raise NotImplementedError

    def _output_layer(self, channels, task_shapes):
        """The layer behind the last junction, one of `layers.task_output`."""
        raise NotImplementedError

    def _output_inputs(self, widths):
        """How many values the output layer reads. widths: of a task's junctions."""
        return widths[-1]

    def _task_shapes(self, name):
        """For each earlier task (inputs, outputs) of a masked layer; (0, 0) where its network had none of the name."""
        shapes = []
        for task, widths in enumerate(self.task_widths):
            source, target = self._wiring(task).get(name, (None, None))
            shapes.append((0, 0) if target is None else ([self.latent_size, *widths][source], widths[target - 1]))
        return shapes

    def _heads(self, task):
        """Number of output layers of a task, where each class has one, else None."""
        return self.classes[task] if self.output_per == "class" else None

    def _output_channels(self, task):
        return self.image_shape[-1] * (self._heads(task) or 1)

    def _build_layers(self):
        widths = [self.latent_size, *self.widths]
        for layer, (source, _) in zip(self.masked_layers, self._wiring(self.num_tasks - 1).values(), strict=True):
            layer.build((None, None, None, widths[source]))
        for norm, width in zip(self.norms, self.widths, strict=True):
            norm.build((None, None, None, width))
        self.output_layer.build((None, None, None, self._output_inputs(widths)))
        if self.conditioning == "embedding":
            self.codes.build()
        self.built = True

    @property
    def _history(self):
        return [*self.task_widths, self.widths]

    def _seen(self, task):
        """Widths of all tasks up to this one, forgotten ones included."""
        return [*self._history[: task + 1], *(widths for later, widths in self.forgotten if later <= task)]

    @property
    def num_tasks(self):
        """Tasks learned or being learned."""
        return len(self.task_widths) + 1

    def number_of(self, task):
        """Number of a task among all that were learned, forgotten ones included, from 0; it never changes."""
        return task + sum(later <= task for later, _ in self.forgotten)

    def latents(self, z, labels, num_classes, task=None):
        """The full input for a task, by default the present one.

        z: float32 [N, latent_size]; labels: int [N], among the task's classes, which are the last of the `num_classes`
        seen up to it. Returns float32 [N, latent_size] or, where outputs are per class, as many more as the task has
        classes: which of them it is.
        """
        if task in self.learned_as:
            first, (num_classes, positions) = num_classes - len(self.learned_as[task][1]), self.learned_as[task]
            labels = tf.gather(tf.constant(positions, labels.dtype), labels - first)
        if self.conditioning == "one_hot" and self.output_per == "task":
            return conditional_latents(z, labels, num_classes)
        count = self.classes[-1 if task is None else task]
        which = tf.one_hot(labels - (num_classes - count), count, dtype=z.dtype)
        if self.conditioning == "embedding":
            z = tf.concat([self.codes(which, task=task), z[:, self.codes.size :]], axis=1)
        else:
            z = conditional_latents(z, labels, num_classes)
        return tf.concat([z, which], axis=1) if self.output_per == "class" else z

    def for_classes(self, count):
        """Returns the generator for a task of `count` classes that is about to begin: this one, where nothing is per
        class, else a copy whose outputs and codes for the task are fresh.
        """
        if count == self.classes[-1] or (self.conditioning == "one_hot" and self.output_per == "task"):
            return self
        copy = type(self).from_config(self.get_config() | {"classes": [*self.classes[:-1], count]})
        for new, old in zip(copy.weights, self.weights, strict=True):
            if new.shape == old.shape:
                new.assign(old)
        return copy

    def start_near(self, images, labels):
        """Prepares the outputs for the task's images, which it is about to learn, where that helps.

        images: of the task, as of `Split`; labels: int [N].
        """

    def plain(self, task):
        """The generator of a learned task as an ordinary Keras model, masks and batch norm folded into its kernels.

        Its cost and its output never change. Those of earlier tasks are kept for the next call, up to a number.
        """
        return self._fold_once(task) if task < self.num_tasks - 1 else self.fold(task)

    def fold(self, task):
        """Makes a new result of `plain`."""
        raise NotImplementedError

    def _images(self, maps, latents):
        """Images from what the output layer makes."""
        if self.output_per == "class":
            maps = of_class(maps, latents[:, self.latent_size :])
        return tf.tanh(tf.cast(maps, tf.float32))

    def get_config(self):
        """Keras config, widths of all tasks included."""
        return {
            "image_shape": list(self.image_shape),
            "plasticity": self.plasticity,
            "filters": self.filters,
            "latent_size": self.latent_size,
            "widths": list(self.widths),
            "task_widths": [list(w) for w in self.task_widths],
            "conditioning": self.conditioning,
            "output_per": self.output_per,
            "classes": list(self.classes),
        } | self._later_config()

    def _later_config(self):
        """What has been set of all that came later: other generators stay as they were saved before there was this."""
        values = {
            "forgotten": [[task, list(widths)] for task, widths in self.forgotten],
            "first_shapes": [[name, *shape] for name, shape in self.first_shapes.items()],
            "learned_as": [[task, count, list(labels)] for task, (count, labels) in self.learned_as.items()],
            "initializer": self.initializer,
            "grown_initializer": self.grown_initializer,
        }
        return {name: value for name, value in values.items() if value}
