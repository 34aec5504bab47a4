"""Phase: a stretch of training that can be stopped and resumed at any step."""


class Phase:
    """Epochs of equal length over one compiled step; its step function depends on nothing but the step's number.

    Attributes:
      name: for people and logs.
      epochs, batches: int, steps are epochs * batches.
      trains_classifier: whether the classifier is worth evaluating after its epochs.
    """

    name = "phase"
    trains_classifier = False

    def __init__(self, epochs, batches):
        self.epochs, self.batches = epochs, batches

    @property
    def num_steps(self):
        """Steps in all."""
        return self.epochs * self.batches

    def step(self, index):
        """Runs step `index` in [0, num_steps); returns a dict of scalar tensors to display."""
        raise NotImplementedError

    def variables(self):
        """Variables that a checkpoint must keep beside the networks: the optimizers'."""
        return []

    def preview(self, index, labels):
        """Images [N, H, W, C] in [-1, 1] of the classes (labels: int [N]) as generated now, or None."""
        return None

    def schedule_at(self, index):
        """Dict of floats that describe the schedule at this step, for logs."""
        return {}
