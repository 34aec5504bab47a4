"""Dynamic Generative Memory (Ostapenko et al., CVPR 2019): DGMw and DGMa are one class and two gin files."""

import dataclasses
import functools

import gin
import numpy as np

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.keeps import Keeps
from dgm_tf.layers import mask_algebra
from dgm_tf.layers.storage import Storage, storage_of
from dgm_tf.methods.array_spec import ArraySpec
from dgm_tf.methods.generative import GenerativeMethod
from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.methods.mask_rules import MaskRules
from dgm_tf.methods.method import network_bytes, next_discriminator, start_anew
from dgm_tf.methods.real_replay import RealMemory, RealReplay
from dgm_tf.networks import forgetting
from dgm_tf.networks.dcgan import DCGANGenerator
from dgm_tf.registry import register
from dgm_tf.training.classifier import PLAIN_RULES
from dgm_tf.training.distillation import Distillation, DistillationRules
from dgm_tf.training.divergence import Remedy
from dgm_tf.training.gan import GENERATOR_LOSSES
from dgm_tf.training.randomness import seeded_initializers

ALPHAS = ("entries", "channels")
_COUNT = 1000  # images a class, where an earlier version has not kept how many there were


@gin.register
@register
@dataclasses.dataclass
class DGM(GenerativeMethod):
    """A generator that reserves, grows and replays; a discriminator that classifies.

    Attributes:
      generator: `PlasticGenerator` class, not called.
      sparsity_weight: lambda_RU >= 0.
      mask_scale_per_epoch: s_max / epochs > 0: how far the epoch's mask scale rises in an epoch (eq. 3). A mask entry
        that is further from zero than 100 / s gets no gradient, so masks freeze where s rises too fast.
      alpha: what eq. 6's alpha counts before the task beside what was there at first: mask "entries", or the masked
        layers' output "channels", as published DGMw on MNIST and SVHN.
      reset_realness: whether a D that is trained on has a new realness head at each task.
      real: `RealReplay`: stored real images as a part of the replay ("DGM + real"); None: generated ones alone.
      distillation: `Distillation` from the last task's classifier in the closing epochs; None: labels alone, as in the
        paper.
      The others: see `GenerativeMethod`.
    """

    generator: type = DCGANGenerator
    sparsity_weight: float = 0.08
    mask_scale_per_epoch: float = 100.0
    real: RealReplay | None = None
    distillation: Distillation | None = None
    alpha: str = "entries"
    reset_realness: bool = False

    remedies = (
        Remedy("gan", GENERATOR_LOSSES, "a lower", "mask_scale_per_epoch"),
        Remedy("gan", GENERATOR_LOSSES[1:], "a lower", "sparsity_weight"),
    )
    replay_is_frozen = True

    def __post_init__(self):
        super().__post_init__()
        checks.number(self, "sparsity_weight", "[0, inf)")
        checks.number(self, "mask_scale_per_epoch", "(0, inf)")
        scale, epochs = self.mask_scale_per_epoch, self.gan.epochs
        fits = checks.inside(self.max_mask_scale, "(1, inf)")
        checks.argument(
            "DGM.mask_scale_per_epoch", scale, fits, f"more than 1 / GANSettings.epochs, which are {epochs}"
        )
        checks.choice(self, "alpha", ALPHAS)
        checks.flag(self, "reset_realness")
        checks.instance(self, "real", (RealReplay, type(None)))
        checks.instance(self, "distillation", (Distillation, type(None)))
        if self.distillation is not None and not self.settings.closing_epochs:
            raise UserError(
                "DGM.distillation: the last classifier teaches in the closing epochs: expected "
                f"ClassifierSettings.closing_epochs >= 1 with it, got {self.settings.closing_epochs}"
            )
        self._stored = RealMemory(self.real)
        self._counts = np.zeros(0, np.int64)  # training images of each class

    @property
    def keeps(self):
        """Real images where some are stored; else what the generator says."""
        if self.real is not None:
            return Keeps.IMAGES
        generator = self.networks.generator
        return Keeps.WEIGHTS if generator is None else generator.keeps

    @property
    def max_mask_scale(self):
        """s_max: the mask scale of the last epoch."""
        # Rounded, since s_max / epochs may have no exact decimals: 15 times 66.66666666666667 is 1000 and a rest.
        return round(self.mask_scale_per_epoch * self.gan.epochs, 9)

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        super().restore_networks(networks, task_classes)
        networks.generator.restore_reserved()

    @property
    def memory(self):
        """The `GeneratorMemory`; the z of a task stay when others are forgotten."""
        generator = self.networks.generator
        return GeneratorMemory(generator, self.task_classes, generator.number_of)

    def arrays(self):
        """The stored real images, how many images each class had, and the confidence."""
        return super().arrays() | self._stored.arrays() | ({"train_counts": self._counts} if len(self._counts) else {})

    def array_specs(self, networks, num_classes, image_shape):
        """Of the same."""
        counts = {"train_counts": ArraySpec((num_classes,), np.dtype(np.int64), required=False)}
        own = self._stored.array_specs(num_classes, image_shape) | counts
        return super().array_specs(networks, num_classes, image_shape) | own

    def restore_arrays(self, arrays):
        """Takes them back."""
        super().restore_arrays(arrays)
        self._stored.restore(arrays)
        self._counts = np.asarray(arrays.get("train_counts", np.zeros(0)), np.int64)

    def check_classes(self, num_classes):
        """The generator must tell them apart, and a budget of real images hold one of each."""
        self._stored.check_classes(num_classes)
        _check_generator(self.networks.generator or self.generator(), num_classes)

    def begin_task(self, context):
        """Makes the generator at the first task; makes D anew or widens it for the new classes."""
        self._stored.check_images(context.images_per_class)
        networks = self.networks
        with self.beginning(context):
            generator = networks.generator or self.generator(image_shape=context.image_shape)
            _check_generator(generator, context.num_classes)
            networks.generator = generator.for_classes(len(context.task.classes))
            networks.generator.start_near(context.task.train.images, context.task.train.labels)
            networks.teacher = None if self.distillation is None else networks.classifier
            earlier = networks.classifier
            networks.classifier = self.next_discriminator(earlier, context)
            if self.reset_realness and earlier is not None and not self.reinitialize_discriminator:
                start_anew(networks.classifier, "realness")

    def phases(self, context):
        """The GAN with masks; in closing epochs the classifier, by what the generator is about to reserve."""
        fitting, classifier = self.fitting(context), self.networks.classifier
        replayed = functools.cache(lambda: self.replayed(context))
        return fitting.phases(
            lambda: fitting.gan_phase(self.generator_rules(context), classifier, replayed),
            lambda: fitting.closing_phase(classifier, replayed(), self._replay_reserved, self.classifier_rules()),
        )

    def generator_rules(self, context):
        """`MaskRules` of the task."""
        weight = self.sparsity_weight * self._relative_size()
        return MaskRules(self.networks.generator, context.num_classes, weight, self.max_mask_scale)

    def _relative_size(self):
        """alpha: size before the task / free size, which growth keeps at what it was at first."""
        layers = self.networks.generator.masked_layers
        if self.alpha == "channels":
            return sum(layer.width for layer in layers) / sum(layer.initial_shape[1] for layer in layers)
        sizes = [np.prod(layer.mask_shape(layer.inputs_width, layer.width)) for layer in layers]
        return float(np.sum(sizes) / np.sum([layer.initial_size for layer in layers]))

    def classifier_rules(self):
        """`ClassifierRules` of the closing epochs."""
        teacher = self.networks.teacher
        return PLAIN_RULES if teacher is None else DistillationRules(teacher, self.distillation)

    def replayed(self, context):
        """For each earlier task stored real images as far as there are any, else generated ones."""
        return self._replay_of(context.task_classes[:-1], context)

    def _replay_of(self, task_classes, context):
        fitting = self.fitting(context)
        return [
            self._stored.completed(classes, fitting.replay_count, lambda labels: fitting.generated(self.replay, labels))
            for classes in task_classes
        ]

    def _replay_reserved(self, labels, seed):
        self.networks.generator.reserve()  # idempotent: `end_task` comes to the same masks
        return self.replay(labels, seed)

    def end_task(self, context):
        """Reserves the task's masks and grows; returns capacity per layer, warnings, and drift by its growth."""
        networks, generator = self.networks, self.networks.generator
        networks.teacher = None
        self._stored.store(context, networks.classifier)
        self._count(context)
        generator.reserve()
        layers, size = generator.capacity(), generator.task_size()
        probe = self.replay(context.task.classes)
        with seeded_initializers(context.seed, "grow", context.index):
            networks.generator = generator.grow()
        free, aligned = networks.generator.free_capacity(), generator.aligned_capacity(networks.generator)
        for name, row in layers.items():
            row |= {"free": free[name], "aligned": aligned[name]}
        drift = float(np.max(np.abs(self.replay(context.task.classes) - probe)))
        capacity = {"task": context.index, "size": size, "layers": layers}
        return {"capacity": capacity, "warnings": _collapsed_masks(context, layers), "replay_drift": drift}

    def _count(self, context):
        counts = np.bincount(context.task.train.labels, minlength=context.num_classes).astype(np.int64)
        counts[: len(self._counts)] = self._counts
        self._counts = counts

    def forget(self, labels, context):
        """Takes the classes out of the generator and of the stored images; a new classifier learns the rest's replay.

        Of the rest, images are replayed to the bit as before.
        """
        networks = self.networks
        networks.generator = forgetting.without(networks.generator, self.task_classes, labels, context.seed)
        self._stored.remove(labels)
        self._counts = self._counts[[label for label in range(len(self._counts)) if label not in labels]]
        self.task_classes = context.task_classes
        with seeded_initializers(context.task_seed, "forget"):
            networks.classifier = next_discriminator(networks.classifier, self.discriminator, context, afresh=True)
        known = self._counts[self._counts > 0]
        context = dataclasses.replace(context, count=round(known.mean()) if len(known) else _COUNT)
        return [
            lambda: self.fitting(context).refitting_phase(
                networks.classifier, self._replay_of(context.task_classes, context)
            )
        ]

    def remains(self, labels, task_classes):
        """What others of the same task use, and what later tasks have built upon."""
        told = []
        if any(set(labels) & set(task) and not set(task) <= set(labels) for task in task_classes):
            told.append(
                "Masks, weights and batch statistics stay of a task of several classes, as its other classes are "
                "generated by them. To be rid of them, train again without the class."
            )
        share = forgetting.shared(self.networks.generator, task_classes, labels)
        if share:
            told.append(
                f"{share:.1%} of the generator's weights that were trained for the forgotten tasks stay, as later "
                "tasks use them, too. To be rid of them, train again without the class."
            )
        return told

    def memory_bytes(self):
        """The generator without the present task's embeddings, float32, the tasks' masks, one bit an entry, the stored
        real images, and the classifier's copy that teaches while the next task is learned.
        """
        generator = self.networks.generator
        masks = sum(int(np.prod(bits.shape)) for layer in generator.masked_layers for bits in layer.task_bits[:-1])
        weights = sum(int(np.prod(w.shape)) for w in generator.weights if storage_of(w) is Storage.KEEP)
        copy = {} if self.distillation is None else {"classifier copy": network_bytes(self.networks.classifier)}
        return {"generator": 4 * weights, "masks": masks} | self._stored.memory_bytes() | copy

    def watch(self, schedule):
        """Share of ones in each layer's mask; while the masks are trained, their values too."""
        layers = self.networks.generator.masked_layers
        masks = {layer.name: mask_algebra.binarize(layer.embedding) for layer in layers}
        values = {f"masks/values/{name}": mask for name, mask in self.mask_values(schedule).items()}
        return {f"masks/share_of_ones/{name}": float(mask.mean()) for name, mask in masks.items()}, values

    def mask_values(self, schedule):
        """Of the masked layers, while the GAN is trained."""
        scale = schedule.get("mask_scale")
        layers = () if scale is None else self.networks.generator.masked_layers
        return {layer.name: layer.mask(scale) for layer in layers}


def _check_generator(generator, num_classes):
    if generator.plasticity is None:
        raise UserError("plasticity of the generator: expected 'weights' or 'units', got None")
    if generator.conditioning == "one_hot" and 2 * num_classes > generator.latent_size:
        raise UserError(
            f"latent_size of the generator: expected at least twice the {num_classes} classes, whose one-hot code "
            f"overwrites as many entries of z, got {generator.latent_size}; conditioning = 'embedding' takes a fixed "
            "number of entries for any number of classes"
        )


def _collapsed_masks(context, layers):
    """A warning for each layer whose mask ended empty or full: nothing in the loss curves says so."""
    names = ", ".join(context.task.class_names)
    texts = {
        0.0: "is empty: the generator ignores this layer and, where nothing leads past it, its images are a constant; "
        "lower DGM.mask_scale_per_epoch or DGM.sparsity_weight",
        1.0: "is full: the task took the whole layer; raise GANSettings.epochs or DGM.sparsity_weight",
    }
    shares = {name: row["used"] / row["mask_entries"] for name, row in layers.items()}
    return [
        f"task {context.index + 1} ({names}): the mask of {name} {texts[share]}"
        for name, share in shares.items()
        if share in texts
    ]
