"""Modules that `export` writes as SavedModels: generator and classifier of a learner.

The Keras networks stay outside the modules, which hold nothing but their variables: tracked as layers they
would be written twice.
"""

import tensorflow as tf

from dgm_tf.training.pool import to_float


class GeneratorModule(tf.Module):
    """Generates images of all learned classes, masks and batch norm folded into each task's weights.

    Args:
      learner: `Learner` of a `GenerativeMethod`; of a task that is not learned to its end nothing is taken.

    Methods, also under `signatures`, there with their results in a dict:
      sample(labels int32 [N], seed int32 [2]) -> images, a function of its arguments and nothing else;
      generate(labels int32 [N], z float32 [N, latent]) -> images, for z from N(0, 1); an unconditional generator
        (DGR) looks at z alone.
    `images` are float32 [N, H, W, C] in [-1, 1]; a label is the position of a class in the order of learning. Labels
    and seeds may be lists. (NumPy arrays of another type are cast by TensorFlow, before a model sees them.)

    Raises, when called:
      tf.errors.InvalidArgumentError: for a label that is no learned class, naming it and the valid range, for a number
        of z other than that of labels, and for z that is not finite.
      TypeError, ValueError: for other types and shapes.
    """

    def __init__(self, learner):
        super().__init__(name="generator")
        memory = learner.method.memory
        of_task = memory.task_networks(learner.num_tasks)
        networks = list(dict.fromkeys(of_task))  # tasks that share a network count once
        self.weights = [[v.value for v in network.weights] for network in (*networks, *memory.selectors)]
        task_of_network = [of_task.index(network) for network in networks]
        network_of_class = [
            networks.index(network)
            for network, classes in zip(of_task, learner.task_classes, strict=False)
            for _ in classes
        ]
        latent_size = memory.generator.latent_size

        def images_by(i, labels, z):
            return networks[i](memory.latents(task_of_network[i], z, labels), training=False)

        @tf.function(input_signature=[_labels_spec(), tf.TensorSpec([None, latent_size], name="z")])
        def generate(labels, z):
            labels = _checked(labels, tf.shape(z)[0], len(network_of_class))
            z = _finite(z)
            network_of_row = tf.gather(tf.constant(network_of_class), labels)
            # Each row goes through its own task's network alone, however many tasks there are.
            rows = tf.dynamic_partition(tf.range(tf.size(labels)), network_of_row, len(networks))
            parts = [images_by(i, tf.gather(labels, r), tf.gather(z, r)) for i, r in enumerate(rows)]
            return tf.dynamic_stitch(rows, parts)

        @tf.function(input_signature=[_labels_spec(), tf.TensorSpec([2], tf.int32, name="seed")])
        def sample(labels, seed):
            labels = _checked(labels, tf.size(labels), len(network_of_class))
            return generate(labels, memory.draw(labels, seed))

        self.generate, self.sample = generate, sample

    def signatures(self):
        """Returns the functions by name, with named results."""
        return {name: _named(getattr(self, name), "images") for name in ("sample", "generate")}


class ClassifierModule(tf.Module):
    """Classifies images among all classes seen so far.

    Args:
      learner: `Learner` that has begun at least one task.

    Method, also under `signatures`:
      classify(images uint8 [N, H, W, C]) -> {"logits": float32 [N, classes], "label": int32 [N], "probabilities":
        float32 [N, classes]}, labels as above. Of a method that tells known from unknown images there are "known", bool
        [N], and "score", float32 [N], too. Images are taken as files hold them and scaled inside, so that no caller
        can scale them otherwise than training did.

    Raises, when called:
      ValueError, TypeError: for images of another type, floats of NumPy too, or another shape, naming it. (Under
        `signatures` tensors of another type are refused, and NumPy arrays are cast by TensorFlow beforehand.)
    """

    def __init__(self, learner):
        super().__init__(name="classifier")
        network = learner.method.classifier
        self.weights = [v.value for v in network.weights]

        # Without an input signature, by which TensorFlow would cast what NumPy arrays hold: 0.9 to 0.
        @tf.function
        def classify(images):
            count = tf.shape(images)[0]
            # Convolutions cannot do with no images: then they get one, whose logits are left out.
            images = tf.pad(images, [[0, tf.cast(count == 0, tf.int32)], [0, 0], [0, 0], [0, 0]])
            return {name: answer[:count] for name, answer in _classified(learner.method, images).items()}

        self.classify = classify
        self._images = _images_spec(learner)
        classify.get_concrete_function(self._images)

    def signatures(self):
        """Returns the function by name."""
        return {"classify": self.classify.get_concrete_function(self._images)}


def plain_classifier(learner):
    """`tf.function` of one image or more -> {"label", "probabilities"}, "known" and "score" where there are such."""

    @tf.function(input_signature=[_images_spec(learner)])
    def classify(images):
        classified = _classified(learner.method, images)
        return {name: answer for name, answer in classified.items() if name != "logits"}

    return classify


def _images_spec(learner):
    return tf.TensorSpec([None, *learner.image_shape], tf.uint8, name="images")


def _classified(method, images):
    network, known = method.classifier, {}
    if method.tells_known:
        logits, score = network.logits_and_scores(to_float(images))
        known = {"known": score >= 0.0, "score": score}
    else:
        logits = network(to_float(images), training=False)[1]
    return known | {
        "logits": logits,
        "label": tf.argmax(logits, axis=1, output_type=tf.int32),
        "probabilities": tf.nn.softmax(tf.cast(logits, tf.float32)),
    }


def _labels_spec():
    return tf.TensorSpec([None], tf.int32, name="labels")


def _checked(labels, count, num_classes):
    """Returns the labels after a check that there are `count` and each is a learned class."""
    wrong = tf.boolean_mask(labels, (labels < 0) | (labels >= num_classes))
    message = f"labels: expected values from 0 to {num_classes - 1}, got"
    checks = [
        tf.debugging.Assert(tf.equal(tf.size(wrong), 0), [message, wrong]),
        tf.debugging.assert_equal(tf.size(labels), count, "z: expected one row for each label"),
    ]
    with tf.control_dependencies(checks):
        return tf.identity(labels)


def _finite(z):
    """Returns z after a check that it is finite."""
    check = tf.debugging.Assert(tf.reduce_all(tf.math.is_finite(z)), ["z: expected finite values, got NaN or infinity"])
    with tf.control_dependencies([check]):
        return tf.identity(z)


def _named(function, result):
    return tf.function(lambda *inputs: {result: function(*inputs)}, input_signature=function.input_signature)
