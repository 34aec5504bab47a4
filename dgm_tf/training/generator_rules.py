"""What a method adds to the generator's update."""


class GeneratorRules:
    """Hooks into the generator's update. The defaults are a plain conditional GAN.

    `schedule` is the dict of float tensors that `schedule_at` gives for the step.

    Attributes:
      joint: whether the GAN learns from the whole pool, replay included, and not from the current images alone:
        then the critic's real images are drawn uniformly from all of it, and an epoch stays as long as it was.
    """

    joint = False

    def __init__(self, generator, num_classes):
        self.generator, self.num_classes = generator, num_classes

    def schedule_at(self, epoch, batch, epochs, batches):
        """Dict of Python floats for the step, such as the mask scale."""
        return {}

    def generate(self, z, labels, schedule):
        """Images of the task being learned, batch norm in training mode."""
        raise NotImplementedError

    def preview(self, z, labels, schedule):
        """Images as they would be generated now, batch norm in inference mode, for people to look at."""
        raise NotImplementedError

    def penalty(self, schedule, seed):
        """A scalar added to the generator's loss; seed: int32 [2], the step's."""
        return 0.0

    def transform_gradients(self, gradients, variables, schedule):
        """The gradients that the optimizer gets."""
        return gradients
