"""Parts of methods with one generator for all tasks, which every task changes.

While a task is learned there are two of it. `Networks.generator` stays as the task found it and replays the earlier
classes, so that what is replayed in the middle of a task does not depend on the step. `Networks.student` is trained,
and at the end of the task takes its place.
"""

import functools

import numpy as np

from dgm_tf.methods.generator_memory import GeneratorMemory
from dgm_tf.methods.method import network_bytes
from dgm_tf.training.generator_rules import GeneratorRules


class SharedGeneratorRules(GeneratorRules):
    """Plain conditional adversarial training.

    Args:
      generator: `ConditionalGenerator`.
      joint: see `GeneratorRules`.
    """

    def __init__(self, generator, joint=False):
        super().__init__(generator, generator.num_classes)
        self.joint = joint

    def generate(self, z, labels, schedule):
        """Images in training mode."""
        return self.generator(self.generator.latents(z, labels), training=True)

    def preview(self, z, labels, schedule):
        """Images in inference mode."""
        return self.generator(self.generator.latents(z, labels))


def next_student(generator, make, image_shape, num_classes):
    """The generator that a task trains: the last one with room for new classes, at the first task (None) a new one.

    make: generator class.
    """
    return make(image_shape=image_shape, num_classes=num_classes) if generator is None else generator.widen(num_classes)


def next_networks(method, context):
    """Begins a task of a `GenerativeMethod`: student and discriminator, trained on, with room for the new classes."""
    networks = method.networks
    with method.beginning(context):
        networks.student = next_student(networks.generator, method.generator, context.image_shape, context.num_classes)
        networks.classifier = method.next_discriminator(networks.classifier, context)


def student_phases(method, context, before_closing=None):
    """What `phases` returns: the GAN by `method.generator_rules()`, then the classifier on what the student remembers.

    before_closing: function that is called between the two.
    """
    fitting, classifier = method.fitting(context), method.networks.classifier
    student = GeneratorMemory(method.networks.student, context.task_classes)
    replayed = functools.cache(lambda: method.replayed(context))

    def closing_phase():
        if before_closing is not None:
            before_closing()
        return fitting.closing_phase(classifier, fitting.replay(student.replay), student.replay)

    return fitting.phases(lambda: fitting.gan_phase(method.generator_rules(), classifier, replayed), closing_phase)


def keep_student(networks, context):
    """Ends a task: the student takes the generator's place. Returns what `end_task` reports: the generator's size."""
    networks.generator, networks.student = networks.student, None
    size = sum(int(np.prod(v.shape)) for v in networks.generator.trainable_variables)
    return {"capacity": {"task": context.index, "size": size, "layers": {}}}


def generator_bytes(networks):
    """For `memory_bytes`: the generator, and its copy that is kept while the next task is learned; float32."""
    size = network_bytes(networks.generator)
    return {"generator": size, "generator copy": size}
