"""Rules by which DGM trains its generator: annealed masks, sparsity, gradients that do not reach what is reserved."""

from dgm_tf.layers import mask_algebra
from dgm_tf.training.generator_rules import GeneratorRules


class MaskRules(GeneratorRules):
    """Annealed masks, the sparsity term, blocked and compensated gradients.

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
        latents = self.generator.latents(z, labels, self.num_classes)
        return self.generator(latents, schedule["mask_scale"], training=True)

    def preview(self, z, labels, schedule):
        """Images in inference mode."""
        return self.generator(self.generator.latents(z, labels, self.num_classes), schedule["mask_scale"])

    def penalty(self, schedule, seed):
        """lambda_RU * alpha * R."""
        return self._sparsity_weight * self.generator.sparsity(schedule["mask_scale"])

    def transform_gradients(self, gradients, variables, schedule):
        """Eq. 5 and the compensation."""
        return self.generator.transform_gradients(
            gradients, variables, schedule["mask_scale"], schedule["epoch_mask_scale"]
        )
