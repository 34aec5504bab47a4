"""Dynamic Generative Memory (Ostapenko et al., CVPR 2019): DGMw and DGMa are one class and two gin files."""

import dataclasses

import gin
import numpy as np
import tensorflow as tf

from dgm_tf import checks
from dgm_tf.errors import UserError
from dgm_tf.layers import mask_algebra
from dgm_tf.methods.method import Method, next_discriminator
from dgm_tf.methods.real_replay import RealMemory, RealReplay
from dgm_tf.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from dgm_tf.networks.plastic import conditional_latents
from dgm_tf.training.classifier import ClassifierPhase, ClassifierSettings, check_batch_size
from dgm_tf.training.gan import GANPhase, GANSettings, GeneratorRules
from dgm_tf.training.inference import in_batches
from dgm_tf.training.pool import ImagePool, to_uint8
from dgm_tf.training.randomness import numpy_generator, seeded_initializers, stateless_seed


class MaskRules(GeneratorRules):
    """Annealed masks, the sparsity term, blocked and compensated gradients (section 3).

    Args:
      sparsity_weight: lambda_RU * alpha (eq. 6).
      max_mask_scale: s_max.
    """

    def __init__(self, generator, num_classes, sparsity_weight, max_mask_scale):
        super().__init__(generator, num_classes)
        self._sparsity_weight, self._max_mask_scale = sparsity_weight, max_mask_scale

    def schedule_at(self, epoch, batch, epochs, batches):
        """Mask scale s (eq. 4 for weights; s_max^i for units) and s_max^i (eq. 3)."""
        epoch_scale = mask_algebra.epoch_mask_scale(epoch, epochs, self._max_mask_scale)
        by_batch = self.generator.plasticity == "weights"
        scale = mask_algebra.batch_mask_scale(batch, batches, epoch_scale) if by_batch else epoch_scale
        return {"mask_scale": scale, "epoch_mask_scale": epoch_scale}

    def generate(self, z, labels, schedule):
        """Images at the current mask scale."""
        latents = conditional_latents(z, labels, self.num_classes)
        return self.generator(latents, schedule["mask_scale"], training=True)

    def preview(self, z, labels, schedule):
        """Images in inference mode."""
        return self.generator(conditional_latents(z, labels, self.num_classes), schedule["mask_scale"])

    def penalty(self, schedule, seed):
        """lambda_RU * alpha * R."""
        return self._sparsity_weight * self.generator.sparsity(schedule["mask_scale"])

    def transform_gradients(self, gradients, variables, schedule):
        """Eq. 5 and the compensation."""
        return self.generator.transform_gradients(
            gradients, variables, schedule["mask_scale"], schedule["epoch_mask_scale"]
        )


@gin.register
@dataclasses.dataclass
class DGM(Method):
    """A generator that reserves, grows and replays; a discriminator that classifies.

    Attributes:
      generator: `PlasticGenerator` class, not called.
      discriminator: two-headed network class, not called.
      gan: `GANSettings`.
      settings: `ClassifierSettings`.
      sparsity_weight: lambda_RU >= 0.
      max_mask_scale: s_max > 1; keep s_max / epochs as the paper has it (see gin/mnist_dgmw.gin).
      reinitialize_discriminator: whether D starts afresh at each task; else its class head is widened.
      real: `RealReplay`: stored real images as a part of the replay ("DGM + real"); None: generated ones alone.
    """

    generator: type = DCGANGenerator
    discriminator: type = DCGANDiscriminator
    gan: GANSettings = GANSettings()
    settings: ClassifierSettings = ClassifierSettings()
    sparsity_weight: float = 0.08
    max_mask_scale: float = 1e4
    reinitialize_discriminator: bool = True
    real: RealReplay | None = None

    derived = ("embedding", "reserved", "reserved_inputs")

    def __post_init__(self):
        checks.network_class(self, "generator")
        checks.network_class(self, "discriminator")
        checks.instance(self, "gan", (GANSettings,))
        checks.instance(self, "settings", (ClassifierSettings,))
        checks.number(self, "sparsity_weight", "[0, inf)")
        checks.number(self, "max_mask_scale", "(1, inf)")
        checks.flag(self, "reinitialize_discriminator")
        checks.instance(self, "real", (RealReplay, type(None)))
        if self.gan.auxiliary_loss and self.settings.replay_schedule == "none":
            raise UserError(
                "GANSettings.auxiliary_loss: with ClassifierSettings.replay_schedule 'none' the class head learns "
                "nothing beside the generator: expected False, got True"
            )
        self.memory, self.critic, self.task_classes, self._replayed = None, None, (), None
        self._stored = RealMemory(self.real)

    @property
    def augmentation(self):
        """Of the classifier's inputs."""
        return self.settings.augmentation

    def networks(self):
        """Generator and discriminator."""
        return {"generator": self.memory, "discriminator": self.critic}

    def restore_networks(self, networks, task_classes):
        """Takes networks that were saved."""
        self.memory, self.critic = networks["generator"], networks["discriminator"]
        self.task_classes = tuple(tuple(classes) for classes in task_classes)
        self.memory.restore_reserved()

    def arrays(self):
        """The stored real images."""
        return self._stored.arrays()

    def restore_arrays(self, arrays):
        """Takes them back."""
        self._stored.restore(arrays)

    def begin_task(self, context):
        """A generator at the first task; D afresh or widened for the new classes."""
        check_batch_size(self.gan.batch_size)
        with seeded_initializers(context.seed, "begin task", context.index):
            memory = self.memory or self.generator(image_shape=context.image_shape)
            _check_generator(memory, context.num_classes)
            self.memory, self.task_classes = memory, context.task_classes
            self.critic = next_discriminator(
                self.critic, self.discriminator, context, self.reinitialize_discriminator
            )

    def phases(self, context):
        """The GAN phase, then the classifier's closing epochs."""
        phases = [lambda: self._gan_phase(context)]
        if self.settings.closing_epochs:
            phases.append(lambda: self._closing_phase(context))
        return phases

    def _gan_phase(self, context):
        train = context.task.train
        replayed = [] if self.settings.replay_schedule == "none" else self._replay_set(context)
        pool = ImagePool([*replayed, (train.images, train.labels)])
        weight = self.sparsity_weight * self._relative_size()
        rules = MaskRules(self.memory, context.num_classes, weight, self.max_mask_scale)
        return GANPhase(rules, self.critic, pool, self.gan, self.settings, context.task_seed)

    def _closing_phase(self, context):
        groups = [*self._replay_set(context), *self._closing_images(context)]
        return ClassifierPhase(
            self.critic, ImagePool(groups), self.settings.closing_epochs, self.gan.batch_size,
            self.settings.learning_rate, context.task_seed, self.settings.augmentation,
        )  # fmt: skip

    def _closing_images(self, context):
        """The current task's images, real ones and, as far as asked for, generated ones."""
        train, share = context.task.train, self.settings.generated_current
        order = numpy_generator(context.task_seed, "closing").permutation(len(train))
        generated, real = np.split(order, [round(share * len(train))])
        groups = [(train.images[real], train.labels[real])]
        if len(generated):
            self.memory.reserve()  # idempotent: `end_task` comes to the same masks
            labels = train.labels[generated]
            groups.append((self._quantized(self.replay(labels, context.task_seed)), labels))
        return groups

    def _relative_size(self):
        """alpha: mask entries before the task / free ones, which growth keeps at their first number."""
        sizes = [np.prod(layer.mask_shape(layer.inputs_width, layer.width)) for layer in self.memory.masked_layers]
        return float(np.sum(sizes) / np.sum(self.memory.initial_sizes))

    def _replay_set(self, context):
        """Per earlier task (images, labels): as many per class as the current classes have on average.

        Stored real ones as far as there are any, else generated, once, and held until the task ends.
        """
        if self._replayed is None:
            self._replayed = self._generate_replay_set(context)
        return self._replayed

    def _generate_replay_set(self, context):
        def generate(labels):
            return self._quantized(self.replay(labels, context.task_seed))

        count = context.images_per_class
        return [self._stored.completed(classes, count, generate) for classes in context.task_classes[:-1]]

    def _quantized(self, images):
        return to_uint8(images) if self.settings.quantize_replay else images

    def end_task(self, context):
        """Reserves the task's masks and grows; returns capacity per layer, warnings, and drift by its growth."""
        self._replayed = None
        self._stored.store(context, self.critic)
        self.memory.reserve()
        layers = self.memory.capacity()
        size = self.memory.task_size()
        probe = self.replay(context.task.classes)
        with seeded_initializers(context.seed, "grow", context.index):
            self.memory = self.memory.grow()
        drift = float(np.max(np.abs(self.replay(context.task.classes) - probe)))
        for name, free in self.memory.free_capacity().items():
            layers[name]["free"] = free
        capacity = {"task": context.index, "size": size, "layers": layers}
        return {"capacity": capacity, "warnings": _collapsed_masks(context, layers), "replay_drift": drift}

    def memory_bytes(self):
        """The generator without the present task's embeddings, float32, the tasks' masks, one bit an entry, and the
        stored real images.
        """
        masks = sum(int(np.prod(bits.shape)) for layer in self.memory.masked_layers for bits in layer.task_bits[:-1])
        kept = [w for w in self.memory.weights if w.name not in self.derived and w.dtype != "uint8"]
        generator = 4 * sum(int(np.prod(w.shape)) for w in kept)
        return {"generator": generator, "masks": masks} | self._stored.memory_bytes()

    def replay(self, labels, seed=0):
        """Images of learned classes, each from the frozen masks of its class's task."""
        labels = np.asarray(labels, np.int32)
        images = np.zeros((len(labels), *self.memory.image_shape), np.float32)
        for task, classes in enumerate(self.task_classes):
            rows = np.flatnonzero(np.isin(labels, classes))
            if len(rows):
                images[rows] = self._generate(task, labels[rows], stateless_seed(seed, "latents", task))
        return images

    def _generate(self, task, labels, seed):
        z = tf.random.stateless_normal([len(labels), self.memory.latent_size], seed)
        return self.generate(task, conditional_latents(z, labels, self.classes_up_to(task)))

    def classes_up_to(self, task):
        """Width of the one-hot code that the task was learned with: classes seen by then."""
        return sum(len(classes) for classes in self.task_classes[: task + 1])

    def generate(self, task, latents):
        """Images of a learned task from full latents [N, latent], numpy float32."""
        return in_batches(self.memory.plain(task), latents)

    def watch(self, schedule):
        """Share of ones in each layer's mask; while the masks are trained, their values too."""
        layers = self.memory.masked_layers
        masks = {layer.name: mask_algebra.binarize(layer.embedding) for layer in layers}
        scale = schedule.get("mask_scale")
        values = {} if scale is None else {f"masks/values/{layer.name}": layer.mask(scale) for layer in layers}
        return {f"masks/share_of_ones/{name}": float(mask.mean()) for name, mask in masks.items()}, values


def _check_generator(generator, num_classes):
    if generator.plasticity is None:
        raise UserError("plasticity of the generator: expected 'weights' or 'units', got None")
    if num_classes >= generator.latent_size:
        raise UserError(
            f"latent_size of the generator: expected more than the {num_classes} classes, whose one-hot code "
            f"overwrites as many entries of z, got {generator.latent_size}"
        )


def _collapsed_masks(context, layers):
    """A warning for each layer whose mask ended empty or full: nothing in the loss curves says so."""
    names = ", ".join(context.task.class_names)
    texts = {
        0.0: "is empty: the generator ignores this layer and its images are a constant; lower s_max or lambda_RU",
        1.0: "is full: the task took the whole layer; more epochs at the same s_max / epochs or a larger lambda_RU",
    }
    shares = {name: row["used"] / row["mask_entries"] for name, row in layers.items()}
    return [
        f"task {context.index + 1} ({names}): the mask of {name} {texts[share]}"
        for name, share in shares.items()
        if share in texts
    ]
