"""A generator as the memory of what was learned: images by label."""

import numpy as np
import tensorflow as tf

from dgm_tf.training.inference import in_batches
from dgm_tf.training.randomness import normal, stateless_seed


class GeneratorMemory:
    """Makes images of learned classes.

    Args:
      generator: `TaskGenerator` or `ConditionalGenerator`.
      task_classes: for each task that it knows, its classes.
      number_of: function from a task to the number that its z is drawn by.

    Attributes:
      selectors: networks beside the generator that `draw` runs; an export takes them along.
    """

    selectors = ()

    def __init__(self, generator, task_classes, number_of=int):
        self.generator, self._task_classes, self._number_of = generator, task_classes, number_of

    def replay(self, labels, seed=0):
        """float32 [N, H, W, C] in [-1, 1], each image by its task's generator; labels: int [N]."""
        labels = np.asarray(labels, np.int32)
        images = np.empty((len(labels), *self.generator.image_shape), np.float32)
        for task, classes in enumerate(self._task_classes):
            rows = np.flatnonzero(np.isin(labels, classes))
            if len(rows):
                z = self.draw(labels[rows], stateless_seed(seed, "latents", self._number_of(task)))
                images[rows] = self.generate(task, self.latents(task, z, labels[rows]))
        return images

    def draw(self, labels, seed):
        """z float32 [N, latent_size] to make images of the labels from; TensorFlow, seed: int32 [2]."""
        return normal([tf.size(labels), self.generator.latent_size], seed)

    def latents(self, task, z, labels):
        """Full inputs of a learned task's generator for z [N, latent_size] and labels [N]; TensorFlow."""
        return self.generator.latents(z, labels, self.classes_up_to(task), task)

    def classes_up_to(self, task):
        """Width of the one-hot code that the task was learned with: classes seen by then."""
        return sum(len(classes) for classes in self._task_classes[: task + 1])

    def generate(self, task, latents):
        """Images of a learned task from full latents, numpy float32."""
        return in_batches(self.generator.plain(task), latents, self.generator.image_shape)

    def task_networks(self, num_tasks):
        """For each learned task an ordinary Keras model from `latents` to images; the same one where tasks share it."""
        return [self.generator.plain(task) for task in range(num_tasks)]
