"""Method: base class of continual learning methods, a few hooks around the training phases of each task."""

import functools

import numpy as np

from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.methods.networks import Networks
from dgm_tf.training.inference import network_logits, network_scores


class Method:
    """Base class of all methods. A subclass is a dataclass of settings that overrides some hooks.

    Per task the learner calls `begin_task` (new networks), `phases` (what to train; a phase is made anew when
    a killed task is taken up in it again, so making it must not change a network), then `end_task`.
    A subclass keeps its networks in `networks`, and what else is to be saved in what `arrays` gives.

    A task that fails is undone as a saved learner is loaded: by `restore_networks` and `restore_arrays`, on top of what
    `__post_init__` makes. The networks are the same objects, with their earlier weights.
    """

    @functools.cached_property
    def networks(self):
        """`Networks`: all of them are saved."""
        return Networks()

    augmentation = None  # of the classifier's inputs, an `Augmentation`
    adam = "pytorch"  # rule of the classifier's optimizer, see `optimizer.ADAMS`

    # Settings to be named where losses or weights are not finite, `Remedy`s.
    remedies = ()

    # Whether images replayed of an ended task stay the same for ever; `replay_drift` then measures a broken promise.
    replay_is_frozen = False

    # What is kept of earlier tasks' images.
    keeps = Keeps.WEIGHTS

    # Whether something of it was trained on other images, whose labels may be those of the classes to learn.
    pretrained = False

    # Whether it reads each of a task's images once, so that nothing that is made of them need be kept meanwhile.
    reads_once = False

    # Whether a classifier like its own can be trained on images, which bounds its accuracy.
    has_bounds = True

    def keep_in(self, folder):
        """Names a cache folder for what the method computes of images; called before the first task, if at all."""

    def check_classes(self, num_classes):
        """Raises UserError if the settings cannot serve this number of classes. Called before anything is learned."""

    def begin_task(self, context):
        """Prepares the networks for a new task. context: `TaskContext`."""

    def phases(self, context):
        """List of functions without arguments, each making the next `Phase` to be trained."""
        raise NotImplementedError

    def end_task(self, context):
        """Ends the task after its last phase; returns a dict of results, such as {"warnings": [...]}."""
        return {}

    def network_classes(self):
        """`Networks` of the class of each network that the method holds between two tasks."""
        raise NotImplementedError

    def restore_networks(self, networks, task_classes):
        """Takes `Networks` that were saved."""
        self.networks = networks

    def arrays(self):
        """Dict name -> numpy array: what saving keeps beside the networks, such as stored real images.

        They are no copies: a failed task is undone, and a checkpoint is written, from what this gave. So a method never
        changes such an array in place, but puts another in its place.
        """
        return {}

    def array_specs(self, networks, num_classes, image_shape):
        """Dict name -> `ArraySpec` of what `arrays` holds between two tasks; a saved learner with others is refused.

        Args:
          networks: as the attribute; their weights have shapes and types only.
          num_classes: learned.
          image_shape: (H, W, channels).
        """
        return {}

    def restore_arrays(self, arrays):
        """Takes back what `arrays` gave; called after `restore_networks`."""

    # Why no class can be taken out.
    cannot_forget = "all classes share its weights, and nobody knows which of them hold the class"

    def forget(self, labels, context):
        """Takes classes out; the labels of later classes move down.

        Called between two tasks; if it raises, the learner restores what it has changed.

        Args:
          labels: int, without repetition, not all that were learned.
          context: `RestContext` of the classes that stay.

        Returns:
          List of functions as `phases` returns it: what is trained anew.

        Raises:
          UserError: if the method cannot do that.
        """
        raise UserError(
            f"forget: {type(self).__name__} cannot take a class out: {self.cannot_forget}; train again without it. "
            "ClosedForm, DGM and ICaRL can, see docs/forgetting.md"
        )

    def calibrate(self, context):
        """Finds how sure the classifier may be; returns a dict of results, such as {"temperature": 2.0}.

        Called after `end_task`, and after the last phase of forgetting with a `RestContext`.
        """
        return {}

    def remains(self, labels, task_classes):
        """List of sentences: what stays of classes that `forget` takes out. task_classes: per task its labels."""
        return []

    def images_per_class(self):
        """int [classes]: how many images the statistics of each class were made of; None: there are none."""
        return None

    def memory_bytes(self):
        """Dict what -> bytes in memory of all that the method remembers of earlier tasks for the next one to learn
        with, the classifier itself left out: "generator", "masks", "images" (stored real ones), "importances" ...
        """
        return {}

    def readings(self, images):
        """Dict name -> float32 [N, classes seen so far]: other ways of classifying than `logits`, to be reported
        beside it; images: uint8 or float32 in [-1, 1], [N, H, W, C].
        """
        return {}

    @property
    def caution(self):
        """Text on a known weakness of these settings, so that it is not taken for a bug, or None.

        A run prints it once, before its first task.
        """
        return None

    def told(self, sizes):
        """Line to print on settings that follow from the sizes of the tasks, or None."""
        return None

    @property
    def classifier(self):
        """The network whose logits classify; by default the one that is trained to."""
        return self.networks.classifier

    def replay(self, labels, seed):
        """float32 [N, H, W, C] images in [-1, 1] of learned classes; labels: int [N]; a function of seed.

        Raises:
          UserError: if the method has no generative memory.
        """
        raise UserError(f"replay: {type(self).__name__} has no generative memory")

    def replay_count(self, context):
        """How many images of each earlier class a task's classifier learns from."""
        return context.images_per_class

    def watch(self, schedule):
        """(scalars, histograms): what to log of the networks besides the losses, by tag.

        schedule: what the phase's `progress` gives for the step.
        """
        return {}, {}

    def mask_values(self, schedule):
        """Dict layer -> values in [0, 1] of the mask that is being trained; empty where there is none.

        schedule: as of `watch`.
        """
        return {}

    @property
    def replays(self):
        """Whether `replay` works."""
        return type(self).replay is not Method.replay

    @property
    def replays_images(self):
        """Whether it makes images, and not feature vectors."""
        return self.replays

    def replay_logits(self, replayed):
        """float32 [N, classes seen so far] for what `replay` has made."""
        return self.logits(replayed)

    @property
    def tells_known(self):
        """Whether `known_scores` works. Its classifier then has `logits_and_scores`, a function of TensorFlow."""
        return False

    def known_scores(self, images):
        """float32 [N]: 0 or more for images that it takes for ones of a class that it has learned.

        The more, the surer. Images as for `logits`.
        """
        return network_scores(self.classifier, images)

    def logits(self, images):
        """float32 [N, classes seen so far] for images, uint8 or float in [-1, 1], in inference mode."""
        return network_logits(self.classifier, images)


def next_discriminator(network, make, context, afresh):
    """The two-headed network with which a task begins, its class head for all classes seen so far.

    Args:
      network: that of the task before; None: there is none, and `make` makes the first.
      make: network class.
      context: `TaskContext`.
      afresh: whether to begin with a new network, built like the last, or with a widened copy of it.
    """
    if network is None:
        return make(image_shape=context.image_shape, num_classes=context.num_classes)
    if afresh:
        return type(network).from_config(network.get_config() | {"num_classes": context.num_classes})
    return network.widen(context.num_classes)


def start_anew(network, name):
    """Gives a layer of a network the weights of a new one."""
    fresh = type(network).from_config(network.get_config())
    for variable, new in zip(getattr(network, name).weights, getattr(fresh, name).weights, strict=True):
        variable.assign(new)


def network_bytes(network):
    """Bytes of a network's weights, float32."""
    return 4 * sum(int(np.prod(w.shape)) for w in network.weights)
